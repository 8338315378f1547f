# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is ours in a destination, and what is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.temporary import (
    left_behind,
    nothing_there,
    temporary,
    temporary_of,
)

PROOFS = {b".ingest-times-12-34567", b".ingest-probe-" + b"0f" * 8, b".ingest-token-" + b"9a" * 8}
OTHERS = {b".ingest-lock", b".ingest-", b".ingest-mine", b"x.ingest-" + b"0" * 32, b"lost+found"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


def _make(folder: int, names: set[bytes]) -> None:
    for name in names:
        os.close(os.open(name, os.O_CREAT, 0o600, dir_fd=folder))


def test_names_do_not_meet() -> None:
    names = [temporary(), temporary(), temporary_of(b"a", 1), temporary_of(b"a", 2)]
    names += [temporary_of(b"b", 1), temporary_of(b"\xff" * 255, 2**63 - 1)]
    assert len(set(names)) == len(names)
    assert temporary_of(b"a", 1) == temporary_of(b"a", 1)


def test_what_is_left_behind(folder: int) -> None:
    ours = {temporary(), temporary_of(b"a", 1), b".ingest-" + b"c" * 24}
    _make(folder, ours | PROOFS | OTHERS)
    assert set(left_behind(folder)) == ours
    assert set(left_behind(folder, -60)) == ours | PROOFS


def test_an_empty_destination(folder: int) -> None:
    assert nothing_there(folder)
    _make(folder, {b".ingest-lock", b"lost+found"})
    assert nothing_there(folder)
    _make(folder, {temporary()})
    assert not nothing_there(folder)


def test_a_destination_with_something_in_it(folder: int) -> None:
    _make(folder, {b"file"})
    assert not nothing_there(folder)
