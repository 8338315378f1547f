# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a shard."""

from __future__ import annotations

from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards


def test_directories_take_turns() -> None:
    lines = [shards.line(name, ['["x",0]'], 0) for name in (b"a", b"a", b'q",[', b"a", b"b/c")]
    packed = shards.pack(lines)
    turned = shards.in_turn(shards.unpack(packed))
    assert [shards.read_line(body)[0] for _files, _size, body in turned] == [
        b"a",
        b'q",[',
        b"b/c",
        b"a",
        b"a",
    ]
