# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/ingest.yml copies while its hosts scan."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts, why_not
from ansible_collections.scaleout.ingest.tests.support.indexes import all_rows, noted, scan
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import LOCAL, ingest, stats, words
from ansible_collections.scaleout.ingest.tests.support.runs import kill, start

LONGEST = 200.0  # s


def asked(place: Place, query: str) -> list[Any]:
    """What the plan answers."""
    with contextlib.closing(sqlite3.connect(place.run + "/plan.db", timeout=60)) as plan:
        return plan.execute(query).fetchall()


def check(place: Place, **options: Any) -> None:
    """The copy is the source, the index that of one scan, and everything was planned once."""
    assert place.differences() == []
    expected = place.folder + "/expected"
    scan(place.source, expected, workers=1, **options)
    assert all_rows(place.run + "/index") == all_rows(expected)
    ours, theirs = noted(place.run + "/index"), noted(expected)
    assert {**ours, "source": 0} == {**theirs, "source": 0}
    planned: Counter[bytes] = Counter()
    for kind, payload in asked(
        place,
        "SELECT kind, payload FROM shards JOIN payloads ON shard=id "
        "WHERE kind IN ('copy', 'link', 'finish')",
    ):
        for _files, _bytes, body in shards.unpack(payload):
            directory, rows = shards.read_line(kind, body)
            planned.update(shards.path_of(directory, row) for row in rows)
    assert set(planned.values()) <= {1}
    assert asked(place, "SELECT DISTINCT state FROM shards") == [("done",)]


@pytest.mark.parametrize("split", ["round_robin", "dynamic"])
def test_local_clients(place: Place, split: str) -> None:
    run = ingest(
        place.folder,
        source=place.source,
        destinations=[place.destination],
        overlap=True,
        split=split,
        range_threshold=1 << 20,
        range_size=1 << 20,
    )
    assert run.status == 0, run.output
    assert "Traceback" not in run.output
    check(place)
    assert asked(place, "SELECT count(*) FROM shards WHERE kind='gather'") == [(1,)]
    numbers = stats(place.run)
    again = ingest(
        place.folder,
        source=place.source,
        destinations=[place.destination],
        run_dir=place.run + "2",
        overlap=True,
        split=split,
    )
    assert again.status == 0, again.output
    assert again.changed == 0, again.output
    assert stats(place.run + "2")["files"] == 0 < numbers["files"]


