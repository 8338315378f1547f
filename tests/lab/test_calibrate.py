# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A calibration names the right limit, over real NFS. Not among `make test`'s: run ``pytest
tests/lab``."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Iterator

import yaml
from ansible_collections.scaleout.ingest.tests.lab import cluster
from ansible_collections.scaleout.ingest.tests.lab.session import ROOT, Driven, need

PLAYBOOK = os.path.join(ROOT, "playbooks", "calibrate.yml")
SECONDS = 180


@contextlib.contextmanager
def booted(**shape: int) -> Iterator[Driven]:
    """A lab for one test."""
    need()
    with cluster.Lab(cluster.Shape(**shape)) as lab:
        driven = Driven(lab)
        try:
            yield driven
        finally:
            for play in driven.plays:
                play.close()


def calibrated(lab: Driven, **more: Any) -> dict[str, Any]:
    """What a calibration answers; nothing of it stays, and the ingest takes its variables."""
    before = sorted(os.listdir(lab.lab.export))
    dest = os.path.join(lab.base, "calibrated.yml")
    play = lab._play(
        PLAYBOOK,
        {
            "ingest_calibrate_seconds": SECONDS,
            "ingest_calibrate_file": dest,
            "ingest_calibrate_page": os.path.join(lab.base, "calibrated.html"),
            "ingest_calibrate_result": os.path.join(lab.base, "calibrated.json"),
            **more,
        },
        [],
    ).good(300)
    print(play.output)
    assert sorted(os.listdir(lab.lab.export)) == before
    with open(os.path.join(lab.base, "calibrated.json"), encoding="utf-8") as stream:
        found: dict[str, Any] = json.load(stream)
    print(json.dumps(found, indent=1))
    with open(dest, encoding="utf-8") as stream:
        assert yaml.safe_load(stream) == found["variables"]
    return found


def test_a_cap_on_the_nodes() -> None:
    with booted(clients=2, nodes=3, node_mbit=80) as lab:
        lab.fill(0, large=8, large_size=32 << 20)
        found = calibrated(lab)
        assert found["bound"] == "bytes" and found["limit"] == "address", found["because"]
        assert found["mounts"] == 3
        rates = {number: rate for number, rate, _all in found["curves"]["mounts"]}
        assert 2 < rates[3] / rates[1] < 4


def test_a_cap_on_the_clients() -> None:
    with booted(clients=2, nodes=3, client_mbit=16) as lab:
        lab.fill(0, large=8, large_size=32 << 20)
        found = calibrated(lab)
        assert found["bound"] == "bytes" and found["limit"] == "client link", found["because"]
        assert found["mounts"] == 1 and found["clients"] == 2


def test_a_delay() -> None:
    with booted(clients=2, nodes=3, delay_us=10_000) as lab:
        lab.fill(3000)
        found = calibrated(lab, ingest_calibrate_workers=4, ingest_calibrate_seconds=120)
        assert found["bound"] == "files" and found["limit"] == "latency", found["because"]
        assert found["workers_per_mount"] == 4 and found["growing"]
