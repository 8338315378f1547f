# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What moves about in the source while it is scanned and copied arrives, or is named."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.support.pipeline import ingest


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """Two directories, of which a scan with one worker lists z first, and a destination."""
    for name in ("source/a/sub/deep", "source/z", "destination"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "source/a/sub/deep/file").write_text("1")
    (tmp_path / "source/a/sub/deep/file.log").write_text("1")
    return tmp_path


def copy(tree: Path, run: str = "run", **options: Any) -> tuple[int, list[tuple[bytes, str]]]:
    """How many items failed, and which, with the reason."""
    folder = tree / run
    folder.mkdir()
    destination = os.fsencode(tree / "destination")
    source = os.fsencode(tree / "source")
    result = ingest(source, [destination], str(folder), workers=2, **options)
    db = sqlite3.connect(str(folder / "plan.db"))
    failures = db.execute("SELECT path, message FROM failures ORDER BY path").fetchall()
    db.close()
    return result["failed"], failures


def new(name: str) -> str:
    """The reason."""
    return (
        f"has changed since it was scanned: '{name}' is new in the source and not in the "
        "destination: run it again"
    )


class Moving:
    """os.scandir, which moves a/sub to z when a is about to be listed: z has been listed."""

    def __init__(self, tree: Path) -> None:
        self.source = tree / "source"
        self.real = os.scandir

    def __call__(self, at: Any = ".") -> Iterator[Any]:
        entries = self.real(at)
        path = os.readlink(f"/proc/self/fd/{at}") if isinstance(at, int) else ""
        if path == str(self.source / "a") and (self.source / "a/sub").exists():
            os.rename(self.source / "a/sub", self.source / "z/sub")
        return entries


@pytest.mark.parametrize("verify", ["none", "metadata", "checksum"])
@pytest.mark.parametrize("method", ["copy", "rsync", "msrsync"])
def test_a_directory_that_moves_during_the_scan_is_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch, verify: str, method: str
) -> None:
    monkeypatch.setattr(os, "scandir", Moving(tree))
    failed, failures = copy(
        tree, verify=verify, method=method, scan_workers=1, after_scan=monkeypatch.undo
    )
    assert (tree / "source/z/sub/deep/file").exists()
    assert not (tree / "destination/z/sub").exists()
    assert (failed, failures) == (1, [(b"z", new("sub"))])
    assert copy(tree, "again", verify=verify, method=method) == (0, [])
    assert (tree / "destination/z/sub/deep/file").exists()


@pytest.mark.parametrize("verify", ["none", "metadata"])
def test_what_comes_after_the_scan_is_named_unless_it_is_left_out(tree: Path, verify: str) -> None:
    (tree / "source/old.log").write_text("there before the scan")

    def come() -> None:
        for name in ("new.log", "a/new.log", "new", "a/sub/new"):
            (tree / "source" / name).write_text("1")
        (tree / "source/left").mkdir()

    failed, failures = copy(tree, verify=verify, exclude=[b"*.log", b"/left/"], after_scan=come)
    assert failures == [(b"", new("new")), (b"a/sub", new("new"))]
    assert failed == 2


def test_globs_leave_the_rest_alone(tree: Path) -> None:
    (tree / "source/other").mkdir()

    def come() -> None:
        (tree / "source/other/new").write_text("1")
        (tree / "source/new").write_text("1")
        (tree / "source/a/sub/new").write_text("1")

    failures = copy(tree, globs=[b"a/s*"], after_scan=come)[1]
    assert failures == [(b"a/sub", new("new"))]


def test_what_goes_or_is_written_is_no_newcomer(tree: Path) -> None:
    """Only what is missing in the destination is a failure."""
    (tree / "source/z/vanishes").mkdir()

    def change() -> None:
        os.rmdir(tree / "source/z/vanishes")
        os.rename(tree / "source/a/sub/deep/file", tree / "source/a/sub/deep/other")
        os.rename(tree / "source/a/sub/deep/other", tree / "source/a/sub/deep/file")
        os.chmod(tree / "source/a", 0o750)

    assert copy(tree, after_scan=change, preserve=("times",))[1] == []


def test_another_directory_in_the_place_of_one_is_looked_into(tree: Path) -> None:
    def swap() -> None:
        os.rename(tree / "source/a", tree / "elsewhere")
        (tree / "source/a/sub").mkdir(parents=True)
        (tree / "source/a/sub/new").write_text("1")

    failures = copy(tree, after_scan=swap)[1]
    assert (b"a/sub", new("new")) in failures
