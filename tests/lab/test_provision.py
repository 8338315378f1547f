# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing to a copy: playbooks/provision.yml boots the lab and makes its client an ingestor,
and playbooks/ingest.yml copies with it. Not among `make test`'s: run ``pytest tests/lab``."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.provision.executables import build
from ansible_collections.scaleout.ingest.tests.support import azure_template
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT, Run, ansible, ingest

LAB = os.path.join(ROOT, "tests", "lab", "lab.py")
PROVISION = os.path.join(ROOT, "playbooks", "provision.yml")
SHAPE = {"CLIENTS": "1", "NODES": "2"}


class Fleet:
    """The lab that the playbook boots."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def lab(self, *words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, LAB, words[0], self.folder, *words[1:]]
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    def run(self, line: str) -> str:
        """A shell line on the client."""
        return self.lab("ssh", "client1", line).stdout.decode(errors="replace")

    def provision(self, **variables: Any) -> Run:
        variables = dict({"ingest_provider": "lab", "ingest_lab_folder": self.folder}, **variables)
        return ansible("playbook", "-e", json.dumps(variables), PROVISION, env=SHAPE)

    def state(self) -> dict[str, Any]:
        with open(self.folder + "/lab.json", encoding="utf-8") as file:
            return json.load(file)

    def script(self, name: str, text: str) -> str:
        """A script on the cluster; its path in the export."""
        os.makedirs(self.state()["export"] + "/bootstrap", exist_ok=True)
        with open(self.state()["export"] + "/bootstrap/" + name, "w", encoding="ascii") as file:
            file.write(text)
        return "/bootstrap/" + name


@pytest.fixture(name="fleet", scope="module")
def _fleet() -> Iterator[Fleet]:
    done = subprocess.run(
        [sys.executable, LAB, "setup"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if os.geteuid() != 0 or done.returncode:
        pytest.skip("the lab needs root and its packages: make lab-setup")
    folder = "/var/tmp/scaleout-ingest-test-fleet"
    running = Fleet(folder)
    try:
        yield running
    finally:
        running.lab("down")


def later(fleet: Fleet) -> str:
    """The readahead of a new mount, as udev sets it by our rule and that of nfs-utils."""
    source = fleet.state()["nodes"]["node1"] + ":/cluster"
    lines = (
        "mkdir -p /run/udev /mnt/later; /lib/systemd/systemd-udevd --daemon 2> /run/udev/log",
        f"mount -t nfs -o vers=3,proto=tcp,nolock,nosharecache {source} /mnt/later; udevadm settle",
        "cat /sys/class/bdi/$(mountpoint -d /mnt/later)/read_ahead_kb; umount /mnt/later; udevadm "
        "control --exit",
    )
    return fleet.run("; ".join(lines))


def test_from_nothing_to_an_ingestor(fleet: Fleet) -> None:
    run = fleet.provision(ingest_tcp_slot_table_entries=128, ingest_readahead=15360)
    assert run.status == 0, run.output
    assert fleet.run("cat /proc/sys/sunrpc/tcp_slot_table_entries") == "128\n"
    assert fleet.run("cat /sys/class/bdi/0:*/read_ahead_kb").split() == ["15360"] * 3
    assert later(fleet) == "15360\n"
    assert fleet.run("grep -c ' nfs ' /proc/mounts") == "3\n"
    assert "files" in fleet.run("prime --directory /mnt/source")
    again = fleet.provision(ingest_tcp_slot_table_entries=128, ingest_readahead=15360)
    assert again.status == 0, again.output
    assert again.changed == 0


def test_the_bootstrap_script(fleet: Fleet) -> None:
    path = fleet.script("good.sh", 'env | sort; grep -c " nfs " /proc/mounts\n')
    nodes = fleet.state()["nodes"]
    variables = {
        "ingest_bootstrap_script_path": path,
        "ingest_bootstrap_environment": {"TOKEN": "hunter2"},
    }
    first = fleet.provision(**variables)
    assert first.status == 0, first.output
    assert first.recap["client1"]["changed"] == 1
    assert "hunter2" not in first.output
    log = fleet.run("cat /var/log/bootstrap.log").splitlines()
    assert set(log) >= {
        "BASE_DIR=/nfs",
        "NODE_PREFIX=client",
        "NODE_COUNT=1",
        "NFS_IP_CSV=" + ",".join(nodes.values()),
        "NFS_PATH=/cluster",
        "BOOTSTRAP_NFS_IP=" + nodes["node1"],
        "BOOTSTRAP_SCRIPT_PATH=" + path,
        "LINUX_USER=root",
        "TOKEN=hunter2",
        "3",
    }
    again = fleet.provision(**variables)
    assert (again.status, again.changed) == (0, 0), again.output
    assert "ingestor-bootstrap" not in fleet.run("cat /proc/mounts; ls /tmp")


def test_a_script_that_fails(fleet: Fleet) -> None:
    run = fleet.provision(
        bootstrap_script_path=fleet.script("bad.sh", "echo what went wrong; exit 3\n")
    )
    assert run.status == 2
    assert (
        "bootstrap_script_path: /bootstrap/bad.sh ended with status 3; what it printed is in "
        "/var/log/bootstrap.log" in run.output
    )
    assert "what went wrong" in fleet.run("tail -3 /var/log/bootstrap.log")
    missing = fleet.provision(bootstrap_script_path="/bootstrap/none.sh")
    assert missing.status == 2
    assert (
        f"/bootstrap/none.sh on {fleet.state()['nodes']['node1']}:/cluster can't be read: No such "
        "file" in missing.output
    )


def test_the_first_address_is_dead(fleet: Fleet) -> None:
    path = fleet.script("other.sh", 'echo "from $BOOTSTRAP_NFS_IP"\n')
    assert fleet.lab("node-kill", "node1").returncode == 0
    try:
        run = fleet.provision(ingest_bootstrap_script_path=path)
        assert run.status == 0, run.output
        assert f"from {fleet.state()['nodes']['node2']}\n" in fleet.run(
            "tail -3 /var/log/bootstrap.log"
        )
    finally:
        assert fleet.lab("node-start", "node1").returncode == 0


def test_the_template_bootstraps_too(fleet: Fleet) -> None:
    """What the Azure template has its machines run, on one of ours."""
    with open(ROOT + "/roles/azure_ingestors/files/azuredeploy.json", encoding="utf-8") as file:
        template = json.load(file)
    nodes = fleet.state()["nodes"]
    dead = re.sub(r"\d+$", "99", nodes["node1"])
    given = {
        "uniquename": "x",
        "sshKeyData": "ssh-ed25519 AAAA",
        "vmCount": 1,
        "virtualNetworkResourceGroup": "n",
        "virtualNetworkName": "n",
        "virtualNetworkSubnetName": "n",
        "nfsExportPath": "/cluster",
        "nfsCommaSeparatedAddresses": dead + "," + nodes["node2"],
        "appEnvironmentVariables": "MINE='a b' B=c",
    }
    for name, text, status in (
        ("arm.sh", 'echo "$MINE $NODE_PREFIX $BOOTSTRAP_NFS_IP"\n', 0),
        ("bad.sh", "exit 3\n", 3),
    ):
        given["bootstrapScriptPath"] = fleet.script(name, text)
        made = azure_template.deploy(template, given).resources[-1]["properties"][
            "protectedSettings"
        ]["script"]
        with open(fleet.state()["export"] + "/script.sh", "wb") as out:
            out.write(base64.b64decode(made))
        shown = fleet.run("sh /mnt/destination2/script.sh; echo status $?")
        assert shown.splitlines()[-1] == "status %d" % status
        assert ("see /var/log/bootstrap.log" in shown) is bool(status)
    assert f"a b vm-x {nodes['node2']}\n" in fleet.run("cat /var/log/bootstrap.log")
    assert fleet.run("grep -c ' nfs ' /proc/mounts") == "3\n"


def test_without_ansible(fleet: Fleet) -> None:
    """What cloud-init runs: the same steps by one program."""
    state = fleet.state()
    with open(state["export"] + "/ingestor", "wb") as out:
        out.write(build("ingestor", "/usr/bin/python3", small=True))
    settings = {
        "slots": 64,
        "readahead": 2048,
        "commands_folder": "/usr/local/sbin",
        "mounts": {
            "addresses": list(state["nodes"].values()),
            "export": "/cluster",
            "base": "/mnt/plain",
            "mount_options": "vers=3,proto=tcp,nolock,noacl,softerr,timeo=100,retrans=2",
        },
        "bootstrap": {
            "path": fleet.script("plain.sh", "echo $NODE_PREFIX > /etc/plain\n"),
            "export": "/cluster",
            "addresses": list(state["nodes"].values()),
            "options": "vers=3,proto=tcp,nolock,noacl",
        },
    }
    with open(state["export"] + "/settings.json", "w", encoding="ascii") as file:
        json.dump(settings, file)
    command = "python3 /mnt/destination2/ingestor /mnt/destination2/settings.json; echo status $?"
    assert [fleet.run(command), fleet.run(command)] == ["status 0\n"] * 2
    assert (
        fleet.run("grep -c /mnt/plain /etc/fstab; grep -c /mnt/plain /proc/mounts; cat /etc/plain")
        == "2\n2\nclient\n"
    )
    assert fleet.run("cat /proc/sys/sunrpc/tcp_slot_table_entries") == "64\n"
    fleet.run("umount /mnt/plain1 /mnt/plain2")


def test_and_ingest(fleet: Fleet) -> None:
    assert fleet.lab("source").returncode == 0
    run = ingest(
        fleet.folder, inventory=fleet.folder + "/inventory.json", run_dir=fleet.folder + "/run"
    )
    assert run.status == 0, run.output
    compared = fleet.lab("compare")
    assert compared.returncode == 0, compared.stdout


def test_the_slots_are_there_when_the_module_is_loaded(fleet: Fleet) -> None:
    assert fleet.provision(ingest_tcp_slot_table_entries=32).status == 0
    fleet.run("umount /mnt/source /mnt/destination1 /mnt/destination2; mkdir -p /run/m/lib/modules")
    fleet.run("ln -s /usr/lib/uml/modules/$(uname -r) /run/m/lib/modules/")
    fleet.run("rmmod nfsv3 nfsv4 nfs lockd nfs_acl grace; rmmod sunrpc")
    assert fleet.run("test -e /proc/sys/sunrpc; echo $?") == "1\n"
    fleet.run("modprobe -d /run/m -C /etc/modprobe.d nfsv3")
    assert fleet.run("cat /proc/sys/sunrpc/tcp_slot_table_entries") == "32\n"
