# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller is killed, and the same command goes on."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    LOCAL,
    Run,
    ingest,
    stats,
    words,
)
from ansible_collections.scaleout.ingest.tests.support.runs import (
    LONGEST,
    jobs_of,
    kill,
    start,
    tree,
)

OPTIONS: dict[str, Any] = {"lease": 40, "workers": 1, "shard_items": 20}
MB = 1 << 20


def asked(place: Place, query: str) -> list[Any]:
    """What the plan answers."""
    with contextlib.closing(sqlite3.connect(place.run + "/plan.db")) as plan:
        return plan.execute(query).fetchall()


def wait_until(what: Callable[[], object], run: subprocess.Popen[str]) -> None:
    """Until something is so, as long as the run goes on."""
    end = time.monotonic() + LONGEST
    while not what():
        assert time.monotonic() < end and run.poll() is None, "it did not come to that"
        time.sleep(0.02)


def recorded(place: Place, kind: str) -> int:
    """How many shards of a kind the plan has as done."""
    if not os.path.exists(place.run + "/plan.db"):
        return 0
    query = f"SELECT count(*) FROM shards WHERE state='done' AND kind='{kind}'"
    return int(asked(place, query)[0][0])


def arrived(place: Place) -> dict[str, tuple[int, int]]:
    """(inode, ctime) at the destination of what the plan has as copied."""
    found = {}
    for kind, payload in asked(
        place,
        "SELECT s.kind, p.payload FROM shards s JOIN payloads p ON p.shard=s.id "
        "WHERE s.state='done' AND s.kind='copy'",
    ):
        for dummy, dummy, body in shards.unpack(payload):
            directory, rows = shards.read_line(kind, body)
            for row in rows:
                path = os.fsdecode(shards.path_of(directory, row))
                state = os.stat(os.path.join(place.destination, path))
                found[path] = state.st_ino, state.st_ctime_ns
    return found


def index_of(place: Place) -> tuple[int, int]:
    """The scan's result, as a file."""
    state = os.stat(place.run + "/index/0.db")
    return state.st_ino, state.st_mtime_ns


def again(place: Place, *arguments: str, inventory: str = LOCAL, **variables: object) -> Run:
    """The same command, as fast as it can."""
    trees = {"source": place.source, "destinations": [place.destination]}
    return ingest(
        place.folder, *arguments, inventory=inventory, **{**OPTIONS, **trees, **variables}
    )


def test_the_same_command_goes_on_in_mid_copy(folder: str) -> None:
    place = tree(folder, "a", files=300, size=20_000)
    run = start(place, LOCAL, run_dir=place.run, bandwidth_limit=600_000, **OPTIONS)
    wait_until(lambda: recorded(place, "copy") >= 3, run)
    kill(run, wholly=True)
    scanned, planned = index_of(place), os.stat(place.run + "/plan.db").st_ino
    before = arrived(place)
    assert 60 <= len(before) < 300
    done = again(place)
    assert done.status == 0, done.output
    assert "has a complete scan" in words(done) and "shards are done: it goes on" in words(done)
    assert place.differences() == []
    assert (index_of(place), os.stat(place.run + "/plan.db").st_ino) == (scanned, planned)
    after = arrived(place)
    assert {path: after[path] for path in before} == before, "what was recorded was copied again"
    # At most what was in flight: found there, and not copied twice.
    numbers = stats(place.run)
    assert numbers["files"] + numbers["skipped"] == 300
    assert numbers["failed"] == 0 and numbers["resumed"] == 1
    assert (
        asked(place, "SELECT count(*) FROM results GROUP BY shard, mount HAVING count(*)>1") == []
    )
    assert jobs_of(place) == []
    # It is over: the next one scans anew, and has nothing to do.
    third = again(place)
    assert third.status == 0 and third.changed == 0, third.output
    assert "goes on" not in third.output and index_of(place) != scanned
    assert stats(place.run)["resumed"] == 0


