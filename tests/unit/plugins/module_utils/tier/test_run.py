# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of files with worker processes, in order and within limits."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.interrupted import end_cleanly
from ansible_collections.scaleout.ingest.plugins.module_utils.tier import batch, run, start
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.outcome import (
    Candidate,
    Known,
    known_of,
)
from ansible_collections.scaleout.ingest.tests.support.union import Pools


def sized(name: bytes, size: int) -> Candidate:
    """A file of a size."""
    return Candidate((name,), Known(1, 1, size, 0, 0))


def test_large_files_come_first_and_alone() -> None:
    files = [sized(b"s1", 5), sized(b"l1", 70 << 20), sized(b"s2", 6), sized(b"l2", 90 << 20)]
    names = [[one.paths[0] for one in some] for some in run.batches(files)]
    assert names == [[b"l2"], [b"l1"], [b"s1", b"s2"]]
    many = [sized(b"%d" % number, 1) for number in range(1100)]
    assert [len(some) for some in run.batches(many)] == [1024, 76]


def options(pools: Pools, **more: Any) -> dict[str, Any]:
    """The module's options."""
    return {
        "path": os.fsdecode(pools.union),
        "driver": "union",
        "source": {"name": "fast", "path": os.fsdecode(pools.fast)},
        "target": {"name": "slow", "path": os.fsdecode(pools.slow)},
        "files": None,
        "list": None,
        "results": None,
        "workers": 2,
        "guarantee": "lease",
        "quiet": 0.0,
        "grace": 0.01,
        "limit_files": 0,
        "limit_bytes": 0,
        "limit_errors": "0",
        "rate": "0",
        **more,
    }


def build(pools: Pools, count: int = 600) -> list[dict[str, Any]]:
    """Files in the fast pool, as the module gets them."""
    files = []
    for number in range(count):
        os.makedirs(pools.fast + b"/d%d" % (number % 7), exist_ok=True)
        path = b"d%d/f%d" % (number % 7, number)
        with open(pools.fast + b"/" + path, "wb") as file:
            file.write(b"%d" % number * 100)
        known = known_of(os.lstat(pools.fast + b"/" + path))
        files.append({"paths": [path.decode()], "known": list(known)})
    return files


def test_a_list_with_results_and_a_preview(pools: Pools) -> None:
    files = build(pools)
    listed = os.path.join(pools.folder, "list")
    with open(listed, "w", encoding="ascii") as stream:
        for line in files[300:]:
            stream.write(json.dumps(line) + "\n")
    results = os.path.join(pools.folder, "results")
    given = options(pools, files=files[:300], list=listed, results=results)
    preview = start.migrate(given, True)
    assert preview["moved"] == 600 and not pools.everything(pools.slow)
    answer = start.migrate(given, False)
    assert (answer["moved"], answer["failures_total"], answer["guarantee"]) == (600, 0, "lease")
    assert len(pools.everything(pools.slow)) == 600 and not pools.everything(pools.fast)
    with open(results, encoding="ascii") as stream:
        rows = [json.loads(line) for line in stream]
    assert {row["outcome"] for row in rows} == {"moved"} and len(rows) == 600
    for row in rows:
        now = known_of(os.lstat(pools.slow + b"/" + row["paths"][0].encode()))
        assert list(now) == row["known"]  # so that the index can be told what they are now
    assert answer["bytes"] == sum(row["bytes"] for row in rows) == preview["bytes"]
    again = start.migrate(options(pools, files=files), False)
    assert (again["moved"], again["outdated"]) == (0, 600)


def test_limits(pools: Pools) -> None:
    files = build(pools, 30)
    answer = start.migrate(options(pools, files=files, limit_files=7), False)
    assert (answer["moved"], answer["stopped"]) == (7, "the limit of files or bytes is reached")
    rest = [line for line in files if os.path.exists(pools.fast + b"/" + line["paths"][0].encode())]
    answer = start.migrate(options(pools, files=rest, limit_bytes=650), False)
    assert 0 < answer["bytes"] <= 650


def test_too_many_failures_stop_a_run(pools: Pools) -> None:
    files = build(pools, 1200)
    for line in files[:1024]:  # the target pool has files of these names
        path = pools.slow + b"/" + line["paths"][0].encode()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass
    answer = start.migrate(options(pools, files=files, workers=1, limit_errors="10%"), False)
    assert (answer["failures_total"], answer["moved"]) == (1024, 0)
    assert answer["stopped"] == "more than 10 percent of the files failed"
    assert "another file of this name" in answer["failures"][0]["message"]


