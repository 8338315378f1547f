# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/provision.yml on a host that says it is Rocky Linux 9: with the real dnf, and a
repository of packages that stand in for the distribution's."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts, why_not
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT, Run, ansible, words

PROVISION = os.path.join(ROOT, "playbooks", "provision.yml")
TOOLS = ("dnf", "rpmbuild", "createrepo_c")
RELEASE = (
    'NAME="Rocky Linux"\nVERSION="9.4 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\n'
    'VERSION_ID="9.4"\n'
)
# The list of packages never becomes too old by itself.
REPOSITORY = "[baseos]\nname=BaseOS\nbaseurl=file://%s\ngpgcheck=0\nmetadata_expire=never\n"
SPEC = """\
Name: %s
Version: %d
Release: 1.el9
Summary: Stands in for the distribution's
License: GPL-3.0-or-later
BuildArch: noarch
%%description
%%install
mkdir -p %%{buildroot}/usr/share/ingest
touch %%{buildroot}/usr/share/ingest/%s
%%files
/usr/share/ingest/%s
"""


def publish(folder: str, version: int) -> None:
    """A repository with nfs-utils and rsync in one version and no other."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in ("nfs-utils", "rsync"):
        spec = os.path.join(folder, name + ".spec")
        with open(spec, "w", encoding="ascii") as file:
            file.write(SPEC % (name, version, name, name))
        command = [
            "rpmbuild",
            "-bb",
            "--quiet",
            "--nodeps",
            "--define",
            "_topdir " + folder,
            "--define",
            "_rpmdir " + folder,
        ]
        subprocess.run(
            [*command, spec], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    subprocess.run(["createrepo_c", "--quiet", folder], check=True)
    assert len(glob.glob(folder + "/noarch/*.rpm")) == 2


class Rocky:
    """The host."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self.repository = hosts.shared + "/repository"
        variables = {"ansible_become": True, "ingestor_commands_folder": "/usr/local/sbin"}
        self.inventory = hosts.write_inventory(
            hosts.shared + "/inventory.json", "operator1", variables=variables
        )
        publish(self.repository, 1)
        self.write("/usr/lib/os-release", RELEASE)
        self.write("/etc/redhat-release", "Rocky Linux release 9.4 (Blue Onyx)\n")
        self.write("/etc/yum.repos.d/rocky.repo", REPOSITORY % self.repository)

    def run(self, *command: str) -> str:
        return self.hosts.ssh("host1", *command).stdout.decode()

    def write(self, path: str, text: str) -> None:
        with open(self.hosts.shared + "/file", "w", encoding="ascii") as file:
            file.write(text)
        self.run("install", "-D", "-m", "644", file.name, path)

    def provision(self, **variables: Any) -> Run:
        return ansible("playbook", "-i", self.inventory, "-e", json.dumps(variables), PROVISION)


@pytest.fixture(name="rocky", scope="module")
def _rocky() -> Iterator[Rocky]:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    reason = f"installing a package needs {', '.join(missing)}" if missing else why_not()
    if reason:
        pytest.skip(reason)
    with Hosts(1) as running:
        yield Rocky(running)


def test_a_host_of_the_rhel_family_becomes_an_ingestor(rocky: Rocky) -> None:
    settings = {"ingest_tcp_max_slot_table_entries": 512, "ingest_readahead": 4096}
    first = rocky.provision(**settings)
    assert first.status == 0, first.output
    assert (first.recap["host1"]["changed"], first.recap["host1"]["rescued"]) == (4, 0)
    assert (
        rocky.run("rpm", "-q", "nfs-utils", "rsync")
        == "nfs-utils-1-1.el9.noarch\nrsync-1-1.el9.noarch\n"
    )
    assert (
        rocky.run("tail", "-n1", "/etc/modprobe.d/scaleout-ingest.conf")
        == "options sunrpc tcp_max_slot_table_entries=512\n"
    )
    assert "files" in rocky.run("/usr/local/sbin/prime", "--directory", "/etc/yum.repos.d")
    again = rocky.provision(**settings)
    assert (again.status, again.changed) == (0, 0), again.output


def test_a_list_of_packages_that_is_too_old(rocky: Rocky) -> None:
    """It names files that the repository no longer has."""
    rocky.run("dnf", "-q", "makecache")
    rocky.run("rpm", "-e", "nfs-utils", "rsync")
    publish(rocky.repository, 2)
    run = rocky.provision()
    assert run.status == 0, run.output
    assert run.recap["host1"]["rescued"] == 1
    assert (
        rocky.run("rpm", "-q", "nfs-utils", "rsync")
        == "nfs-utils-2-1.el9.noarch\nrsync-2-1.el9.noarch\n"
    )


def test_a_package_that_is_not_there(rocky: Rocky) -> None:
    run = rocky.provision(ingestor_packages=["rsync", "no-such-package"])
    assert run.status == 2
    sentence = (
        "ingestor_packages: dnf can't install rsync, no-such-package on host1 "
        "(say [] if it has them otherwise): "
    )
    assert (
        sentence
        + "Failed to install some of the specified packages; No package no-such-package available."
        in words(run)
    )


def test_an_old_python(rocky: Rocky) -> None:
    """RHEL 8 has no other than /usr/libexec/platform-python, on which Ansible's modules end with a
    traceback."""
    rocky.write(
        "/usr/libexec/platform-python", "SyntaxError: future feature annotations is not defined\n"
    )
    run = rocky.provision(ansible_python_interpreter="/usr/libexec/platform-python")
    assert run.status == 2
    sentence = (
        "host1: no module of Ansible runs there, for the reason above. It needs root and "
        "Python 3.8 or newer; RHEL 8 has"
    )
    assert (
        sentence + " that only in a package such as python3.12 (docs/provisioning.md says how)."
        in words(run)
    )
