# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without a Python that is new enough gets a sentence."""

from __future__ import annotations

import glob
import json
import os
import subprocess

import pytest
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ROOT,
    Run,
    ansible,
    ingest,
    words,
)


def run(place: Place, python: str, playbook: str = "ingest") -> Run:
    """A playbook with a host that has this Python only."""
    os.makedirs(place.source, exist_ok=True)
    inventory = place.folder + "/inventory.json"
    host = {"ansible_connection": "local", "ansible_python_interpreter": python}
    with open(inventory, "w", encoding="utf-8") as file:
        json.dump({"ingestors": {"hosts": {"client1": host}}}, file)
    path = os.path.join(ROOT, "playbooks", playbook + ".yml")
    if playbook == "index":
        variables = json.dumps({"index_source": place.source, "index_dir": place.folder + "/index"})
        return ansible("playbook", "-i", inventory, path, "-e", variables)
    trees = {"source": place.source, "destinations": [place.destination]}
    return ingest(place.folder, inventory=inventory, playbook=path, **trees)


def old() -> list[tuple[str, str]]:
    """(path, version) of Pythons of this machine that are too old."""
    found = []
    for path in sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/[23].[5-7].*/bin/python"))):
        words_ = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([path, "-c", words_], stdout=subprocess.PIPE, check=True)
        found.append((path, done.stdout.decode()))
    return found


def test_none(folder: str) -> None:
    for playbook in ("ingest", "prime", "index"):
        done = run(Place(folder), "/nowhere/python3", playbook)
        assert done.status == 2, done.output
        assert "client1: there is no /nowhere/python3, and an ingestor needs Python 3.8" in words(
            done
        )
        assert "deserialization" not in done.output


def test_one_that_is_too_old(folder: str) -> None:
    there = old()
    if not there:
        pytest.skip("this machine has no Python older than 3.8")
    for path, version in there:
        done = run(Place(folder), path)
        assert done.status == 2, done.output
        assert f"client1: {path} is Python {version}, and an ingestor needs Python 3.8" in words(
            done
        )
        assert "deserialization" not in done.output


def test_another_failure_is_not_hidden(folder: str) -> None:
    """A Python that is new enough and still fails tells so itself."""
    broken = folder + "/python3"
    with open(broken, "w", encoding="ascii") as file:
        file.write('#!/bin/sh\n[ "$1" = -c ] && exec python3 "$@"\necho it broke >&2\nexit 1\n')
    os.chmod(broken, 0o755)
    done = run(Place(folder), broken)
    assert done.status == 2, done.output
    assert "needs Python 3.8" not in done.output


def test_with_async(folder: str) -> None:
    """Ansible's own ways with a module stay."""
    done = ansible(
        "adhoc",
        "localhost",
        "-m",
        "scaleout.ingest.prime",
        "-a",
        f"directory={folder}",
        "-B",
        "60",
        "-P",
        "1",
    )
    assert done.status == 0, done.output
    assert '"directories": 1' in done.output or "directories: 1" in done.output
