# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that die: before a run, and in the middle of it. Not among `make test`'s: run ``pytest tests/lab``."""

from __future__ import annotations

import time
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.lab import cluster
from ansible_collections.scaleout.ingest.tests.lab.driven import Driven, Play, need, warnings

BASE = "vers=3,proto=tcp,nolock,noacl,"
HARD = BASE + "hard,timeo=30,retrans=2"
SOFT = BASE + "softerr,timeo=%d,retrans=2"


@pytest.fixture(scope="module")
def booted() -> Iterator[Driven]:
    need()
    with cluster.Lab(cluster.Shape(clients=1, nodes=3)) as lab:
        yield Driven(lab)


@pytest.fixture
def lab(booted: Driven) -> Iterator[Driven]:
    booted.clean()
    yield booted
    for play in booted.plays:
        play.close()


def named(lab: Driven, play: Play, node: str) -> None:
    """The run says everywhere which address has failed."""
    address = lab.address(node)
    (entry,) = play.stats()["dead_addresses"]
    assert (entry["address"], entry["host"]) == (address, "client1")
    assert entry["source"] == address + ":/cluster"
    assert any(address in line and entry["mount"] in line for line in warnings(play.output)), play.output
    assert "%s did not answer (" % address in play.output
    assert address in play.page().partition("Addresses that did not answer")[2]


@pytest.mark.parametrize(
    ("way", "options", "limit"),
    [
        ("kill_node", SOFT % 100, 75),
        ("kill_node", SOFT % 30, 50),
        ("kill_node", HARD, 75),
        ("freeze_node", HARD, 75),
        ("stop_node", SOFT % 30, 50),
        ("unplug_node", SOFT % 100, 75),
    ],
    ids=["softerr", "softerr-30", "hard", "hard-frozen", "softerr-30-refused", "softerr-unplugged"],
)
def test_a_node_dies_in_mid_run(lab: Driven, way: str, options: str, limit: float) -> None:
    lab.fill(6000, large=3)
    play = lab.ingest(ingest_mount_options=options)
    play.until(lambda: lab.copied() > 500)
    getattr(lab.lab, way)("node2")
    died = time.monotonic()
    play.good()
    took = time.monotonic() - died
    print("%s, %s: %.0f s to the end" % (way, options, took))
    lab.same()
    named(lab, play, "node2")
    stats = play.stats()
    assert stats["failed"] == 0
    assert took < limit + 30  # what there is to do without any death takes its time too
