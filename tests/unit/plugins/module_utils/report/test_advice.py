# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What limited a run, what would make the next one faster, and how long it will take: real run
folders, reported on as the action plugin does."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.report.earlier import earlier
from ansible_collections.scaleout.ingest.tests.support import reports, sampleplan

LATER = sampleplan.START + 5000


def make(folder: Path, **given: Any) -> str:
    """A run; one called ``now`` begins when the others are over."""
    if folder.name == "now":
        given["started"] = LATER
    return sampleplan.make_run(
        str(folder), **{"files": 3000, "mean_size": 6.0, "run_id": folder.name, **given}
    )


def edit(folder: str, *statements: str) -> None:
    db = sqlite3.connect(os.path.join(folder, "plan.db"))
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def rates(folder: str, *steps: tuple[int, int]) -> None:
    """Ten seconds with each number of workers, so many files a second; on every client."""
    db = sqlite3.connect(os.path.join(folder, "plan.db"))
    hosts = [host for (host,) in db.execute("SELECT name FROM hosts")]
    db.execute("DELETE FROM samples")
    for host in hosts:
        time = files = 0
        for workers, rate in steps:
            for _second in range(11):
                db.execute(
                    "INSERT INTO samples VALUES (?, ?, ?, ?, ?)", (host, time, files, 0, workers)
                )
                time, files = time + 1, files + rate
    db.commit()
    db.close()


def advice(folder: str) -> tuple[dict[str, Any], str]:
    report = reports.report(folder)
    return report.stats["advice"], " ".join("\n".join(report.summary).split())


def test_more_workers_where_the_last_step_gained(tmp_path: Path) -> None:
    folder = make(tmp_path / "one")
    rates(folder, (16, 400), (32, 700), (64, 1100))
    found, said = advice(folder)
    assert found["limit"] == "latency"
    assert found["measured"] == {"rate_with_32_workers": 700, "rate_with_64_workers": 1100}
    assert [hint["change"] for hint in found["next"]] == ["workers"]
    assert "more workers" in said and "1,100 files/s" in said


def test_not_more_workers_where_they_gained_nothing(tmp_path: Path) -> None:
    folder = make(tmp_path / "one")
    rates(folder, (16, 400), (32, 405))
    found, said = advice(folder)
    assert found["limit"] == "unclear" and not found["next"]
    assert "with 16 workers 400 files/s, with 32 workers 405 files/s" in found["because"]
    assert "unclear" in said


def test_full_processors_come_first(tmp_path: Path) -> None:
    folder = make(tmp_path / "one")
    rates(folder, (16, 400), (32, 700))
    edit(folder, "UPDATE hosts SET processors=0.96")
    found, said = advice(folder)
    assert found["limit"] == "client processor"
    assert found["measured"]["processors_busy"] == 0.96
    assert found["next"][0]["change"] == "clients"
    assert "96% busy" in said


@pytest.mark.parametrize(
    "other, limit, change",
    [
        # Three mounts were three times as fast as one, so a fourth will help.
        ({"mounts": 1, "seconds": 270}, "address", "mounts"),
        ({"hosts": 1, "seconds": 265}, "client link", "clients"),
        ({"hosts": 1, "seconds": 91}, "cluster", "cluster"),
        # Nothing to learn: the same again.
        ({}, "unclear", None),
        # Another method, or files of quite another size, is no comparison.
        ({"mounts": 1, "seconds": 270, "method": "rsync"}, "unclear", None),
        ({"mounts": 1, "seconds": 270, "mean_size": 12.0}, "unclear", None),
    ],
)
def test_an_earlier_run_tells(
    tmp_path: Path, other: dict[str, Any], limit: str, change: str | None
) -> None:
    before = make(tmp_path / "before", **other)
    if other.get("mounts") == 1:  # to another path, perhaps, but to one of these destinations
        assert reports.report(before).stats["destinations"] == ["/mnt/destination1/projects"]
    reports.report(before)
    found, said = advice(make(tmp_path / "now"))
    assert found["limit"] == limit, found
    assert [hint["change"] for hint in found["next"]][:1] == ([change] if change else [])
    if change:
        assert "(run before)" in found["because"] and "before" in said
        assert len([name for name in found["measured"] if not name.endswith("workers")]) == 2


