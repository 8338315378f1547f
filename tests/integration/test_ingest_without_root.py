# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/ingest.yml over SSH to the server inside this process: no root, no sshd."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
from ansible.release import __version__ as ansible_version
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import ingest, stats


def test_openssh(server: Any, place: Place) -> None:
    if not shutil.which("ssh"):
        pytest.skip("no ssh client on this machine")
    run = ingest(
        place.folder,
        inventory=server.inventory,
        source=place.source,
        destinations=[place.destination],
    )
    assert run.status == 0, run.output
    assert place.differences() == []
    assert sorted(stats(place.run)["hosts"]) == ["host1", "host2"]


def test_paramiko(server: Any, place: Place) -> None:
    if tuple(int(part) for part in ansible_version.split(".")[:2]) >= (2, 21):
        pytest.skip("the paramiko connection is gone since ansible-core 2.21")
    os.makedirs(place.folder + "/home/.ssh")
    shutil.copy(server.folder + "/known_hosts", place.folder + "/home/.ssh/known_hosts")
    inventory = server.write_inventory(
        place.folder + "/inventory.json", connection="ansible.builtin.paramiko_ssh"
    )
    run = ingest(
        place.folder,
        inventory=inventory,
        source=place.source,
        destinations=[place.destination],
        env={"HOME": place.folder + "/home"},
    )
    assert run.status == 0, run.output
    assert place.differences() == []
