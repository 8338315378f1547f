# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbook that are watched, killed and followed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from .place import Place
from .playbook import ALONE, INGEST, ROOT

LONGEST = 240.0  # s that a test waits before it fails


def tree(folder: str, letter: str, files: int = 30, size: int = 1000) -> Place:
    """A source of files that all hold one letter, and a place for its copy."""
    place = Place(folder)
    place.source = f"{folder}/source-{letter}"
    place.destination = f"{folder}/destination-{letter}"
    for number in range(files):
        path = Path(place.source, str(number % 5), str(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(letter.encode() * size)
        os.utime(path, (1_000_000_000 + ord(letter), 1_000_000_000 + ord(letter)))
    return place


def start(place: Place, inventory: str = ALONE, **variables: object) -> subprocess.Popen[str]:
    """A run that has begun."""
    given = {"source": place.source, "destinations": [place.destination], **variables}
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "ansible", "playbook", "-i", inventory, INGEST, "-e"),
            json.dumps({"ingest_" + name: value for name, value in given.items()}),
        ],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": os.path.join(ROOT, "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
        },
        cwd=place.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(run: subprocess.Popen[str]) -> str:
    """What a run printed, in one line."""
    output = run.communicate(timeout=LONGEST)[0]
    assert "Traceback" not in output, output
    return " ".join(output.split())


def wait_for_files(place: Place, number: int = 5) -> None:
    """Until the destination holds so many."""
    end = time.monotonic() + LONGEST
    while sum(len(files) for *_dirs, files in os.walk(place.destination)) < number:
        assert time.monotonic() < end, "nothing arrives"
        time.sleep(0.05)


def kill(run: subprocess.Popen[str], wholly: bool) -> None:
    """The playbook's process is killed, or all that the controller has of the run; no job on a
    host, which is no child of theirs."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(run.pid)], stdout=subprocess.PIPE, check=False
    )
    for process in [run.pid, *map(int, listed.stdout.split() if wholly else ())]:
        os.kill(process, signal.SIGKILL)
    run.wait()


def jobs_of(place: Place) -> list[str]:
    """Processes that have something of a test open: a job has its source."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            opened = [os.readlink(path) for path in (process / "fd").iterdir()]
        except OSError:
            continue
        if any(path.startswith(place.folder) for path in opened):
            found.append(process.name)
    return found