def test_another_method_was_faster(tmp_path: Path) -> None:
    reports.report(make(tmp_path / "before", seconds=30))
    found, said = advice(make(tmp_path / "now", method="rsync", seconds=90))
    (hint,) = [hint for hint in found["next"] if hint["change"] == "method"]
    assert hint["text"].startswith("ingest_method copy: ") and "(run before)" in hint["text"]
    assert hint["measured"]["rate_with_copy"] > 2 * hint["measured"]["rate"]
    assert "ingest_method copy" in said


def test_what_else_took_long(tmp_path: Path) -> None:
    folder = make(tmp_path / "one", checked=200.0)
    # Two of three clients ended early, and one mount did little.
    edit(
        folder,
        "UPDATE shards SET finished=claimed + 1 WHERE claimed_by<>'client01' AND phase<4",
        "UPDATE results SET files=0, bytes=0 WHERE mount LIKE '%destination2%'",
    )
    found, _said = advice(folder)
    changes = {hint["change"] for hint in found["next"]}
    assert "check" in changes and "mounts" in changes
    (slow,) = [hint for hint in found["next"] if hint["change"] == "mounts"]
    assert "/mnt/destination2/projects" in slow["text"]


def test_short_runs_and_checks_say_nothing(tmp_path: Path) -> None:
    nothing = {"limit": None, "because": "", "measured": {}, "next": []}
    assert advice(make(tmp_path / "short", seconds=3))[0] == nothing
    assert advice(make(tmp_path / "check", check=True))[0] == nothing


def test_check_mode_estimates_by_the_last_runs(tmp_path: Path) -> None:
    for name, seconds in (("one", 60), ("two", 90)):
        reports.report(make(tmp_path / name, seconds=seconds))
    report = reports.report(make(tmp_path / "now", check=True, files=6000))
    found = report.stats["estimate"]
    assert sorted(found["runs"]) == ["one", "two"]
    assert found["low"] == pytest.approx(120, rel=0.2)
    assert found["high"] == pytest.approx(180, rel=0.2)
    # One client instead of three takes three times as long.
    alone = reports.report(make(tmp_path / "now", check=True, files=6000, hosts=1))
    assert alone.stats["estimate"]["low"] == pytest.approx(3 * found["low"], rel=0.1)
    assert "by the last 2 runs to this destination" in " ".join("\n".join(alone.summary).split())
    page = Path(alone.files["report.html"]).read_text(encoding="utf-8")
    assert "by the last 2 runs" in page


def test_what_came_after_is_no_earlier_run(tmp_path: Path) -> None:
    reports.report(make(tmp_path / "one"))
    assert reports.report(make(tmp_path / "two", check=True)).stats["estimate"] is None


def test_no_estimate_without_a_run_that_says_something(tmp_path: Path) -> None:
    reports.report(make(tmp_path / "unfinished", unfinished=True))
    reports.report(make(tmp_path / "check", check=True))
    reports.report(make(tmp_path / "rsync", method="rsync"))
    assert reports.report(make(tmp_path / "now", check=True)).stats["estimate"] is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"hosts": {}, "parameters": {}}',
        '{"hosts": {"a": 3}, "parameters": {}, "shards": {"done": 1, "total": 1}, "check": false, '
        '"destinations": ["/mnt/destination1/projects"], "run_id": 1, "method": [], "bound": 2, '
        '"files": 1, "bytes": 1, "copy_seconds": 9}',
    ],
)
def test_what_lies_there_and_is_no_run_does_no_harm(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "stats.json").write_text(text)
    (tmp_path / "loop").symlink_to("loop")
    report = reports.report(make(tmp_path / "now"))
    assert report.stats["estimate"] is None
    assert earlier(str(tmp_path / "now"), ["/mnt/destination1/projects"], 1e12) == []


def test_what_an_earlier_run_is_called_is_shown_as_it_is(tmp_path: Path) -> None:
    before = make(tmp_path / "before", mounts=1, seconds=270)
    reports.report(before)
    path = Path(before) / "stats.json"
    stats = dict(json.loads(path.read_text()), run_id="<script>\x1b[31m")
    path.write_text(json.dumps(stats))
    report = reports.report(make(tmp_path / "now"))
    assert "\x1b" not in "\n".join(report.summary)
    page = Path(report.files["report.html"]).read_text(encoding="utf-8")
    assert "run &lt;script&gt;" in page and "<script>\x1b" not in page
