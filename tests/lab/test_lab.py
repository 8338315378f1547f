# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small lab from boot to tear-down. Not among `make test`'s: run ``pytest tests/lab``."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from types import ModuleType

import pytest

HERE = os.path.dirname(os.path.realpath(__file__))
LAB = os.path.join(HERE, "lab.py")


def _cluster() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lab_cluster", os.path.join(HERE, "cluster.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["lab_cluster"] = module
    spec.loader.exec_module(module)
    return module


cluster = _cluster()


@pytest.fixture(autouse=True)
def _able() -> None:
    reason = cluster.why_not()
    if reason:
        pytest.skip(reason)


def left(number: int) -> list[str]:
    """What is there of a lab."""
    name = "ingestlab%d" % number
    found = [
        path for path in os.listdir("/run/netns") if path == name or path.startswith(name + "-")
    ]
    found += [
        path
        for path in (os.path.join(cluster.BASE, str(number)), "/sys/class/net/" + name)
        if os.path.exists(path)
    ]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"%s/%d/" % (cluster.BASE.encode(), number) in file.read():
                    found.append("process " + pid)
        except OSError:
            pass
    return found


def test_the_whole_way() -> None:
    environment = dict(os.environ, CLIENTS="2", NODES="2")
    done = subprocess.run(
        [sys.executable, LAB, "run"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=600,
    )
    output = done.stdout.decode(errors="replace")
    assert done.returncode == 0, output
    assert "lab: the second run changed nothing" in output


def test_two_side_by_side_and_nothing_left() -> None:
    shape = cluster.Shape(clients=1, nodes=1)
    with cluster.Lab(shape) as one, cluster.Lab(shape._replace(clients=0)) as other:
        numbers = [one.number, other.number]
        assert one.ssh("client1", "hostname").stdout == b"client1\n"
        assert one.number != other.number
    assert [left(number) for number in numbers] == [[], []]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_lab_that_is_stopped_leaves_nothing(number: int, tmp_path: os.PathLike) -> None:
    environment = dict(os.environ, CLIENTS="1", NODES="1")
    folder = os.path.join(tmp_path, "lab")
    os.mkdir(folder)
    keeper = subprocess.Popen(
        [sys.executable, LAB, "keep", folder], env=environment, stdin=subprocess.DEVNULL
    )
    while not os.path.exists(folder + "/lab.json"):
        assert keeper.poll() is None
        time.sleep(0.1)
    with open(folder + "/lab.json", encoding="utf-8") as file:
        slot = int(file.read().partition(cluster.BASE + "/")[2].partition('"')[0])
    keeper.send_signal(number)
    keeper.wait()
    if number == signal.SIGKILL:
        while any(word.startswith("process") for word in left(slot)):
            time.sleep(0.1)
        cluster.sweep()
    assert left(slot) == []
