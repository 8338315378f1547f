# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries that come to a directory after it was listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy import names
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.names import Names
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.session import Session
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import OperationError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import as_seen, names_digest


@pytest.fixture(name="pair")
def _pair(tmp_path: Path) -> tuple[Path, Path]:
    for tree in ("source", "destination"):
        (tmp_path / tree / "d").mkdir(parents=True)
    return tmp_path / "source", tmp_path / "destination"


def session(pair: tuple[Path, Path]) -> Session:
    """One from tree to tree."""
    return Session(os.fsencode(pair[0]), os.fsencode(pair[1]), frozenset())


def test_a_directory_is_listed_only_if_its_ctime_differs(pair: tuple[Path, Path]) -> None:
    (pair[0] / "d/new\n1").write_text("")
    check = Names(session(pair)).newcomers
    seen = os.stat(pair[0] / "d").st_ctime_ns
    check(b"d", seen, 0)
    message = "'new\\n1' is new in the source and not in the destination: run it again"
    for other in (0, seen - 1):
        with pytest.raises(OperationError, match="has changed since it was scanned: ") as caught:
            check(b"d", other, 0)
        assert message in str(caught.value)
    (pair[1] / "d/new\n1").symlink_to("nowhere")
    check(b"d", 0, 0)
    os.rename(pair[0] / "d", pair[0] / "e")
    check(b"d", 0, 0)  # that it is gone is told with the directory above it


def test_a_large_directory_is_asked_for_what_is_not_held(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_HELD", 3)
    for tree in pair:
        for number in range(20):
            (tree / f"d/{number}").write_text("")
    check = Names(session(pair)).newcomers
    check(b"d", 0, 0)
    for number in range(20, 25):
        (pair[0] / f"d/{number}").write_text("")
    with pytest.raises(OperationError, match="' and 4 more are new"):
        check(b"d", 0, 0)


def test_what_the_walk_knew_is_not_new(pair: tuple[Path, Path]) -> None:
    """It may have failed, which has been said, or be on its way."""
    (pair[0] / "d/failed").write_text("")
    (pair[0] / "d/below").mkdir()
    check = Names(session(pair)).newcomers
    names = names_digest([b"failed"], [b"below"])
    check(b"d", 0, names)
    for known in (names_digest([], [b"below"]), names_digest([b"below", b"failed"], []), 0):
        with pytest.raises(OperationError, match="'below' and 1 more are new"):
            check(b"d", 0, known)


def test_only_an_old_ctime_tells_anything() -> None:
    looked = 1_800_000_000.5
    old = 1_799_999_000 * 10**9
    assert as_seen(old, looked) == old
    assert as_seen(int(looked * 1e9), looked) == 0
    assert as_seen(int(looked * 1e9) - 10**9, looked) == 0
    assert as_seen(int(looked * 1e9) + 10**12, looked) == 0
