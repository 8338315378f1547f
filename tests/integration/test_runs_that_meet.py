# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that start at the same time, follow one that was killed, or have one destination."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import stat
import sys
import time
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    LOCAL,
    ansible,
    ingest,
    stats,
)
from ansible_collections.scaleout.ingest.tests.support.runs import (
    LONGEST,
    ended,
    jobs_of,
    kill,
    start,
    tree,
    wait_for_files,
)


def test_two_starts_with_one_folder_are_one_run(folder: str) -> None:
    places = [tree(folder, letter) for letter in "ab"]
    runs = [start(place, run_dir=folder + "/run") for place in places]
    outputs = [ended(run) for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2], outputs
    for place, run, output in zip(places, runs, outputs):
        if run.returncode == 0:
            assert place.differences() == []
        else:
            assert f"another run is at work in {folder}/run (process" in output
            assert not os.path.exists(place.destination)


def test_two_starts_without_a_folder_are_two_runs(folder: str) -> None:
    places = [tree(folder, letter) for letter in "ab"]
    runs = [start(place) for place in places]
    outputs = [ended(run) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert [place.differences() for place in places] == [[], []]
    assert len(os.listdir(folder + "/runs")) == 2


def test_a_run_folder_is_for_its_user_only(folder: str) -> None:
    place = tree(folder, "a")
    run = ingest(
        folder,
        source=place.source,
        destinations=[place.destination],
        plain_files={},
        copy_commands=True,
        report_metrics_file=folder + "/ingest.prom",
    )
    assert run.status == 0, run.output
    modes = {}
    for path in [place.run, *map(str, Path(place.run).rglob("*"))]:
        modes[os.path.relpath(path, place.run)] = stat.S_IMODE(os.lstat(path).st_mode)
    assert {"plan.db", "index", "stats.json", "report.html"} <= set(modes)
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    assert stat.S_IMODE(os.stat(folder + "/ingest.prom").st_mode) == 0o644


@pytest.mark.parametrize(
    "variable, changed, words",
    [
        ("source", "{folder}/source-b", "source: the plan in {folder}/run was made for"),
        ("destinations", ["{folder}/elsewhere"], "destinations: the plan in {folder}/run was"),
        ("preserve", ["times"], "preserve: the plan in {folder}/run was made for"),
        (
            "method",
            "rsync",
            "method: the plan in {folder}/run was made for 'copy', not for 'rsync'",
        ),
    ],
)
def test_a_plan_is_not_used_for_something_else(
    folder: str, variable: str, changed: object, words: str
) -> None:
    place = tree(folder, "a")
    tree(folder, "b")
    given = {
        "run_dir": place.run,
        "source": place.source,
        "destinations": [place.destination],
        "method": "copy",
    }
    text = json.dumps(changed).replace("{folder}", folder)
    roles = {"copy": "parallel_copy", "rsync": "two_phase_rsync"}
    role = roles[json.loads(text) if variable == "method" else "copy"]
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [
                {"include_role": {"name": "scaleout.ingest.manifest"}},
                {"include_role": {"name": "scaleout.ingest.plan"}},
                {
                    "include_role": {"name": "scaleout.ingest." + role},
                    "vars": {"ingest_" + variable: json.loads(text)},
                },
            ],
            "vars": {
                "ansible_python_interpreter": sys.executable,
                **{"ingest_" + name: value for name, value in given.items()},
            },
        }
    ]
    with open(folder + "/play.yml", "w", encoding="utf-8") as file:
        json.dump(play, file)
    run = ansible("playbook", "-i", ALONE, folder + "/play.yml")
    assert run.status == 2, run.output
    assert words.replace("{folder}", folder) in " ".join(run.output.split())
    assert not os.path.exists(place.destination) and not os.path.exists(folder + "/elsewhere")


@pytest.mark.parametrize("method, wholly", [("copy", True), ("rsync", True), ("copy", False)])
def test_a_killed_controller_s_run_goes_on_at_once(folder: str, method: str, wholly: bool) -> None:
    """With the same run folder: the jobs of the dead run end, and what they left is gone."""
    place = tree(folder, "a", files=300, size=20_000)
    run = start(
        place, LOCAL, run_dir=place.run, bandwidth_limit=300_000, method=method, lease=40, workers=1
    )
    wait_for_files(place)
    kill(run, wholly)
    assert jobs_of(place)
    begun = time.monotonic()
    again = ingest(
        folder, source=place.source, destinations=[place.destination], method=method, lease=40
    )
    assert again.status == 0, again.output
    assert place.differences() == []
    assert time.monotonic() - begun < 28 + 60, "it waited for the lease"
    assert stats(place.run)["failed"] == 0
    assert jobs_of(place) == []
    assert ".ingest-lock" not in os.listdir(place.destination)


def wait_until(what: Callable[[], bool], words: str) -> None:
    """Until something is so."""
    end = time.monotonic() + LONGEST
    while not what():
        assert time.monotonic() < end, words
        time.sleep(0.2)


