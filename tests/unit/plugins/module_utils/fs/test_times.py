# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times that the destination can't hold: a loss once, no failure, no change in the next run."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.metadata import Metadata
from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import Losses
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.times import (
    GRAINS,
    ODD,
    SECOND,
    grain_of,
    held_everywhere,
    images,
)
from ansible_collections.scaleout.ingest.tests.faults import mounts
from ansible_collections.scaleout.ingest.tests.support import engine, trees

Node = trees.Node
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # ext4 itself does not hold 1900
EXTREME = {
    b"before 1970": -1,
    b"just before": -SECOND // 2,
    b"1901": -(1 << 31) * SECOND,
    b"1900": -(1 << 31) * SECOND - 5,
    b"start": 0,
    b"half a second": SECOND // 2,
    b"2038": (1 << 31) * SECOND,
    b"2038 end": (1 << 31) * SECOND - 7,
    b"2106": (1 << 32) * SECOND + 5 * SECOND,
    b"2200": 7_258_118_400 * SECOND + 1,
}


@pytest.fixture
def folder() -> Iterator[str]:
    made = tempfile.mkdtemp(prefix="times-", dir=MEMORY)
    yield made
    trees.remove(os.fsencode(made + "/source"))
    shutil.rmtree(made, ignore_errors=True)


def source(folder: str) -> bytes:
    """Files, links, fifos and directories with times that are early and late."""
    nodes = [Node((b"usual",), data=((0, b"x"),))]
    for name, time in EXTREME.items():
        nodes += [
            Node((b"files", name), data=((0, b"data"),), mtime=time),
            Node((b"nodes", name), "p", mtime=time),
            Node((b"links", name), "l", target=b"x", mtime=time),
            Node((b"d " + name,), "d", mode=0o755, mtime=time),
        ]
    path = os.fsencode(folder + "/source")
    os.mkdir(path)
    trees.build(path, nodes)
    return path


RANGES = {"limits": {"range_threshold": 2, "range_size": 1 << 20}}


@pytest.mark.parametrize(
    "options", [{}, RANGES, {"method": "rsync"}, {"method": "msrsync"}], ids=str
)
def test_a_file_system_that_ends_in_2038(folder: str, options: dict) -> None:
    if "method" in options and not shutil.which("rsync"):
        pytest.skip("needs rsync")
    tree = source(folder)
    with mounts.coarse_ext4(folder) as destination:
        first = engine.ingest(tree, [destination], folder + "/run1", **options)
        assert first.failures == []
        # Files, fifos, links and directories of 1900, 2038, 2106 and 2200.
        assert first.losses["times (range)"] == 16
        found = {
            name: os.stat(destination + b"/files/" + name).st_mtime_ns // SECOND for name in EXTREME
        }
        assert found[b"before 1970"] == -1 and found[b"1900"] == -(1 << 31)
        assert found[b"2106"] == found[b"2038"] == (1 << 31) - 1
        second = engine.ingest(tree, [destination], folder + "/run2", **options)
        assert second.failures == [] and second.counts["changed"] == 0
        assert second.losses["times (range)"] == 16
        # Another time of the same length is seen all the same.
        os.utime(destination + b"/files/2106", ns=(0, 0))
        os.utime(destination + b"/files/1900", ns=(0, 5 * SECOND))
        assert engine.ingest(tree, [destination], folder + "/run3", **options).counts["files"] == 2


def test_a_time_that_is_held_is_never_taken_for_its_limit(folder: str) -> None:
    """The destination holds everything, and has the times that a smaller one would have."""
    tree = source(folder)
    destination = os.fsencode(folder + "/destination")
    os.mkdir(destination)
    assert engine.ingest(tree, [destination], folder + "/run1").losses == {}
    wrong = {
        b"before 1970": 0,
        b"1900": -(1 << 31),
        b"2038": (1 << 31) - 1,
        b"2106": (1 << 32) - 1,
        b"2200": 5,
    }
    for name, second in wrong.items():
        os.utime(destination + b"/files/" + name, ns=(3, second * SECOND))
    again = engine.ingest(tree, [destination], folder + "/run2")
    assert again.failures == [] and again.counts["files"] == len(wrong) and again.losses == {}
    for name, time in EXTREME.items():
        assert os.stat(destination + b"/files/" + name).st_mtime_ns == time


def test_a_server_that_refuses_such_times(folder: str) -> None:
    """Then they get the nearest that every file system holds."""
    tree, backing = os.fsencode(folder + "/source"), os.fsencode(folder + "/backing")
    os.mkdir(tree)
    os.mkdir(backing)
    trees.build(tree, [Node((b"early",), data=((0, b"x"),), mtime=-5 * SECOND)])
    with mounts.faultfs(backing, os.fsencode(folder + "/mount")) as faults:
        faults.rule(op="utimens", match="/early", errno=mounts.number("EINVAL"), times=1)
        result = engine.ingest(tree, [faults.path], folder + "/run1", verify="none")
        assert result.failures == [] and result.losses == {"times (range)": 1}
        assert os.stat(backing + b"/early").st_mtime_ns == 0


def test_what_becomes_of_times() -> None:
    assert images(-1) == {0, (1 << 32) - 1, -1}
    assert {(1 << 32) - 1, (1 << 31) - 1, 5} <= images(((1 << 32) + 5) * SECOND)
    assert held_everywhere(SECOND) and not held_everywhere(SECOND - 1)
    assert [grain_of(ODD // grain * grain) for grain in GRAINS] == list(GRAINS)


def test_the_words_for_both_losses() -> None:
    losses = Losses()
    metadata = Metadata(frozenset(["times"]), losses)
    metadata.lost_times(b"a", 1_500_000_001, 1_000_000_000)
    metadata.lost_times(b"b", -5 * SECOND, 0)
    metadata.lost_times(b"c", 5, 5)
    assert {kind: entry[:2] for kind, entry in losses.kinds.items()} == {
        "times": (1, b"a"), "times (range)": (1, b"b"),
    }  # fmt: skip
