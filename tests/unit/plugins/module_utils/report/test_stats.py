# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of real runs, beside what find counts."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import results
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.module_utils.report import series as series_of
from ansible_collections.scaleout.ingest.plugins.module_utils.report import stats
from ansible_collections.scaleout.ingest.tests.support import engine, reports, sampleplan, trees

TOP = [
    "run_id",
    "method",
    "split",
    "source",
    "destinations",
    "files",
    "directories",
    "bytes",
    "skipped",
    "failed",
    "seconds",
    "files_per_second",
    "bytes_per_second",
    "bound",
    "hosts",
]


def find(folder: str, *tests: str) -> list[int]:
    """The sizes of what find finds."""
    output = subprocess.run(
        ["find", folder, *tests, "-printf", "%s\\n"], check=True, stdout=subprocess.PIPE
    ).stdout
    return [int(line) for line in output.split()]


@pytest.fixture
def run(tmp_path: Any) -> str:
    """The hostile tree, copied over two addresses of one directory."""
    folder = str(tmp_path)
    os.mkdir(folder + "/source")
    nodes = [
        node for node in trees.hostile() if trees.ROOT or node.kind != "f" or node.mode & 0o400
    ]
    kept = {node.path for node in nodes}
    trees.build(
        os.fsencode(folder + "/source"),
        [node for node in nodes if node.kind != "h" or node.target in kept],
    )
    os.makedirs(folder + "/source/empty/below")
    engine.ingest(
        os.fsencode(folder + "/source"), reports.destinations(folder), folder + "/run", workers=2
    )
    yield folder
    trees.remove(os.fsencode(folder))


def test_find_counts_the_same(run: str) -> None:
    found = reports.report(run + "/run").stats
    assert list(found)[: len(TOP)] == TOP
    (host,) = found["hosts"].values()
    assert list(host)[:7] == [
        "files",
        "bytes",
        "failed",
        "seconds",
        "files_per_second",
        "bytes_per_second",
        "mounts",
    ]
    others = find(run + "/source", "!", "-type", "d")
    assert found["files"] == len(others)  # and none of those that were only checked
    assert found["failed"] == found["skipped"] == 0
    assert found["planned"]["directories"] == len(find(run + "/source", "-type", "d"))
    assert found["scan"]["bytes"] == sum(find(run + "/source", "-type", "f"))
    assert found["verify"]["files"] >= len(others)
    mounts = host["mounts"]
    assert sum(mount["files"] for mount in mounts.values()) == host["files"] == found["files"]
    assert sum(mount["bytes"] for mount in mounts.values()) == host["bytes"] == found["bytes"]
    assert set(mounts) <= set(found["destinations"])
    assert found["shards"]["done"] == found["shards"]["total"]
    seconds = found["copy_seconds"]
    assert 0 < seconds < found["seconds"]
    assert found["files_per_second"] == pytest.approx(found["files"] / seconds, rel=0.01)
    assert host["files_per_second"] == found["files_per_second"]
    assert found["check_seconds"] > 0 < found["plan_seconds"]
    assert found["scan_seconds"] == found["scan"]["seconds"]
    assert found["check_seconds"] <= found["seconds"]
    assert sum(bucket.files for bucket in Index(run + "/run/index").size_histogram()) == len(
        find(run + "/source", "-type", "f")
    )


def test_bytes_are_those_of_each_file_once(tmp_path: Any) -> None:
    reports.plain_tree(tmp_path / "source", 40)
    folder = str(tmp_path)
    engine.ingest(
        os.fsencode(folder + "/source"), reports.destinations(folder), folder + "/run", workers=2
    )
    found = reports.report(folder + "/run").stats
    assert (
        found["bytes"] == found["planned"]["bytes"] == sum(find(folder + "/source", "-type", "f"))
    )
    assert found["files"] == len(find(folder + "/source", "-type", "f"))


def test_the_second_run_skips_all(tmp_path: Any) -> None:
    reports.plain_tree(tmp_path / "source", 20)
    folder = str(tmp_path)
    for name in ("run", "again"):
        engine.ingest(
            os.fsencode(folder + "/source"),
            reports.destinations(folder),
            folder + "/" + name,
            workers=2,
        )
    found = reports.report(folder + "/again").stats
    assert (found["files"], found["bytes"], found["changed"]) == (0, 0, 0)
    assert found["skipped"] >= 20
    with open(folder + "/again/stats.json", encoding="ascii") as stream:
        assert json.load(stream) == found


@pytest.mark.parametrize(
    "files, size, expected",
    [
        (0, 0, "files"),
        (1, (10 << 20) - 1, "files"),
        (1, 10 << 20, "bytes"),
        (1000, 1000 * (10 << 20) - 1, "files"),
        (3, 30 << 20, "bytes"),
    ],
)
def test_bound(files: int, size: int, expected: str) -> None:
    assert stats.bound(files, size) == expected


def test_ranges_of_a_file_are_one_file(tmp_path: Any) -> None:
    os.mkdir(tmp_path / "source")
    for number in range(2):
        with open(tmp_path / "source" / str(number), "wb") as stream:
            stream.truncate(5 << 20)
            stream.write(b"x" * 100)
    folder = str(tmp_path)
    engine.ingest(
        os.fsencode(folder + "/source"),
        reports.destinations(folder),
        folder + "/run",
        workers=2,
        limits={"range_threshold": 1 << 20, "range_size": 1 << 20},
    )
    found = reports.report(folder + "/run").stats
    assert found["files"] == found["planned"]["files"] == found["planned"]["items"] == 2
    assert sum(host["planned"]["files"] for host in found["hosts"].values()) == 2


