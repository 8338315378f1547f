# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the destination has: extras.jsonl, and all that speaks of it."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import plan
from ansible_collections.scaleout.ingest.tests.support import engine, reports

NAMES = (b"-rf", b"<script>", b"new\nline", "ü".encode(), b"{{ x }}", b"\xff\xfe")


def run(folder: Path, **options: Any) -> tuple[list[dict[str, Any]], Any]:
    """The lines of extras.jsonl, and the report, of a run into a destination that has more."""
    reports.plain_tree(folder / "source", 10)
    (target, *others) = reports.destinations(str(folder))
    for name in NAMES:
        os.mkdir(os.path.join(target, name))
    (folder / "destination/old").write_text("")
    engine.ingest(os.fsencode(folder / "source"), [target, *others], str(folder / "run"), **options)
    report = reports.report(str(folder / "run"))
    with open(report.files["extras.jsonl"], encoding="utf-8") as lines:
        return [json.loads(line) for line in lines], report


@pytest.mark.parametrize("compare", [False, True])
def test_extras_are_reported(tmp_path: Path, compare: bool) -> None:
    """Whether the scan finds them, or the second pass; once, if both do."""
    lines, report = run(tmp_path, compare=compare)
    assert [line["path"].encode("utf-8", "surrogateescape") for line in lines] == sorted(
        [*NAMES, b"old"]
    )
    assert [line["type"] for line in lines if line["path"] == "old"] == ["file"]
    assert {line["type"] for line in lines if line["path"] != "old"} == {"directory"}
    (odd,) = [line for line in lines if "path_base64" in line]
    assert base64.b64decode(odd["path_base64"]) == b"\xff\xfe"
    assert (report.stats["extras"], report.complaint) == (7, "")
    assert "  The destination has 7 items that the source has not." in report.summary
    assert any(line.endswith("/extras.jsonl") for line in report.summary)
    metrics = Path(report.files["metrics.prom"]).read_text(encoding="utf-8")
    assert "\nscaleout_ingest_extras 7\n" in metrics
    assert "\nscaleout_ingest_success 1\n" in metrics
    page = Path(report.files["report.html"]).read_text(encoding="utf-8")
    assert "Only in the destination" in page and "&lt;script&gt;" in page


def test_extras_make_a_run_fail_where_that_is_asked_for(tmp_path: Path) -> None:
    dummy, report = run(tmp_path, extra="fail")
    path = report.files["extras.jsonl"]
    assert report.complaint == f"the destination has 7 items that the source has not: see {path}"
    assert "finished with extras" in report.summary[0]
    metrics = Path(report.files["metrics.prom"]).read_text(encoding="utf-8")
    assert "\nscaleout_ingest_success 0\n" in metrics


def test_without_extras_the_file_is_empty_and_nothing_speaks_of_them(tmp_path: Path) -> None:
    reports.plain_tree(tmp_path / "source", 10)
    targets = reports.destinations(str(tmp_path))
    for name in ("first", "second"):
        engine.ingest(
            os.fsencode(tmp_path / "source"),
            targets,
            str(tmp_path / name),
            extra="fail",
            compare=False,
        )
        report = reports.report(str(tmp_path / name))
        assert (report.stats["extras"], report.complaint) == (0, "")
        assert not any("source has not" in line for line in report.summary)
        assert Path(report.files["extras.jsonl"]).read_bytes() == b""
    assert report.stats["verify"]["proved"] == 10
    words = "  Not looked at again, as the copy had compared it: 10 items."
    assert words in report.summary


def test_extras_are_found_by_a_second_pass_alone(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="extra: 'fail' needs the second pass"):
        plan(str(tmp_path), str(tmp_path / "plan.db"), ["one"], verify="none", extra="fail")
