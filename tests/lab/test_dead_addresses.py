# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that die: before a run, and in the middle of it. Not among `make test`'s: run ``pytest
tests/lab``."""

from __future__ import annotations

import re
import time

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import Phase
from ansible_collections.scaleout.ingest.tests.lab import cluster
from ansible_collections.scaleout.ingest.tests.lab.session import Driven, Play, warnings

SHAPE = cluster.Shape(clients=1, nodes=3)
BASE = "vers=3,proto=tcp,nolock,noacl,"
HARD = BASE + "hard,timeo=30,retrans=2"
SOFT = BASE + "softerr,timeo=%d,retrans=2"


def named(lab: Driven, play: Play, node: str) -> None:
    """The run says everywhere which address has failed."""
    address = lab.address(node)
    (entry,) = play.stats()["dead_addresses"]
    assert (entry["address"], entry["host"]) == (address, "client1")
    assert entry["source"] == address + ":/cluster"
    assert any(address in line and entry["mount"] in line for line in warnings(play.output)), (
        play.output
    )
    assert f"{address} did not answer (" in play.output
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
    play = lab.ingest(ingest_mount_options=options, ingest_unmount=True)
    play.until(lambda: lab.copied() > 500)
    getattr(lab.lab, way)("node2")
    died = time.monotonic()
    play.until(lambda: "PLAY [Finish and report]" in play.output, 170)
    took = time.monotonic() - died
    print(f"{way}, {options}: {took:.0f} s to the end of the copy")
    play.good()
    lab.same()
    named(lab, play, "node2")
    assert play.stats()["failed"] == 0
    assert took < limit + 30  # what there is to do without any death takes its time too
    # To unmount the dead one would hang: it is detached, and that is said.
    left = lab.mounts()
    assert set(left) <= {"/mnt/source"}
    # A killed worker that waits for the dead server, and has a file of the source open.
    assert not left or any(
        line.startswith(f"client1: /mnt/source ({lab.address('nas')}:/source) stays mounted")
        for line in warnings(play.output)
    ), play.output
    assert any(
        line.startswith(f"client1: {lab.address('node2')} does not answer, so /mnt/destination")
        for line in warnings(play.output)
    ), play.output


@pytest.mark.parametrize("method", ["rsync", "msrsync"])
def test_a_node_dies_under_rsync(lab: Driven, method: str) -> None:
    lab.fill(4000, large=3)
    play = lab.ingest(ingest_method=method, ingest_mount_options=HARD)
    play.until(lambda: lab.copied() > 500)
    lab.lab.kill_node("node2")
    play.good()
    lab.same()
    named(lab, play, "node2")
    assert play.stats()["failed"] == 0


@pytest.mark.parametrize("options", [HARD, SOFT % 30], ids=["hard", "softerr"])
def test_a_node_dies_in_the_second_pass(lab: Driven, options: str) -> None:
    lab.fill(6000, large=1)
    play = lab.ingest(ingest_mount_options=options, ingest_verify="checksum")
    play.until(lambda: play.claimed(Phase.CHECK))
    lab.lab.kill_node("node2")
    play.good()
    lab.same()
    named(lab, play, "node2")
    stats = play.stats()
    assert stats["failed"] == 0
    # All of it was proved, over the mounts that were left.
    assert stats["verify"]["files"] >= 6001, stats["verify"]


def test_dead_before_the_run_and_between_two(lab: Driven) -> None:
    lab.fill(300)
    lab.lab.kill_node("node2")
    play = lab.ingest(ingest_mount_options=HARD).good()
    lab.same()
    named(lab, play, "node2")
    assert set(lab.mounts()) == {"/mnt/source", "/mnt/destination1", "/mnt/destination3"}
    # Now one that is mounted, and hard: to look at it would hang.
    lab.lab.start_node("node2")
    lab.lab.kill_node("node3")
    lab.fill(600)
    play = lab.ingest(ingest_mount_options=HARD).good()
    lab.same()
    named(lab, play, "node3")
    assert set(play.stats()["hosts"]["client1"]["mounts"]) == {
        "/mnt/destination1/copy",
        "/mnt/destination2/copy",
    }


def test_dead_between_the_plays(lab: Driven) -> None:
    """The plan has three mounts, and the copy only two."""
    lab.fill(1000)
    play = lab.ingest(ingest_mount_options=HARD)
    play.until(lambda: "PLAY [Move]" in play.output)
    lab.lab.kill_node("node1")  # the first, which makes the directory
    play.good()
    lab.same()
    named(lab, play, "node1")


def test_every_address_is_dead(lab: Driven) -> None:
    lab.fill(10)
    for node, way in (("node1", "kill_node"), ("node2", "freeze_node"), ("node3", "stop_node")):
        getattr(lab.lab, way)(node)
    begun = time.monotonic()
    output = lab.ingest(ingest_mount_options=HARD).bad()
    assert time.monotonic() - begun < 60
    one, two, three = (lab.address(node) for node in ("node1", "node2", "node3"))
    # What a machine without power looks like is up to the network.
    assert re.search(
        r"client1: no address of the cluster can be used: %s on /mnt/destination1 \((no answer "
        r"within 5 s|No route to host)\), "
        r"%s on /mnt/destination2 \(no answer within 5 s\), %s on /mnt/destination3 \(Connection "
        r"refused\)" % tuple(map(re.escape, (one, two, three))),
        output,
    ), output
    assert lab.copied() == 0


def test_every_address_dies_in_mid_run(lab: Driven) -> None:
    lab.fill(6000)
    play = lab.ingest(ingest_mount_options=HARD, ingest_stall_timeout=6)
    play.until(lambda: lab.copied() > 300)
    for node in lab.lab.nodes:
        lab.lab.freeze_node(node)
    output = play.bad()
    addresses = [
        "%s on /mnt/destination%d/copy (no answer within 5 s)" % (lab.address("node%d" % n), n)
        for n in (1, 2, 3)
    ]
    assert "client1: no mount answers: " + ", ".join(addresses) in output


@pytest.mark.parametrize("options", ["hard", "softerr,timeo=30,retrans=2"], ids=["hard", "softerr"])
def test_the_source_dies_in_mid_run(lab: Driven, options: str) -> None:
    """No mount of the destination is blamed."""
    lab.fill(6000)
    play = lab.ingest(
        ingest_source_mount_options=BASE + "ro,nocto," + options, ingest_stall_timeout=8
    )
    play.until(lambda: lab.copied() > 300)
    lab.lab.unplug_node("nas")
    output = play.bad()
    assert (
        f"client1: the source {lab.address('nas')} on /mnt/source (no answer within 5 s) does not "
        "answer" in output
    )
    assert "left out" not in output


def test_a_source_that_comes_back_in_time(lab: Driven) -> None:
    lab.fill(6000)
    play = lab.ingest(ingest_stall_timeout=10)
    play.until(lambda: lab.copied() > 300)
    lab.lab.unplug_node("nas")
    time.sleep(25)
    lab.lab.start_node("nas")
    play.good()
    lab.same()
    assert play.stats()["dead_addresses"] == [] and warnings(play.output) == []


def test_the_source_dies_in_the_scan(lab: Driven) -> None:
    lab.fill(20000, 8)
    play = lab.ingest(ingest_stall_timeout=6)
    play.until(lambda: "Scan the source" in play.output)
    time.sleep(3)
    lab.lab.unplug_node("nas")
    begun = time.monotonic()
    output = play.bad()
    assert (
        f"the source {lab.address('nas')} on /mnt/source (no answer within 5 s) does not answer"
        in output
    )
    assert time.monotonic() - begun < 90