def test_ranges_of_a_large_file_are_not_copied_again(folder: str) -> None:
    place = tree(folder, "a", files=1, size=100)
    Path(place.source, "large").write_bytes(os.urandom(24 * MB))
    sizes = {"range_threshold": MB, "range_size": MB, "shard_bytes": MB}
    run = start(place, ALONE, run_dir=place.run, bandwidth_limit="2M", **OPTIONS, **sizes)
    wait_until(lambda: recorded(place, "range") >= 4, run)
    kill(run, wholly=True)
    before = recorded(place, "range")
    assert before < 24
    done = again(place, inventory=ALONE, **sizes)
    assert done.status == 0, done.output
    assert place.differences() == []
    copied = asked(
        place,
        "SELECT sum(r.bytes), count(*), count(DISTINCT shard) FROM results r "
        "JOIN shards s ON s.id=r.shard WHERE s.kind='range'",
    )
    assert copied == [(24 * MB, 24, 24)]
    numbers = stats(place.run)
    assert (numbers["failed"], numbers["resumed"]) == (0, 1)


@pytest.mark.parametrize("stage", ["scan", "plan", "report"])
def test_it_may_be_killed_between_two_steps(folder: str, stage: str) -> None:
    """After the scan, after the plan, and when all but the report is done."""
    place = tree(folder, "a", files=40)
    stages = {"scan": "scan", "plan": "scan,plan", "report": "scan,plan,copy"}
    first = again(place, "--tags", "preflight," + stages[stage], inventory=ALONE)
    assert first.status == 0, first.output
    scanned = index_of(place)
    done = again(place, inventory=ALONE)
    assert done.status == 0, done.output
    assert "has a complete scan" in words(done)
    assert ("it goes on" in words(done)) == (stage != "scan")
    assert index_of(place) == scanned
    assert place.differences() == [] and stats(place.run)["files"] == 40


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"exclude": ["/0"]}, "ingest_exclude was [] and is ['/0']: the run in"),
        ({"split": "dynamic"}, "ingest_split was 'round_robin' and is 'dynamic': the plan in"),
        ({"resume": "never"}, ""),
    ],
)
def test_what_was_changed_is_named_and_holds(
    folder: str, changed: dict[str, Any], said: str
) -> None:
    place = tree(folder, "a", files=40)
    assert again(place, "--tags", "preflight,scan,plan", inventory=ALONE).status == 0
    scanned = index_of(place)
    done = again(place, inventory=ALONE, **changed)
    assert done.status == 0, done.output
    assert said in words(done) and "it goes on" not in words(done)
    assert (index_of(place) == scanned) == ("split" in changed)
    assert os.path.exists(place.destination + "/0") == ("exclude" not in changed)
    assert stats(place.run)["split"] == changed.get("split", "round_robin")


def test_only_what_failed_is_tried_again(folder: str) -> None:
    """A directory of the destination is in the way of a file, and of one name of another."""
    place = tree(folder, "a", files=40)
    os.link(place.source + "/0/0", place.source + "/0/twin")
    for name in ("1/1", "0/twin"):
        os.makedirs(os.path.join(place.destination, name))
    first = again(place, inventory=ALONE)
    assert first.status == 2 and stats(place.run)["failed"] == 2, first.output
    scanned = index_of(place)
    for name in ("1/1", "0/twin"):
        os.rmdir(os.path.join(place.destination, name))
    # What else is missing since then is not its business.
    os.unlink(place.destination + "/2/2")
    done = again(place, inventory=ALONE, retry_failed=True)
    assert done.status == 0, done.output
    assert index_of(place) == scanned
    assert [line for line in place.differences() if "2/2" not in line and "2: " not in line] == []
    twin = os.stat(place.destination + "/0/twin")
    assert twin.st_ino == os.stat(place.destination + "/0/0").st_ino
    assert not os.path.exists(place.destination + "/2/2")
    assert stats(place.run)["planned"]["files"] == 3
    with open(place.run + "/failures.jsonl", encoding="utf-8") as file:
        assert [json.loads(line) for line in file] == []


def test_what_is_not_done_is_not_tried_again_alone(folder: str) -> None:
    place = tree(folder, "a", files=10)
    none = again(place, inventory=ALONE, retry_failed=True)
    assert none.status == 2 and "there is no run in" in words(none), none.output
    assert again(place, "--tags", "preflight,scan,plan", inventory=ALONE).status == 0
    early = again(place, inventory=ALONE, retry_failed=True)
    assert early.status == 2 and "is not done: without ingest_retry_failed" in words(early)
    assert not os.path.exists(place.destination)