def hosts_of(place: Place) -> set[tuple[str, str]]:
    """(state, message) of the plan's hosts."""
    with contextlib.closing(sqlite3.connect(place.run + "/plan.db")) as plan:
        return set(plan.execute("SELECT state, message FROM hosts"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_so_and_ends_its_jobs(folder: str, number: int) -> None:
    """Ctrl-C in a terminal reaches the whole group; a service is told to end. The hosts' lease
    is longer than this test waits."""
    place = tree(folder, "a", files=300, size=20_000)
    options = {"run_dir": place.run, "bandwidth_limit": 300_000, "lease": 1000, "workers": 1}
    run = start(place, LOCAL, **options)
    wait_for_files(place)
    assert jobs_of(place)
    (os.killpg if number == signal.SIGINT else os.kill)(run.pid, number)
    ended(run)
    # Up to ansible-core 2.18 a worker is not told; it sees that the playbook is gone.
    words = ("stopped by " + signal.Signals(number).name, "the playbook has ended")
    wait_until(
        lambda: hosts_of(place) <= {("failed", word) for word in words},
        "the plan does not say that it was stopped",
    )
    wait_until(lambda: not jobs_of(place), "the jobs on the hosts go on")
    wait_until(lambda: owner_of(place) is None, "the folder is not given back")
    again = ingest(
        folder, source=place.source, destinations=[place.destination], lease=1000, workers=1
    )
    assert again.status == 0, again.output
    assert place.differences() == []


def owner_of(place: Place) -> object:
    """Whose the run folder is."""
    with open(place.run + "/owner.json", encoding="ascii") as file:
        return json.load(file)["owner"]


def test_a_killed_copy_goes_on_with_its_own_plan(folder: str) -> None:
    """With --tags copy nothing is scanned or planned again, and nothing of the plan is lost."""
    place = tree(folder, "a", files=300, size=20_000)
    options = {"lease": 10, "workers": 1, "shard_items": 20}
    run = start(place, LOCAL, run_dir=place.run, bandwidth_limit=300_000, **options)
    wait_for_files(place)
    kill(run, wholly=True)
    planned = os.stat(place.run + "/plan.db").st_ino
    trees = {"source": place.source, "destinations": [place.destination]}
    again = ingest(folder, "--tags", "copy,report", **trees, **options)
    assert again.status == 0, again.output
    assert os.stat(place.run + "/plan.db").st_ino == planned
    assert place.differences() == []
    assert ".ingest-lock" not in os.listdir(place.destination)


@pytest.mark.parametrize("method", ["copy", "rsync"])
def test_one_run_at_a_time_writes_a_destination(folder: str, method: str) -> None:
    places = [tree(folder, letter, files=120, size=20_000) for letter in "ab"]
    for place in places:
        place.destination = folder + "/destination"
    options = {"method": method, "lease": 10, "workers": 1, "bandwidth_limit": 80_000}
    runs = [start(place, LOCAL, **options) for place in places]
    outputs = [ended(run) for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2], outputs
    for place, run, output in zip(places, runs, outputs):
        if run.returncode == 0:
            assert place.differences() == []
        else:
            assert (
                f"'{folder}/destination' is being written by another run, {folder}/runs/" in output
            )


def test_a_run_waits_for_what_a_killed_one_left(folder: str) -> None:
    """In a folder of its own it can't end the other's jobs; they end by themselves."""
    place = tree(folder, "a", files=300, size=20_000)
    options = {"method": "rsync", "lease": 30, "workers": 1}
    run = start(place, run_dir=place.run, bandwidth_limit=100_000, **options)
    wait_for_files(place)
    kill(run, wholly=True)
    again = ingest(
        folder,
        inventory=ALONE,
        source=place.source,
        destinations=[place.destination],
        run_dir=folder + "/second",
        **options,
    )
    output = " ".join(again.output.split())
    assert again.status == 0, output
    assert f"localhost waits: '{place.destination}' is locked by another run, {place.run}" in output
    assert place.differences() == []
    assert ".ingest-lock" not in os.listdir(place.destination)
    third = ingest(
        folder,
        inventory=ALONE,
        source=place.source,
        destinations=[place.destination],
        run_dir=folder + "/third",
    )
    assert third.status == 0 and third.changed == 0, third.output


def test_a_source_with_an_entry_that_is_called_like_the_lock(folder: str) -> None:
    place = tree(folder, "a")
    os.mkdir(place.source + "/.ingest-lock")
    Path(place.source, ".ingest-lock", "f" * 32 + "." + "0" * 16).write_text("mine")
    for number, changed in (("1", True), ("2", False)):
        run = ingest(
            folder,
            inventory=ALONE,
            source=place.source,
            destinations=[place.destination],
            run_dir=place.run + number,
        )
        assert run.status == 0, run.output
        assert bool(run.changed) is changed, run.output
        # The second one writes nothing, and needs no lock.
        said = "so the destination is not locked" in " ".join(run.output.split())
        assert said is changed
        assert place.differences() == []


def test_without_a_lock(folder: str) -> None:
    place = tree(folder, "a")
    os.makedirs(place.destination + "/.ingest-lock")
    Path(place.destination, ".ingest-lock", "f" * 32 + "." + "0" * 16).write_text("{}")
    run = ingest(
        folder,
        inventory=ALONE,
        source=place.source,
        destinations=[place.destination],
        destination_lock=False,
    )
    assert run.status == 0, run.output
    assert os.listdir(place.destination + "/.ingest-lock") == ["f" * 32 + "." + "0" * 16]


def test_the_progress_socket_of_a_killed_run_is_swept(folder: str) -> None:
    temporary = folder + "/tmp"
    os.mkdir(temporary)
    for name, listens in (("scaleout-ingest-dead", False), ("scaleout-ingest-alive", True)):
        os.mkdir(f"{temporary}/{name}")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(f"{temporary}/{name}/progress")
        if not listens:
            listener.close()
    os.mkdir(temporary + "/scaleout-ingest-new")
    with open(folder + "/play.yml", "w", encoding="utf-8") as file:
        json.dump([{"hosts": "localhost", "gather_facts": False, "tasks": []}], file)
    run = ansible("playbook", folder + "/play.yml", env={"TMPDIR": temporary})
    assert run.status == 0, run.output
    assert sorted(os.listdir(temporary)) == ["scaleout-ingest-alive", "scaleout-ingest-new"]
    listener.close()
