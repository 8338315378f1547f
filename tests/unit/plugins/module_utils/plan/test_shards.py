# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a shard."""

from __future__ import annotations

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import Want
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards


def in_turn(*directories: bytes) -> list[bytes]:
    """The directories of lines that come in this order, in turn."""
    lines = [shards.line(name, [f'["{n}",0,0,0,0,0,0]'], 0) for n, name in enumerate(directories)]
    turned = shards.in_turn(enumerate(shards.unpack(shards.pack(lines))))
    read = [shards.read_line("copy", body) for _number, (_files, _size, body) in turned]
    for name in directories:  # those of one stay in order, and none is missing
        kept = [int(rows[0].name) for directory, rows in read if directory == name]
        assert kept == [n for n, other in enumerate(directories) if other == name]
    return [directory for directory, _rows in read]


def test_directories_take_turns() -> None:
    for name in (b'q",[', b"b/c"):
        turned = in_turn(*[b"a"] * 3, *[name] * 3)
        assert all(turned[at] != turned[at + 1] for at in range(5)), turned


def test_a_large_directory_does_not_remain_when_the_others_are_done() -> None:
    small = [b"small%d" % n for n in range(100)]
    turned = in_turn(*[b"large"] * 400, *small, *small)
    for at in range(0, 600, 60):
        part = turned[at : at + 60]
        assert 30 <= part.count(b"large") <= 50, (at, part)


WANT = Want(0o100644, 1000, 100, 5, -1, -1, 0)
NAME = b'new\nline "\xff'


@pytest.mark.parametrize(
    "kind, row",
    [
        ("copy", shards.CopyRow(NAME, WANT._replace(rdev=259))),
        ("link", shards.LinkRow(NAME, WANT, b"leader/\xfe")),
        ("range", shards.RangeRow(NAME, WANT, 1 << 40, 1 << 20, 7)),
        ("prepare", shards.FinishRow(NAME, WANT, 7)),
        ("finish", shards.FinishRow(NAME, WANT, 7)),
        ("directories", shards.DirectoryRow(b"", WANT._replace(size=0, atime=3))),
    ],
)
def test_a_row_comes_back(kind: str, row: shards.Row) -> None:
    line = shards.line(b"a/\xff", [row.encode(), row.encode()], 9)
    ((files, size, body),) = shards.unpack(shards.pack([line]))
    assert (files, size) == (2, 9)
    assert shards.read_line(kind, body) == (b"a/\xff", [row, row])
