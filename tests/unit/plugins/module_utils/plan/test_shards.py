# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a shard."""

from __future__ import annotations

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import Want
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards


def test_directories_take_turns() -> None:
    lines = [
        shards.line(name, ['["x",0,0,0,0,0,0]'], 0) for name in (b"a", b"a", b'q",[', b"a", b"b/c")
    ]
    packed = shards.pack(lines)
    turned = shards.in_turn(shards.unpack(packed))
    assert [shards.read_line("copy", body)[0] for _files, _size, body in turned] == [
        b"a",
        b'q",[',
        b"b/c",
        b"a",
        b"a",
    ]


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
