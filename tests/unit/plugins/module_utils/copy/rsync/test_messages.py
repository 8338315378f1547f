# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rsync says, word for word as its versions say it, becomes the failure of an item."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync.messages import (
    Change,
    Reader,
    ending,
)

CALLED = {b"7/a": b"d/e/a", b"8/b\n": b"d/b\n", b"9/top": b"top", b'7/c"d': b'd/e/c"d'}
READER = Reader(CALLED, (b"/sys/s", b"/sys/d"))


@pytest.mark.parametrize(
    "line, path, operation, number, shown",
    [
        (
            b'rsync: [sender] link_stat "/sys/s/7/a" failed: No such file or directory (2)',
            b"d/e/a",
            "link_stat",
            errno.ENOENT,
            '"d/e/a" failed',
        ),
        (
            b'rsync: [receiver] rename "/sys/d/7/.a.Xy12zZ" -> "7/a": Permission denied (13)',
            b"d/e/a",
            "rename",
            errno.EACCES,
            '"d/e/.a.Xy12zZ" -> "d/e/a"',
        ),
        (
            b'rsync: [receiver] write failed on "/sys/d/8/b\\#012": No space left on device (28)',
            b"d/b\n",
            "write failed on",
            errno.ENOSPC,
            '"d/b\\#012"',
        ),
        (b'file has vanished: "/sys/s/9/top"', b"top", "read", errno.ENOENT, '"top"'),
        (
            b'rsync: [sender] send_files failed to open "/sys/s/7/c"d": Permission denied (13)',
            b'd/e/c"d',
            "send_files failed to open",
            errno.EACCES,
            '"d/e/c"d"',
        ),
        (
            b"could not make way for new regular file: 9/top",
            b"top",
            "create",
            errno.EISDIR,
            "file: top",
        ),
        (
            b"ERROR: 7/a failed verification -- update discarded.",
            b"d/e/a",
            "verify",
            errno.EIO,
            "ERROR: d/e/a failed",
        ),
    ],
)
def test_a_complaint_is_its_items_failure(
    line: bytes, path: bytes, operation: str, number: int, shown: str
) -> None:
    told = READER.complaints([line + b"\n"])
    assert told.rest == [] and not told.refused
    failure = told.failures[path]
    assert (failure.operation, failure.errno) == (operation, number)
    assert shown in failure.message and "/sys/" not in failure.message


def test_a_refused_attribute_is_no_failure() -> None:
    line = b'rsync: [generator] chown "/sys/d/7/a" failed: Operation not permitted (1)\n'
    told = READER.complaints([line])
    assert (told.failures, told.refused) == ({}, {b"d/e/a"})


def test_what_names_no_item_is_kept() -> None:
    told = READER.complaints([b"rsync: nothing known\n", b"rsync error: some (code 23)\n"])
    assert told.failures == {}
    assert ending(23, told.rest) == "rsync: nothing known; rsync error: some (code 23)"
    assert ending(23, told.rest[1:]) == ending(0, told.rest) == ""
    assert ending(-9, []) == "rsync was ended by signal 9"
    assert ending(12, []) == "rsync ended with status 12"


def test_changes() -> None:
    assert READER.change(b"@item >f+++++++++ 12 8/b\\#012") == Change(b"d/b\n", True, 12)
    assert READER.change(b"@item cL+++++++++ 3 7/a") == Change(b"d/e/a", True, 0)
    assert READER.change(b"@item .f...p..... 12 7/a") == Change(b"d/e/a", False, 0)
    assert READER.change(b"@item >f+++++++++ 12 7/other") is None
    assert READER.change(b"sending incremental file list") is None
    assert READER.skipped(b'skipping non-regular file "9/top"') == b"top"
    assert READER.skipped(b"skipping directory .") is None