def test_globs_and_patterns(place: Path, folder: str) -> None:
    tree = Place(folder)
    for name in ("a/one/file", "a/two/file.log", "b/one/file", "c/file", "b/empty/deep/x"):
        path = Path(tree.source, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    run = ingest(
        folder,
        source=tree.source,
        destinations=[tree.destination],
        overlap=True,
        globs=["[ab]/one", "a/t*", "nothing/*"],
        exclude=["*.log"],
    )
    assert run.status == 0, run.output
    found = {str(path.relative_to(tree.destination)) for path in Path(tree.destination).rglob("*")}
    assert found == {"a", "a/one", "a/one/file", "a/two", "b", "b/one", "b/one/file"}
    assert "the glob 'nothing/*' matches nothing" in words(run)


@pytest.mark.parametrize(
    "variables, arguments, why",
    [
        ({"split": "balanced"}, (), "ingest_split balanced needs all sizes first"),
        ({"method": "rsync"}, (), "ingest_method rsync takes its lists from a plan"),
        ({}, ("--check",), "check mode shows the whole plan"),
    ],
)
def test_what_needs_the_whole_plan_gets_it(
    place: Place, variables: dict[str, Any], arguments: tuple[str, ...], why: str
) -> None:
    run = ingest(
        place.folder,
        *arguments,
        source=place.source,
        destinations=[place.destination],
        overlap=True,
        **variables,
    )
    assert run.status == 0, run.output
    assert "the source is scanned before anything is copied: " + why in words(run)
    assert asked(place, "SELECT count(*) FROM shards WHERE kind='scan'") == [(0,)]


@pytest.mark.parametrize("user", ["root", "operator1"])
def test_hosts_over_ssh(hosts: Hosts, shared: Place, user: str) -> None:
    inventory = hosts.write_inventory(shared.folder + "/inventory.json", user=user)
    run = ingest(
        shared.folder,
        *(() if user == "root" else ("--become",)),
        inventory=inventory,
        source=shared.source,
        destinations=[shared.destination],
        overlap=True,
    )
    assert run.status == 0, run.output
    assert "Traceback" not in run.output
    check(shared)


def wide(place: Place, directories: int) -> None:
    """A tree of which a scan takes a while, with names of files in many directories."""
    for number in range(directories):
        folder = "%s/%d/%d" % (place.source, number % 20, number)
        os.makedirs(folder)
        for name in range(6):
            with open("%s/%d" % (folder, name), "wb") as file:
                file.write(b"%d" % number)
        if number % 50 == 0:
            os.link(folder + "/0", "%s/link%d" % (place.source, number))


def wait_for(place: Place, query: str, stop: Callable[[], bool] = lambda: False) -> bool:
    """Until the plan has an answer; False if it comes to its end, or takes too long."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end and not stop():
        with contextlib.suppress(sqlite3.Error):
            if os.path.exists(place.run + "/plan.db") and asked(place, query):
                return True
        time.sleep(0.01)
    return False


SCANNING = "SELECT 1 FROM shards WHERE kind='scan' AND state='claimed' AND claimed_by='%s'"


@pytest.mark.parametrize("death", ["kill", "freeze"])
def test_a_host_that_dies_while_it_scans_loses_nothing(folder: str, death: str) -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    place = Place(folder)
    wide(place, 4000)
    cluster = folder + "/cluster"
    os.mkdir(cluster)
    place.destination = cluster + "/copy"
    died = []

    def die(hosts: Hosts) -> None:
        """While it has something to scan that is not recorded, which it can't be any more."""
        while wait_for(place, SCANNING % "host2", lambda: bool(over)):
            hosts.freeze("host2")
            time.sleep(0.5)
            if asked(place, SCANNING % "host2"):
                died.append(True)
                if death == "kill":
                    hosts.kill("host2")
                return
            hosts.thaw("host2")

    over: list[bool] = []
    with Hosts(3, [cluster + ":/mnt/destination1", place.source + ":/mnt/source"]) as hosts:
        killer = threading.Thread(target=die, args=(hosts,))
        killer.start()
        inventory = hosts.write_inventory(
            folder + "/inventory.json",
            variables={
                "ansible_timeout": 5,
                "ansible_ssh_extra_args": "-o ServerAliveInterval=2 -o ServerAliveCountMax=2",
            },
        )
        run = ingest(
            folder,
            inventory=inventory,
            source="/mnt/source",
            destinations=["/mnt/destination1/copy"],
            lease=10,
            overlap=True,
        )
        over.append(True)
        killer.join()
    assert died, run.output
    assert run.status == 0, run.output
    assert "host2 was lost, its work goes to the others" in words(run)
    assert "Traceback" not in run.output
    check(place)


def scanners(place: Place) -> list[int]:
    """The processes that are listing the source now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            opened = [os.readlink(path) for path in (process / "fd").iterdir()]
            if any("/found/" in path and path.endswith("/0.db") for path in opened):
                found.append(int(process.name))
    return found


def test_a_process_that_is_killed_while_it_scans_loses_nothing(folder: str) -> None:
    place = Place(folder)
    wide(place, 4000)
    run = start(place, LOCAL, overlap=True, run_dir=place.run)
    killed = 0
    while run.poll() is None and killed < 2:
        for process in scanners(place)[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
                killed += 1
        time.sleep(0.02)
    output = run.communicate(timeout=LONGEST)[0]
    assert killed, output
    assert run.returncode == 0, output
    check(place)


def test_a_killed_controller_goes_on_with_what_was_scanned(folder: str) -> None:
    place = Place(folder)
    wide(place, 4000)
    run = start(place, LOCAL, overlap=True, run_dir=place.run, lease=20)
    recorded = "SELECT 1 FROM shards WHERE kind='scan' AND state='done'"
    assert wait_for(place, recorded, lambda: run.poll() is not None)
    kill(run, wholly=True)
    done = asked(place, "SELECT id, finished FROM shards WHERE kind='scan' AND state='done'")
    left = asked(place, "SELECT 1 FROM shards WHERE kind='scan' AND state<>'done'")
    assert done and left
    again = ingest(
        folder, source=place.source, destinations=[place.destination], overlap=True, lease=20
    )
    assert again.status == 0, again.output
    assert "it goes on" in words(again)
    now = dict(asked(place, "SELECT id, finished FROM shards WHERE kind='scan'"))
    assert {shard: now[shard] for shard, _finished in done} == dict(done)
    check(place)
