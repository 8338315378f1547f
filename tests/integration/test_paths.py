# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relative paths on the controller: from where the command was started, for every playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    INGEST,
    ROOT,
    Run,
    ansible,
    stats,
)


@pytest.fixture
def small(folder: str) -> Place:
    """A tree of one file, and a place to start from."""
    place = Place(folder)
    os.makedirs(place.source)
    with open(place.source + "/file", "w", encoding="ascii") as file:
        file.write("contents")
    os.mkdir(folder + "/here")
    return place


def playbook(place: Place, name: str, **variables: object) -> Run:
    """A playbook, started in the folder ``here``; ``$PWD`` says something else."""
    trees = {"ingest_source": place.source, "ingest_destinations": [place.destination]}
    return ansible(
        "playbook",
        "-i",
        ALONE,
        "-e",
        json.dumps({**trees, **variables}),
        os.path.join(ROOT, "playbooks", name),
        cwd=place.folder + "/here",
        env={"PWD": "/nowhere"},
    )


def test_the_run_folder(small: Place) -> None:
    """The copy, the report and the report made again find one folder."""
    run = playbook(small, "ingest.yml", ingest_run_dir="runs/first")
    assert run.status == 0, run.output
    assert small.differences() == []
    assert stats(small.folder + "/here/runs/first")["files"] == 1
    os.unlink(small.folder + "/here/runs/first/stats.json")
    again = playbook(
        small, "report.yml", ingest_run_dir="runs/first", ingest_report_metrics_file="copy.prom"
    )
    assert again.status == 0, again.output
    assert stats(small.folder + "/here/runs/first")["files"] == 1
    assert os.path.exists(small.folder + "/here/copy.prom")


def test_the_default_run_folder(small: Place) -> None:
    """In the working directory, also with an empty environment."""
    variables = {"ingest_source": small.source, "ingest_destinations": [small.destination]}
    command = [sys.executable, "-m", "ansible", "playbook", "-i", ALONE]
    done = subprocess.run(
        [*command, "-e", json.dumps(variables), INGEST],
        env={"ANSIBLE_CONFIG": ROOT + "/ansible.cfg", "LC_ALL": "C.UTF-8"},
        cwd=small.folder + "/here",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode()
    (name,) = os.listdir(small.folder + "/here/runs")
    assert stats(f"{small.folder}/here/runs/{name}")["files"] == 1


def test_user_data(small: Place) -> None:
    for wanted in ({}, {"ingest_user_data": "ud.yml"}):
        run = playbook(small, "user_data.yml", **wanted)
        assert run.status == 0, run.output
    assert sorted(os.listdir(small.folder + "/here")) == ["ud.yml", "user-data.yml"]