def test_sixty_clients(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), hosts=60, files=6000, dead=True, lost=True)
    found = reports.report(folder).stats
    hosts: dict[str, Any] = found["hosts"]
    assert len(hosts) == 60 and list(hosts) == sorted(hosts)
    assert sum(host["files"] for host in hosts.values()) == found["files"] == 6000
    assert (
        sum(host["bytes"] for host in hosts.values()) == found["bytes"] == found["planned"]["bytes"]
    )
    assert hosts["client02"]["state"] == "dead"
    assert {loss["kind"]: len(loss["hosts"]) for loss in found["not_preserved"]} == {
        "owner": 60,
        "xattrs": 60,
    }
    assert found["not_preserved"][0]["count"] == sum(range(100, 160))


def test_the_rate_of_the_copy_is_by_its_own_time(tmp_path: Any) -> None:
    """A run that copied for 75 s and checked for 30 s is not one that copied for 105 s."""
    folder = sampleplan.make_run(
        str(tmp_path), hosts=3, files=7500, seconds=75, checked=30.0, plan_seconds=1.5
    )
    report = reports.report(folder)
    found = report.stats
    assert (found["seconds"], found["copy_seconds"], found["check_seconds"]) == (105.0, 75.0, 30.0)
    assert (found["scan_seconds"], found["plan_seconds"]) == (16.0, 1.5)
    assert found["files_per_second"] == 100.0
    assert found["bytes_per_second"] == pytest.approx(found["bytes"] / 75, abs=0.001)
    host = found["hosts"]["client02"]
    assert (host["seconds"], host["copy_seconds"], host["check_seconds"]) == (105.0, 72.0, 30.0)
    assert host["files_per_second"] == pytest.approx(host["files"] / 72, abs=0.001)
    assert "plan_seconds" not in found["parameters"]
    text = "\n".join(report.summary)
    assert "in 1 min 15 s" in report.summary[0]
    assert "  scanned in 16.0 s, planned in 1.5 s, copied in 1 min 15 s, checked in 30.0 s" in text
    with open(report.files["report.html"], encoding="utf-8") as stream:
        assert "scanned in 16.0 s, planned in 1.5 s, copied in 1 min 15 s" in stream.read()
    with open(report.files["metrics.prom"], encoding="utf-8") as stream:
        metrics = stream.read()
    for step, seconds in (("scan", "16"), ("plan", "1.5"), ("copy", "75"), ("check", "30")):
        line = f'scaleout_ingest_step_duration_seconds{{step="{step}"}} {seconds}\n'
        assert line in metrics


def throughput(folder: str) -> Any:
    with PlanStore.open(folder + "/plan.db") as store:
        return series_of.throughput(store)


def test_throughput_adds_up(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), hosts=4, files=4000, seconds=600)
    db = sqlite3.connect(folder + "/plan.db")
    # A client whose clock is an hour wrong.
    db.execute("UPDATE samples SET time = time + 3600 WHERE host = 'client02'")
    db.commit()
    db.close()
    width, series = throughput(folder)
    assert [found.host for found in series] == ["client01", "client02", "client03", "client04"]
    assert len({len(found.files) for found in series}) == 1 and width == 5
    assert all(sum(found.files) == pytest.approx(1000) for found in series)
    # Until the fifth second 16 were at work.
    assert all(set(found.workers[:1]) < {16, 32} for found in series)
    assert all(set(found.workers[2:100]) == {32} for found in series)


def test_samples_are_spread_over_the_time_between_them(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), hosts=1, files=10)
    db = sqlite3.connect(folder + "/plan.db")
    db.execute("DELETE FROM samples")
    db.executemany(
        "INSERT INTO samples VALUES ('client01', ?, ?, ?, 2)",
        [(100, 0, 0), (104, 80, 800), (105, 80, 800), (106, 10, 10)],
    )
    db.commit()
    db.close()
    width, series = throughput(folder)
    assert width == 0.5
    assert series[0].files == pytest.approx([10] * 8 + [0, 0] + [5, 5])
    assert series[0].workers == [2] * 8 + [2] * 4


def test_slow_directories_once_each(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), hosts=2, files=10)
    db = sqlite3.connect(folder + "/plan.db")
    db.executemany(
        "INSERT INTO slow VALUES (?, ?, ?, ?, ?)",
        [("client01", b"a/b", 60.0, 5, 6), ("client01", b"a/b", 40.0, 5, 6)],
    )
    db.commit()
    db.close()
    with PlanStore.open(folder + "/plan.db") as store:
        found = results.slowest(store)
    assert found[0] == results.Slow(b"a/b", "client01", 100.0, 10, 12)
    assert len(found) == 20 and len({(slow.path, slow.host) for slow in found}) == 20


def test_without_its_index(tmp_path: Any) -> None:
    folder = sampleplan.make_run(str(tmp_path), files=100)
    shutil.rmtree(folder + "/index")
    found = reports.report(folder).stats
    assert found["scan"] == {} and found["planned"]["files"] == 100
