# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths as bytes, text and payloads."""

from __future__ import annotations

import json

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import (
    check_relative,
    display,
    join,
    split,
    to_bytes,
    to_text,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import Want
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.binary(min_size=1, max_size=60).filter(
    lambda name: b"\0" not in name and b"/" not in name
)


@given(st.binary(max_size=100))
def test_text_and_json_bring_the_same_bytes_back(path: bytes) -> None:
    assert to_bytes(to_text(path)) == path
    assert to_bytes(json.loads(json.dumps(to_text(path)))) == path
    assert json.dumps(to_text(path)).isascii()


@given(st.binary(max_size=100))
def test_what_is_displayed_is_printable_and_unambiguous(path: bytes) -> None:
    assert display(path).isprintable()
    display(path).encode("utf-8")
    assert display(path) != display(path + b"\\n") != display(path + b"\n")


@given(NAMES, NAMES)
def test_split_is_the_inverse_of_join(directory: bytes, name: bytes) -> None:
    assert split(join(directory, name)) == (directory, name)
    assert split(join(b"", name)) == (b"", name)


@pytest.mark.parametrize(
    "path", [b"", b"/a", b"a//b", b"a/", b".", b"..", b"a/../b", b"./a", b"a\0b"]
)
def test_paths_that_could_lead_outside_are_refused(path: bytes) -> None:
    with pytest.raises(IngestError):
        check_relative(path)


@pytest.mark.parametrize("path", [b"a", b"..a", b"a/.b", b"...", b"\xff/\n", b"-rf"])
def test_other_paths_are_not(path: bytes) -> None:
    assert check_relative(path) == path


@given(
    NAMES,
    st.lists(
        st.tuples(NAMES, st.integers(0, 1 << 60), st.integers(-(1 << 60), 1 << 60)), max_size=10
    ),
)
def test_payloads_come_back(directory: bytes, files: list) -> None:
    rows = [
        shards.LinkRow(name, Want(0o100644, 1, 2, size, time, time, 7), b"leader\n")
        for name, size, time in files
    ]
    packed = shards.pack([shards.line(directory, [row.encode() for row in rows], 5)])
    ((count, size, body),) = shards.unpack(packed)
    assert (count, size) == (len(files), 5)
    found, entries = shards.read_line("link", body)
    assert found == directory
    assert entries == rows
