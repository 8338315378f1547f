# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs onto a destination that the scan compares: reruns, and what changes before it is copied."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.scaleout.ingest.tests.support import engine
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees

TIME = 1_600_000_000_123_456_789


class Run:
    """A source of three directories with five files each, and its copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.there = folder / "source", folder / "destination"
        self._runs = 0
        for name in "abc":
            (self.source / name).mkdir(parents=True)
            for number in range(5):
                self.write(self.source / name / str(number), f"{name}{number}")
        self.there.mkdir()
        assert self.ingest().counts["files"] == 15

    def write(self, path: Path, text: str) -> None:
        """A file with a time."""
        path.write_text(text)
        os.utime(path, ns=(TIME, TIME))

    def ingest(self, **options: object) -> engine.Result:
        """Copy."""
        self._runs += 1
        run = str(self.folder / f"run{self._runs}")
        return engine.ingest(bytes(self.source), [bytes(self.there)], run, workers=2, **options)

    def differences(self) -> list[str]:
        """Of the copy from the source."""
        return compare_trees(bytes(self.source), bytes(self.there))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A tree that was copied once."""
    return Run(tmp_path)


def test_a_second_run_has_nothing_to_do(run: Run) -> None:
    again = run.ingest()
    assert again.counts["right"] == 15 and again.counts["changed"] == 0
    assert again.counts["skipped"] == 0  # nobody looked again
    assert run.ingest(compare=False).counts["skipped"] == 15


def test_only_what_is_missing_or_other_is_done(run: Run) -> None:
    (run.there / "a" / "1").unlink()
    run.write(run.there / "b" / "2", "longer than it was")
    (run.there / "c" / "3").chmod(0o600)
    shutil.rmtree(run.there / "c")
    again = run.ingest()
    assert again.failures == []
    assert again.counts["files"] == 7 and again.counts["right"] == 8
    assert run.differences() == []


def test_what_a_killed_run_left_is_removed(run: Run) -> None:
    """It has changed the time of its directory, which is why that is looked at."""
    left = run.there / "b" / (".ingest-" + "0" * 32)
    left.write_text("half")
    again = run.ingest()
    assert again.counts["removed"] == 1 and again.counts["files"] == 0
    assert run.differences() == []


def test_a_read_only_directory_keeps_its_mode(run: Run) -> None:
    (run.source / "a").chmod(0o555)
    run.ingest()
    (run.there / "a").chmod(0o755)
    (run.there / "a" / "1").unlink()
    (run.there / "a").chmod(0o555)
    assert run.ingest().failures == []
    assert run.differences() == []


def _planned_file_becomes(run: Run, make: Callable[[Path], object]) -> engine.Result:
    """One file is missing when the scan compares; then something stands in its place."""
    (run.there / "b" / "4").unlink()
    return run.ingest(after_scan=lambda: make(run.there / "b" / "4"))


def test_a_link_that_comes_after_the_comparison_is_replaced(run: Run) -> None:
    secret = run.folder / "secret"
    secret.write_text("nobody's")
    result = _planned_file_becomes(run, lambda path: path.symlink_to(secret))
    assert result.failures == [] and run.differences() == []
    assert secret.read_text() == "nobody's"


def test_a_file_that_comes_after_the_comparison_is_looked_at(run: Run) -> None:
    def right(path: Path) -> None:
        shutil.copy2(run.source / "b" / "4", path)

    result = _planned_file_becomes(run, right)
    assert result.counts["skipped"] == 1 and result.counts["files"] == 0
    assert run.differences() == []
    result = _planned_file_becomes(run, lambda path: path.write_text("wrong"))
    assert result.counts["files"] == 1 and run.differences() == []


def test_a_directory_that_becomes_a_link_after_the_comparison_is_not_followed(run: Run) -> None:
    elsewhere = run.folder / "elsewhere"
    elsewhere.mkdir()
    (run.there / "b" / "4").unlink()

    def swap() -> None:
        os.rename(run.there / "b", run.folder / "moved")
        (run.there / "b").symlink_to(elsewhere)

    result = run.ingest(after_scan=swap)
    assert b"b/4" in result.errors
    assert "a link or a file is in the place of a directory" in str(result.failures)
    assert os.listdir(elsewhere) == []


def test_a_source_that_changes_after_the_comparison_is_copied_as_it_is(run: Run) -> None:
    (run.there / "a" / "0").unlink()
    result = run.ingest(after_scan=lambda: run.write(run.source / "a" / "0", "new contents"))
    assert result.failures == []
    assert (run.there / "a" / "0").read_text() == "new contents"
    # What was right then was right at that moment: the next run sees the change.
    run.ingest(after_scan=lambda: (run.source / "c" / "0").write_text("later"))
    assert (run.there / "c" / "0").read_text() == "c0"
    assert run.ingest().counts["files"] == 1
    assert (run.there / "c" / "0").read_text() == "later"


def test_a_newcomer_in_a_directory_that_is_planned_is_told(run: Run) -> None:
    (run.there / "a" / "0").unlink()
    result = run.ingest(after_scan=lambda: run.write(run.source / "a" / "new", "new"))
    assert "new in the source and not in the destination" in str(result.failures)
    assert run.ingest().failures == [] and run.differences() == []


def test_a_checksum_finds_other_contents_behind_the_same_size_and_time(run: Run) -> None:
    run.write(run.there / "c" / "1", "XX")
    assert run.ingest().counts["right"] == 15
    found = run.ingest(verify="checksum")
    assert list(found.errors) == [b"c/1"]
    assert "was marked so that the next run copies it again" in str(found.failures)
    assert run.ingest().counts["files"] == 1
    assert run.differences() == []


@pytest.mark.parametrize("split", ["round_robin", "balanced", "dynamic"])
def test_hard_links_of_which_some_are_there(run: Run, split: str) -> None:
    for name in ("a/h1", "b/h2", "c/h3"):
        os.link(run.source / "a" / "1", run.source / name)
    assert run.ingest(split=split).counts["files"] == 3
    assert run.differences() == []
    (run.there / "b" / "h2").unlink()
    again = run.ingest(split=split)
    assert again.counts["files"] == 1 and again.counts["right"] == 17
    assert run.differences() == []
    run.write(run.source / "a" / "1", "other contents")
    assert run.ingest(split=split).failures == []
    assert run.differences() == []
