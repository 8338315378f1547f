# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook calibrate.yml on real hosts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import yaml
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    INGEST,
    ROOT,
    Run,
    ansible,
    words,
)

PLAYBOOK = os.path.join(ROOT, "playbooks", "calibrate.yml")
NAME = ".ingest-calibrate"


def small_tree(folder: str, files: int = 600) -> str:
    source = os.path.join(folder, "source")
    for number in range(files):
        where = os.path.join(source, f"d{number // 30}")
        os.makedirs(where, exist_ok=True)
        with open(os.path.join(where, f"f{number}"), "wb") as file:
            file.write(b"x" * 3000)
    return source


def arguments(folder: str, **more: Any) -> list[str]:
    variables: dict[str, Any] = {
        "ingest_source": os.path.join(folder, "source"),
        "ingest_destinations": [os.path.join(folder, "destination", "copy")],
        "ingest_calibrate_seconds": 12,
        "ingest_calibrate_workers": 4,
        "ingest_calibrate_file": os.path.join(folder, "calibrated.yml"),
        "ingest_calibrate_page": os.path.join(folder, "calibrated.html"),
        "ingest_calibrate_result": os.path.join(folder, "calibrated.json"),
        **more,
    }
    path = os.path.join(folder, "variables.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(variables, file)
    os.makedirs(os.path.join(folder, "destination"), exist_ok=True)
    return ["-e", "@" + path]


def calibrate(folder: str, *more: str, inventory: str = ALONE, **variables: Any) -> Run:
    found = arguments(folder, **variables)
    return ansible("playbook", "-i", inventory, *found, *more, PLAYBOOK)


def result(folder: str) -> dict[str, Any]:
    with open(os.path.join(folder, "calibrated.json"), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def left(folder: str) -> list[str]:
    return os.listdir(os.path.join(folder, "destination"))


def test_three_hosts_and_an_ingest_with_what_was_found(hosts: Hosts, shared: Place) -> None:
    folder = os.path.dirname(os.fsdecode(shared.source))
    small_tree(os.path.join(folder, "calibrate"))
    folder = os.path.join(folder, "calibrate")
    run = calibrate(folder, inventory=hosts.inventory, ingest_calibrate_seconds=75)
    assert run.status == 0, run.output
    found = result(folder)
    assert left(folder) == []
    assert found["bound"] == "files" and found["rate"] > 0 and found["workers"] >= 1
    assert found["clients_tried"] == 3 and len(found["curves"]["clients"]) == 3, run.output
    assert found["hosts"] == ["host1", "host2", "host3"]
    assert "What counts here is files a second" in words(run) and found["limit"] in run.output
    with open(os.path.join(folder, "calibrated.yml"), encoding="utf-8") as file:
        assert yaml.safe_load(file) == found["variables"]
    with open(os.path.join(folder, "calibrated.html"), encoding="utf-8") as file:
        assert 'id="chart-clients"' in file.read()
    ingested = ansible(
        "playbook", "-i", hosts.inventory, *arguments(folder),
        "-e", json.dumps({"ingest_run_dir": os.path.join(folder, "run")}),
        "-e", "@" + os.path.join(folder, "calibrated.yml"), INGEST,
    )  # fmt: skip
    assert ingested.status == 0, ingested.output
    assert len(os.listdir(os.path.join(folder, "destination", "copy"))) == 20


def test_check_mode_only_says_what_it_would_do(folder: str) -> None:
    small_tree(folder, 10)
    run = calibrate(folder, "--check")
    assert run.status == 0 and run.changed == 0, run.output
    assert left(folder) == [] and not os.path.exists(os.path.join(folder, "calibrated.yml"))
    said = words(run)
    assert f"{folder}/destination/{NAME}" in said and "would copy a sample of" in said, said


def test_what_a_kill_leaves_the_next_one_removes(folder: str) -> None:
    """The playbook and all on the host are killed at once, so that nobody can tidy up."""
    small_tree(folder)
    command = [
        sys.executable,
        "-m",
        "ansible",
        "playbook",
        "-i",
        ALONE,
        *arguments(folder),
        PLAYBOOK,
    ]
    environment = dict(os.environ, ANSIBLE_CONFIG=os.path.join(ROOT, "ansible.cfg"))
    owner = os.path.join(folder, "destination", NAME, "owner.json")
    with open(os.path.join(folder, "log"), "wb") as log:
        play = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=environment,
            start_new_session=True,
        )  # fmt: skip
        try:
            until = time.monotonic() + 60
            while len(os.listdir(os.path.dirname(owner)) if os.path.exists(owner) else []) < 2:
                assert play.poll() is None and time.monotonic() < until, open(log.name).read()
                time.sleep(0.02)
            with open(owner, encoding="ascii") as stream:
                bench = int(json.load(stream)["pid"])
            os.killpg(play.pid, signal.SIGKILL)
            os.killpg(bench, signal.SIGKILL)  # it leads a session, and its workers are in it
        finally:
            if play.poll() is None:
                os.killpg(play.pid, signal.SIGKILL)
            play.wait()
    assert left(folder) == [NAME]
    precious = os.path.join(folder, "destination", "precious")
    with open(precious, "w", encoding="ascii") as file:
        file.write("x")
    run = calibrate(folder)
    assert run.status == 0, run.output
    assert left(folder) == ["precious"]


def test_a_link_in_its_place_is_refused(folder: str) -> None:
    small_tree(folder, 10)
    arguments(folder)
    outside = os.path.join(folder, "outside")
    os.mkdir(outside, 0o700)
    os.symlink(outside, os.path.join(folder, "destination", NAME))
    run = calibrate(folder)
    assert run.status != 0 and "is no directory: it is not a calibration's" in words(run)
    assert "Traceback" not in run.output
    assert os.listdir(outside) == [] and left(folder) == [NAME]


def test_an_index_gives_the_sample_and_the_estimate(folder: str) -> None:
    source = small_tree(folder)
    found = arguments(folder)
    run_dir = os.path.join(folder, "run")
    scanned = ansible(
        "playbook", "-i", ALONE, *found, "-e", json.dumps({"ingest_run_dir": run_dir}),
        "--tags", "preflight,scan", INGEST,
    )  # fmt: skip
    assert scanned.status == 0, scanned.output
    run = calibrate(folder, ingest_calibrate_index=run_dir)
    assert run.status == 0, run.output
    answer = result(folder)
    assert answer["whole"] == {"files": 600, "bytes": 600 * 3000}
    assert 0 < answer["estimate"]["low"] < answer["estimate"]["high"]
    assert "To copy all 600 files" in words(run)
    wrong = calibrate(
        folder, ingest_calibrate_index=run_dir, ingest_source=os.path.dirname(source) + "/other"
    )
    assert wrong.status != 0 and left(folder) == []


def test_files_that_are_made(folder: str) -> None:
    small_tree(folder, 3)
    run = calibrate(folder, ingest_calibrate_sizes=[100, 5000])
    assert run.status == 0, run.output
    answer = result(folder)
    assert answer["read"] == 0 and answer["rate"] > 0 and left(folder) == []


def test_numbers_that_cannot_be(folder: str) -> None:
    small_tree(folder, 3)
    for name, value in (("seconds", 3), ("workers", 0), ("bytes", "much")):
        run = calibrate(folder, **{"ingest_calibrate_" + name: value})
        assert run.status != 0 and "ingest_calibrate_" + name in run.output, run.output
    assert left(folder) == []
