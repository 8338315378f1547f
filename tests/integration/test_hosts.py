# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test hosts themselves: real, apart from each other, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from ansible_collections.scaleout.ingest.tests.support import hosts as module
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts
from ansible_collections.scaleout.ingest.tests.support.playbook import ansible


def links() -> str:
    return subprocess.run(["ip", "-br", "link"], stdout=subprocess.PIPE, check=True).stdout.decode()


def test_each_has_its_own_name_files_and_processes(hosts: Hosts) -> None:
    names = [hosts.ssh(name, "hostname").stdout.decode().strip() for name in hosts.hosts]
    assert names == ["host1", "host2", "host3"]
    hosts.ssh("host1", "touch", "/etc/only-here")
    assert hosts.ssh("host2", "ls", "/etc/only-here").returncode == 2
    assert not os.path.exists("/etc/only-here")
    pids = hosts.ssh("host1", "ls", "/proc").stdout.split()
    assert str(os.getpid()).encode() not in pids


def test_become(hosts: Hosts, folder: str) -> None:
    inventory = hosts.write_inventory(folder + "/inventory.json", user="operator1")
    assert (
        "uid=4242"
        in ansible(
            "adhoc", "-i", inventory, "host1", "-m", "ansible.builtin.command", "-a", "id"
        ).output
    )
    run = ansible(
        "adhoc", "-i", inventory, "all", "-b", "-m", "ansible.builtin.command", "-a", "id"
    )
    assert run.output.count("uid=0(root)") == 3


def test_two_runs_side_by_side_and_a_death() -> None:
    reason = module.why_not()
    if reason:
        pytest.skip(reason)
    with Hosts(1) as first, Hosts(2) as second:
        assert first.base != second.base
        second.kill("host2")
        assert second.ssh("host2", "true").returncode == 255
        second.start("host2")
        assert second.ssh("host2", "true").returncode == 0
        bridges = first.slot.bridge, second.slot.bridge
        bases = first.base, second.base
        assert all(name in links() for name in bridges)
    assert not any(name in links() for name in bridges)
    assert not any(os.path.exists(base) for base in bases)


def test_what_a_crashed_run_leaves_is_removed(folder: str) -> None:
    reason = module.why_not()
    if reason:
        pytest.skip(reason)
    command = [sys.executable, module.__file__]
    subprocess.run([*command, "up", folder, "1"], check=True)
    state = module._state(folder)
    os.kill(state["pid"], signal.SIGKILL)
    subprocess.run([*command, "down", folder], check=True)
    assert not os.path.exists(state["base"])
    assert "ingestbr%d" % state["slot"] not in links()