def test_no_room_is_said_before(pools: Pools) -> None:
    files = build(pools, 3)
    files[0]["known"][2] = 1 << 40
    with pytest.raises(IngestError, match="tier_pools: slow: .* free, and .* nothing was moved"):
        start.migrate(options(pools, files=files), False)
    assert not pools.everything(pools.slow)


def test_a_worker_that_dies_loses_nothing(pools: Pools, monkeypatch: Any) -> None:
    files = build(pools, 1100)
    verify = batch.UnderWay.verify

    def dying(self: Any, look: Any) -> None:
        if self.path == b"d0/f7":
            os.kill(os.getpid(), signal.SIGKILL)
        verify(self, look)

    monkeypatch.setattr(batch.UnderWay, "verify", dying)
    answer = start.migrate(options(pools, files=files), False)
    assert answer["failures_total"] == 1024 and answer["moved"] == 76
    assert "a worker process died" in answer["failures"][0]["message"]
    monkeypatch.setattr(batch.UnderWay, "verify", verify)
    answer = start.migrate(options(pools, files=files), False)
    assert answer["moved"] == 1024
    assert len(pools.everything(pools.slow)) == 1100 and not pools.everything(pools.fast)


def test_two_runs_with_the_same_files_move_each_once(pools: Pools) -> None:
    files = build(pools, 600)
    results = [os.path.join(pools.folder, f"results{number}") for number in range(2)]
    pids = []
    for number in range(2):
        pid = os.fork()
        if pid == 0:
            try:
                some = files[::-1] if number else files
                start.migrate(options(pools, files=some, results=results[number]), False)
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    moved: list[str] = []
    for path in results:
        with open(path, encoding="ascii") as stream:
            rows = [json.loads(line) for line in stream]
        assert len(rows) == 600 and {row["outcome"] for row in rows} <= {"moved", "hot", "changed"}
        moved += [row["paths"][0] for row in rows if row["outcome"] == "moved"]
    assert len(moved) == len(set(moved)) and len(pools.everything(pools.slow)) == len(moved)
    assert len(pools.everything(pools.fast)) == 600 - len(moved)
    assert start.migrate(options(pools, files=files), False)["moved"] == 600 - len(moved)
    for number in range(600):
        with open(pools.slow + b"/d%d/f%d" % (number % 7, number), "rb") as file:
            assert file.read() == b"%d" % number * 100


def test_a_run_that_is_stopped_leaves_nothing_half_done(pools: Pools, monkeypatch: Any) -> None:
    files = build(pools, 60)
    commit = batch.UnderWay.rests

    def slow(self: Any) -> None:
        time.sleep(0.05)
        commit(self)

    monkeypatch.setattr(batch.UnderWay, "rests", slow)
    pid = os.fork()
    if pid == 0:
        try:
            end_cleanly()
            start.migrate(options(pools, files=files), False)
        finally:
            os._exit(0)
    while not pools.everything(pools.slow):
        time.sleep(0.01)
    time.sleep(0.3)  # among the removals
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    fast, slow_pool = pools.everything(pools.fast), pools.everything(pools.slow)
    assert len(fast) + len(slow_pool) == 60 and not set(fast) & set(slow_pool)
    for pool in (pools.fast, pools.slow):
        assert set(os.listdir(pool + b"/.ingest-tier")) <= {b"lock"}
    order = os.getxattr(pools.union + b"/.mergerfs", "user.mergerfs.branches")
    assert order == b"%s=RW:%s=RW" % (pools.fast, pools.slow)


def test_leases_that_say_nothing_are_refused(pools: Pools, monkeypatch: Any) -> None:
    monkeypatch.setattr(batch.leases, "honoured", lambda root: False)
    files = build(pools, 3)
    with pytest.raises(IngestError, match="guarantee: best_effort moves files that have been"):
        start.migrate(options(pools, files=files), False)
    given = options(pools, files=files, guarantee="best_effort", quiet=3600.0)
    answer = start.migrate(given, False)
    assert (answer["hot"], answer["guarantee"]) == (3, "best_effort")
    time.sleep(0.01)
    given["quiet"] = 0.0
    assert start.migrate(given, False)["moved"] == 3


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"paths": ["../x"]}, "'../x' does not name something below the root"),
        ({"paths": ["/etc/passwd"]}, "does not name something below the root"),
        ({"paths": []}, "names no file"),
        ({"paths": ["a", "a"]}, "one name twice"),
        ({"path": "a"}, "names no file to move"),
        ({"paths": ["a"], "known": [1, 2]}, "names no file to move"),
    ],
)
def test_lines_are_not_trusted(line: dict[str, Any], sentence: str) -> None:
    with pytest.raises(IngestError, match=sentence):
        Candidate.from_json(line)
