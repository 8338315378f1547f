# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary on the terminal, and numbers as people read them."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core import units
from ansible_collections.scaleout.ingest.tests.support import reports, sampleplan


def lines_of(folder: str) -> list[str]:
    """The summary's lines: printable, and no wider than 80 columns but for the first, a sentence,
    and for paths to be copied."""
    lines = reports.report(folder).summary
    for number, line in enumerate(lines):
        assert line.isprintable() or line == ""
        assert len(line) <= 80 or folder in line or not number
    return lines


def test_a_run(tmp_path: Any) -> None:
    lines = lines_of(sampleplan.make_run(str(tmp_path), files=30000))
    text = "\n".join(lines)
    assert lines[0].startswith("Ingest 20270115T080000 done: 30,000 files, ")
    for part in (
        "client01",
        "client03",
        "files/s",
        "MB/s",
        "/mnt/destination3/projects",
        "the rate that matters is files/s",
        os.path.join(str(tmp_path), "report.html"),
    ):
        assert part in text
    assert "failures.jsonl" not in text


def test_many_clients_show_the_slowest(tmp_path: Any) -> None:
    lines = lines_of(sampleplan.make_run(str(tmp_path), hosts=60, mounts=40, files=6000, dead=True))
    assert any("the 24 slowest of 60 clients" in line for line in lines)
    assert any("client02 is dead: no answer for 60 s" in line for line in lines)
    assert any("and 16 more destinations" in line for line in lines)
    assert len(lines) < 80


def test_failures_and_losses(tmp_path: Any) -> None:
    lines = lines_of(sampleplan.make_run(str(tmp_path), failures=1234, hostile=True, lost=True))
    text = "\n".join(lines)
    assert "finished with failures" in lines[0]
    assert "1,234 items failed:" in text and "run the same command again" in text
    assert "failures.jsonl" in text
    assert "The destination could not hold:" in text and "owner of 303 items" in text


def test_failures_are_grouped_by_cause_and_directory(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path))
    with sqlite3.connect(folder + "/plan.db") as db:
        for number in range(391):
            path = b"b/support/%d/file" % (number % 7) if number else b"b/support/top"
            words = "a link or file is in the place of a directory"
            db.execute(
                "INSERT INTO failures VALUES (1, 'client01', '', 1, ?, 'make directory', 20, ?)",
                (b"%s%d" % (path, number), words),
            )
        for path, words in ((b"a/x", "Permission denied"), (b"c/y", "Permission denied")):
            db.execute(
                "INSERT INTO failures VALUES (1, 'client01', '', 1, ?, 'open', 13, ?)",
                (path, words),
            )
        db.execute(
            "INSERT INTO failures VALUES (1, 'client01', '', 1, ?, 'read', 5, 'I/O error')",
            (b"d/z",),
        )
    text = " ".join(" ".join(lines_of(folder)).split())
    assert "394 items failed:" in text
    assert (
        "b/support: 391 items below it: a link or file is in the place of a directory "
        "(make directory)" in text
    )
    assert "a/x and 1 more: Permission denied (open)" in text
    assert "d/z: I/O error (read)" in text


def test_large_files_are_judged_by_bytes(tmp_path: Any) -> None:
    lines = lines_of(sampleplan.make_run(str(tmp_path), files=300, mean_size=17.0))
    assert any("the rate that matters is MB/s" in line for line in lines)


@pytest.mark.parametrize(
    "number, text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (1_312_345_678, "1.31 GB"),
        (5 * 10**21, "5,000 EB"),
    ],
)
def test_size(number: int, text: str) -> None:
    assert units.size(number) == text


@pytest.mark.parametrize(
    "seconds, text",
    [
        (-1, "0.0 s"),
        (4.25, "4.2 s"),
        (59.96, "1 min 00 s"),
        (125, "2 min 05 s"),
        (11220, "3 h 07 min"),
        (187200, "2 d 04 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert units.duration(seconds) == text


def test_percent_is_whole_only_if_nothing_is_missing() -> None:
    assert [units.percent(*pair) for pair in ((1, 8), (999_999, 1_000_000), (5, 5), (0, 0))] == [
        "12.5 %",
        "99.9 %",
        "100.0 %",
        "-",
    ]
