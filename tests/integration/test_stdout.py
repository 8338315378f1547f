# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to the standard output, and what beside it, by the callback that owns it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import ALONE, INGEST, ROOT

pytest.importorskip(
    "ansible_collections.ansible.posix", reason="the callback json is in ansible.posix"
)


def run(place: Place, **environment: str) -> tuple[str, str]:
    """(standard output, standard error) of an ingest that went well."""
    os.makedirs(place.source, exist_ok=True)
    with open(place.source + "/file", "w", encoding="ascii") as file:
        file.write("contents")
    variables = {
        "ingest_source": place.source,
        "ingest_destinations": [place.destination],
        "ingest_run_dir": place.run,
    }
    kept = {name: text for name, text in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            "-i",
            ALONE,
            "-e",
            json.dumps(variables),
            INGEST,
        ],
        env={
            **kept,
            "ANSIBLE_CONFIG": ROOT + "/ansible.cfg",
            "ANSIBLE_NOCOLOR": "1",
            **environment,
        },
        cwd=place.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_json_is_json(folder: str) -> None:
    """Also with progress, which goes elsewhere; the summary is in the report's result."""
    out, err = run(
        Place(folder), ANSIBLE_STDOUT_CALLBACK="json", SCALEOUT_INGEST_LOG_INTERVAL="0.1"
    )
    tasks = [task for play in json.loads(out)["plays"] for task in play["tasks"]]
    (report,) = [host for task in tasks for host in task["hosts"].values() if "summary" in host]
    assert report["summary"][0].startswith("Ingest run done: 1 file, ")
    assert "1 host" in err


def test_minimal_shows_the_summary_once(folder: str) -> None:
    out, _err = run(Place(folder), ANSIBLE_STDOUT_CALLBACK="minimal")
    assert out.count("the rate that matters is") == 1


def test_one_line_says_how_to_see_progress(folder: str) -> None:
    words = "No live progress is shown: ANSIBLE_CALLBACKS_ENABLED=scaleout.ingest.progress in"
    out, err = run(Place(folder), ANSIBLE_CALLBACKS_ENABLED="ansible.posix.timer")
    assert words in " ".join(err.split()) and words not in " ".join(out.split())
    place = Place(folder)
    place.run += "2"
    assert words not in " ".join(run(place)[1].split())
