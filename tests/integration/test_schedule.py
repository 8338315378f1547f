# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role schedule, on a real host: the units and the table are what systemd and cron take."""

from __future__ import annotations

import json
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts, why_not
from ansible_collections.scaleout.ingest.tests.support.playbook import Run, ansible, words

PLAY = """\
- hosts: all
  gather_facts: false
  become: true
  roles: [scaleout.ingest.schedule]
"""
GIVEN: dict[str, Any] = {
    "tier_schedule_inventory": "/etc/scaleout/my hosts.yml",
    "tier_schedule_variables": "/etc/scaleout/tiers.yml",
    "tier_schedule_program": "/usr/bin/printf",
}


@pytest.fixture(name="host", scope="module")
def _host() -> Iterator[Hosts]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Hosts(1) as running:
        yield running


def schedule(host: Hosts, folder: str, **variables: Any) -> Run:
    with open(folder + "/play.yml", "w", encoding="utf-8") as file:
        file.write(PLAY)
    inventory = host.write_inventory(
        folder + "/inventory.json", "operator1", variables={"ansible_become": True}
    )
    given = json.dumps({**GIVEN, **variables})
    return ansible("playbook", "-i", inventory, "-e", given, folder + "/play.yml")


def test_cron(host: Hosts, folder: str) -> None:
    first = schedule(host, folder)
    assert first.status == 0 and first.changed == 2, first.output  # no systemd runs there
    assert schedule(host, folder).changed == 0
    table = host.ssh("host1", "cat", "/etc/cron.d/scaleout-tier").stdout.decode()
    line = table.splitlines()[-1]
    minute, hour, *rest = line.split(" ", 6)
    assert 0 <= int(minute) < 60 and hour == "2" and rest[:4] == ["*", "*", "*", "root"]
    with open(host.shared + "/line", "w", encoding="utf-8") as file:
        file.write(rest[4] + "\n")
    done = host.ssh("host1", "sh", host.shared + "/line")
    assert done.returncode == 0
    assert done.stdout == b"--inventory=/etc/scaleout/my hosts.yml"
    # Another run is at work: nothing is done, and that is no failure.
    held = host.ssh(
        "host1", "flock", "/var/lib/scaleout-ingest/tier.lock", "sh", host.shared + "/line"
    )
    assert held.returncode == 0 and held.stdout == b""
    gone = schedule(host, folder, tier_schedule_state="absent")
    assert gone.status == 0, gone.output
    assert host.ssh("host1", "test", "-e", "/etc/cron.d/scaleout-tier").returncode == 1


def test_systemd(host: Hosts, folder: str) -> None:
    if host.ssh("host1", "systemd-analyze", "--version").returncode:
        pytest.skip("there is no systemd-analyze on this machine")
    hook = ["/usr/bin/printf", "it failed", "; rm -rf /nowhere"]
    more = {"tier_schedule_with": "systemd", "tier_schedule_on_failure": hook}
    first = schedule(host, folder, **more)
    assert first.status == 0, first.output
    assert schedule(host, folder, **more).changed == 0
    units = ["scaleout-tier.service", "scaleout-tier.timer", "scaleout-tier-failed.service"]
    for unit in units:
        checked = host.ssh(
            "host1", "systemd-analyze", "verify", f"/etc/systemd/system/{unit}", "2>&1"
        )
        said = [line for line in checked.stdout.decode().splitlines() if "scaleout-tier" in line]
        assert checked.returncode == 0 and not said, checked.stdout
    gone = schedule(host, folder, **more, tier_schedule_state="absent")
    assert gone.status == 0, gone.output
    for unit in units:
        assert host.ssh("host1", "test", "-e", f"/etc/systemd/system/{unit}").returncode == 1


@pytest.mark.parametrize("odd", ['a"b', "50%", "$HOME", "a\\b", "a\nb"])
def test_words_that_would_be_read_otherwise_are_refused(host: Hosts, folder: str, odd: str) -> None:
    run = schedule(host, folder, tier_schedule_on_failure=["/bin/echo", odd])
    assert run.status == 2 and "no word of a command may hold a quote" in words(run)
