# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/ingest.yml on real hosts over SSH; needs root for their namespaces."""

from __future__ import annotations

import os
import shutil
import threading
import time
from importlib import util

import pytest
from ansible.release import __version__ as ansible_version
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts, why_not
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import ingest, stats

OLD_PYTHONS = ["/usr/bin/python3.8", os.path.expanduser("~/.pyenv/versions/3.8.18/bin/python3.8")]


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_openssh(hosts: Hosts, shared: Place, strategy: str) -> None:
    run = ingest(
        shared.folder,
        inventory=hosts.inventory,
        source=shared.source,
        destinations=[shared.destination],
        strategy=strategy,
    )
    assert run.status == 0, run.output
    assert shared.differences() == []
    numbers = stats(shared.run)
    assert sorted(numbers["hosts"]) == ["host1", "host2", "host3"]
    assert all(host["files"] > 0 for host in numbers["hosts"].values())
    again = ingest(
        shared.folder,
        inventory=hosts.inventory,
        source=shared.source,
        destinations=[shared.destination],
        run_dir=shared.run + "2",
        strategy=strategy,
    )
    assert again.status == 0, again.output
    assert again.changed == 0, again.output


def test_a_host_is_sent_few_commands(hosts: Hosts, shared: Place) -> None:
    """One for the check, three to begin and end the copy, one that says that it ends, and one for
    each package of shards; besides those that only wait, whose number is that of the seconds."""
    run = ingest(
        shared.folder,
        "-vvv",
        inventory=hosts.inventory,
        source=shared.source,
        destinations=[shared.destination],
    )
    assert run.status == 0, run.output
    assert shared.differences() == []
    address = hosts.hosts["host2"].address
    sent = [line for line in run.output.splitlines() if f"<{address}> SSH: EXEC" in line]
    waits = [line for line in sent if "if=news" in line and "/inbox/" not in line]
    packages = [line for line in sent if ".work.part" in line]
    assert packages and len(packages) <= 7  # a plan has so many phases
    assert len(sent) - len(waits) - len(packages) == 5, "\n".join(sent)
    assert f"<{address}> PUT" not in run.output


def test_paramiko(hosts: Hosts, shared: Place) -> None:
    if tuple(int(part) for part in ansible_version.split(".")[:2]) >= (2, 21):
        pytest.skip("the paramiko connection is gone since ansible-core 2.21")
    if not util.find_spec("paramiko"):
        pytest.skip("the paramiko connection needs paramiko")
    # The connection reads known hosts only from the user's home.
    os.makedirs(shared.folder + "/home/.ssh")
    shutil.copy(hosts.base + "/known_hosts", shared.folder + "/home/.ssh/known_hosts")
    inventory = hosts.write_inventory(
        shared.folder + "/inventory.json", connection="ansible.builtin.paramiko_ssh"
    )
    run = ingest(
        shared.folder,
        inventory=inventory,
        source=shared.source,
        destinations=[shared.destination],
        env={"HOME": shared.folder + "/home"},
    )
    assert run.status == 0, run.output
    assert shared.differences() == []


def test_become(hosts: Hosts, shared: Place) -> None:
    os.chmod(shared.source, 0o700)  # root's
    inventory = hosts.write_inventory(shared.folder + "/inventory.json", user="operator1")
    run = ingest(
        shared.folder,
        "--become",
        inventory=inventory,
        source=shared.source,
        destinations=[shared.destination],
    )
    assert run.status == 0, run.output
    assert shared.differences() == []


def test_without_become_the_unreadable_source_is_said(hosts: Hosts, shared: Place) -> None:
    os.chmod(shared.source, 0o700)
    inventory = hosts.write_inventory(shared.folder + "/inventory.json", user="operator1")
    run = ingest(
        shared.folder, inventory=inventory, source=shared.source, destinations=[shared.destination]
    )
    assert run.status != 0, run.output
    assert "ingest_source" in run.output
    assert shared.source in run.output
    assert "Traceback" not in run.output
    assert not os.path.exists(shared.destination)


def test_the_oldest_python_on_the_hosts(hosts: Hosts, shared: Place) -> None:
    python = next((path for path in OLD_PYTHONS if os.path.exists(path)), None)
    if not python:
        pytest.skip("no Python 3.8 for the hosts")
    inventory = hosts.write_inventory(
        shared.folder + "/inventory.json", variables={"ansible_python_interpreter": python}
    )
    run = ingest(
        shared.folder, inventory=inventory, source=shared.source, destinations=[shared.destination]
    )
    assert run.status == 0, run.output
    assert shared.differences() == []


def test_several_mounts_of_one_cluster(shared: Place, folder: str) -> None:
    """Three paths to one directory on each host, as three addresses of a cluster would be."""
    cluster = folder + "/cluster"
    os.mkdir(cluster)
    mounts = ["/mnt/destination%d" % number for number in (1, 2, 3)]
    place = Place(folder).build()
    binds = [cluster + ":" + mount for mount in mounts] + [place.source + ":/mnt/source"]
    with Hosts(2, binds) as hosts:
        run = ingest(
            folder,
            inventory=hosts.inventory,
            source="/mnt/source",
            destinations=[mount + "/copy" for mount in mounts],
        )
    assert run.status == 0, run.output
    place.destination = cluster + "/copy"
    assert place.differences() == []
    used = [mount for host in stats(place.run)["hosts"].values() for mount in host["mounts"]]
    assert set(used) <= {mount + "/copy" for mount in mounts}
    assert len(used) >= 2  # a small tree has too few shards for all mounts of each host


@pytest.mark.parametrize(
    "death, lost_host", [("kill", "warn"), ("freeze", "warn"), ("kill", "fail")]
)
def test_a_host_that_dies_costs_time_not_data(folder: str, death: str, lost_host: str) -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    place = Place(folder)
    for directory in range(40):
        os.makedirs("%s/%d" % (place.source, directory))
        for number in range(50):
            with open("%s/%d/%d" % (place.source, directory, number), "wb") as file:
                file.write(os.urandom(20_000))
    cluster = folder + "/cluster"
    os.mkdir(cluster)
    place.destination = cluster + "/copy"
    with Hosts(3, [cluster + ":/mnt/destination1", place.source + ":/mnt/source"]) as hosts:
        killer = threading.Thread(
            target=_once_busy, args=(place, lambda: getattr(hosts, death)("host2"))
        )
        killer.start()
        inventory = hosts.write_inventory(
            folder + "/inventory.json",
            variables={
                "ansible_timeout": 5,
                "ansible_ssh_extra_args": "-o ServerAliveInterval=2 -o ServerAliveCountMax=2",
            },
        )
        run = ingest(
            folder,
            inventory=inventory,
            source="/mnt/source",
            destinations=["/mnt/destination1/copy"],
            lease=10,
            lost_host=lost_host,
            bandwidth_limit=6_000_000,  # so that there is a middle to die in
        )
        killer.join()
    assert run.status == (0 if lost_host == "warn" else 2), run.output
    assert place.differences() == [], run.output
    assert "host2 was lost, its work goes to the others" in " ".join(run.output.split())
    assert stats(place.run)["failed"] == 0
    assert "Traceback" not in run.output


def _once_busy(place: Place, act: object) -> None:
    """Do it when the destination holds a tenth of the files."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if sum(len(files) for _folder, _folders, files in os.walk(place.destination)) > 200:
            break
        time.sleep(0.05)
    act()  # type: ignore[operator]
