# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/provision.yml on a plain host, what it refuses, and the user data that does without it.
Mounts, kernel settings that act, and the bootstrap are the lab's to test
(tests/lab/test_provision.py)."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from typing import Any, Iterator

import jsonschema
import pytest
import yaml
from ansible_collections.scaleout.ingest.tests.support import cloudinit
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts, why_not
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT, Run, ansible, words

PROVISION = os.path.join(ROOT, "playbooks", "provision.yml")
USER_DATA = os.path.join(ROOT, "playbooks", "user_data.yml")
AZURE_LIMIT = 65535  # bytes of user data
CLUSTER: dict[str, Any] = {
    "ingest_cluster_addresses": ["10.0.0.101-103", "fd00::1"],
    "ingest_cluster_export": '/ms azure "{{ x }}"',
    "ingest_bootstrap_script_path": "/bootstrap/b.sh",
    "ingest_readahead": 15360,
    "ingest_tcp_slot_table_entries": 128,
    "ingest_user_data_environment": {"MINE": "it's"},
}


def provision(*arguments: str, inventory: str = "localhost,", **variables: Any) -> Run:
    return ansible("playbook", "-i", inventory, "-e", json.dumps(variables), *arguments, PROVISION)


# -- a plain host ------------------------------------------------------------------------------


@pytest.fixture(name="plain", scope="module")
def _plain() -> Iterator[Hosts]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Hosts(1) as running:
        if running.ssh("host1", "/usr/bin/python3", "-c", "'import apt'").returncode:
            pytest.skip("installing a package needs apt and Debian's python3-apt")
        yield running


def repository(folder: str) -> None:
    """A package repository with one small package."""
    tree = os.path.join(folder, "tree")
    os.makedirs(tree + "/DEBIAN")
    os.makedirs(tree + "/usr/bin")
    control = "Package: ingest-stand-in\nVersion: 1\nArchitecture: all\n"
    control += "Maintainer: nobody <nobody@example.com>\n"
    control += "Description: stands in for an NFS client\n"
    with open(tree + "/DEBIAN/control", "w", encoding="ascii") as file:
        file.write(control)
    with open(tree + "/usr/bin/ingest-stand-in", "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n")
    subprocess.run(
        ["dpkg-deb", "-b", tree, folder + "/one.deb"], check=True, stdout=subprocess.DEVNULL
    )
    with open(folder + "/one.deb", "rb") as deb:
        data = deb.read()
    more = f"Filename: ./one.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    with open(folder + "/Packages", "w", encoding="ascii") as file:
        file.write(control + more)


def test_a_plain_host_becomes_an_ingestor(plain: Hosts, folder: str) -> None:
    place = plain.shared + "/repository"
    os.mkdir(place)
    repository(place)
    plain.ssh(
        "host1",
        "rm",
        "-rf",
        "/etc/apt/sources.list.d",
        "/etc/apt/sources.list",
        "/var/lib/apt/lists",
    )
    line = f"deb [trusted=yes] file:{place} ./\n"
    with open(plain.shared + "/sources.list", "w", encoding="ascii") as file:
        file.write(line)
    plain.ssh("host1", "cp", plain.shared + "/sources.list", "/etc/apt/sources.list")
    plain.ssh("host1", "mkdir", "-p", "/var/lib/apt/lists/partial")
    inventory = plain.write_inventory(
        folder + "/inventory.json", "operator1", variables={"ansible_become": True}
    )
    settings = {
        "ingest_tcp_max_slot_table_entries": 512,
        "ingest_readahead": 4096,
        "ingestor_commands_folder": "/usr/local/sbin",
    }
    dry = provision("--check", inventory=inventory, ingestor_packages=[], **settings)
    assert dry.status == 0, dry.output
    assert plain.ssh("host1", "ls", "/usr/local/sbin/prime").returncode
    first = provision(inventory=inventory, ingestor_packages=["ingest-stand-in"], **settings)
    assert first.status == 0, first.output
    # The list of packages was missing, and was fetched.
    assert first.recap["host1"]["rescued"] == 1
    assert first.recap["host1"]["changed"] == 4
    assert plain.ssh("host1", "ls", "/usr/bin/ingest-stand-in").returncode == 0
    assert b"files" in plain.ssh("host1", "/usr/local/sbin/prime", "--directory", "/etc/apt").stdout
    again = provision(inventory=inventory, ingestor_packages=["ingest-stand-in"], **settings)
    assert again.status == 0, again.output
    assert again.changed == 0
    missing = provision(
        inventory=inventory, ingestor_packages=["ingest-stand-in", "no-such-package"], **settings
    )
    assert missing.status == 2
    sentence = (
        "ingestor_packages: apt can't install ingest-stand-in, no-such-package on host1 "
        "(say [] if it has them otherwise): "
    )
    assert sentence + "No package matching 'no-such-package' is available" in words(missing)
    assert provision(inventory=inventory, ingestor_packages=[], **settings).changed == 0


@pytest.mark.parametrize(
    ("manager", "client"),
    [
        ("apt", "nfs-common"),
        ("dnf", "nfs-utils"),
        ("dnf5", "nfs-utils"),
        ("yum", "nfs-utils"),
        ("zypper", "nfs-client"),
    ],
)
def test_the_packages_have_the_names_of_the_distribution(
    folder: str, manager: str, client: str
) -> None:
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [ROOT + "/roles/ingestor/vars/main.yml"],
        "tasks": [
            {"ansible.builtin.set_fact": {"pkg_mgr": manager, "cacheable": True}},
            {"ansible.builtin.assert": {"that": f"_ingestor_packages == ['{client}', 'rsync']"}},
        ],
    }
    with open(folder + "/play.json", "w", encoding="utf-8") as file:
        json.dump([play], file)
    run = ansible("playbook", "-i", "localhost,", "-c", "local", folder + "/play.json")
    assert run.status == 0, run.output


# -- what it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"ingest_provider": "gcp"},
            "ingest_provider: 'gcp' is neither inventory nor azure, and there is no role "
            "gcp_ingestors on the path of roles.",
        ),
        ({}, "The inventory has no hosts in the group 'ingestors'."),
    ],
)
def test_one_sentence(variables: dict[str, Any], sentence: str) -> None:
    run = provision(**variables)
    assert run.status == 2
    assert sentence in words(run)


def test_a_provider_of_ones_own(folder: str) -> None:
    """A role that adds a host; those of the inventory are left alone."""
    tasks = folder + "/roles/own_ingestors/tasks"
    os.makedirs(tasks)
    host = {
        "name": "made",
        "groups": ["ingestors", "own_ingestors"],
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
    }
    with open(tasks + "/main.yml", "w", encoding="ascii") as file:
        json.dump([{"ansible.builtin.add_host": host}], file)
    with open(folder + "/inventory.yml", "w", encoding="ascii") as file:
        json.dump({"ingestors": {"hosts": {"other": {"ansible_host": "192.0.2.1"}}}}, file)
    variables = {
        "ingest_provider": "own",
        "ingestor_packages": [],
        "ingestor_commands_folder": folder,
    }

    run = ansible(
        "playbook",
        "--check",
        "-i",
        folder + "/inventory.yml",
        "-e",
        json.dumps(variables),
        PROVISION,
        env={"ANSIBLE_ROLES_PATH": folder + "/roles"},
    )

    assert run.status == 0, run.output
    assert set(run.recap) == {"localhost", "made"}


def azure(folder: str, there: bool, **more: Any) -> Run:
    """With or without a collection azure.azcollection, which is empty."""
    environment = {"ANSIBLE_COLLECTIONS_PATH": folder + ":" + ROOT + "/.collections"}
    if there:
        os.makedirs(folder + "/ansible_collections/azure/azcollection")
    variables = {
        "ingest_provider": "azure",
        "ingest_azure_resource_group": "group",
        "ingest_azure_location": "westeurope",
        "ingest_azure_network": "net",
        "ingest_azure_subnet": "clients",
        "ingest_azure_ssh_public_key": "ssh-ed25519 AAAA me",
    }
    variables.update(more)
    return ansible(
        "playbook", "-i", "localhost,", "-e", json.dumps(variables), PROVISION, env=environment
    )


def test_without_the_collection_for_azure(folder: str) -> None:
    run = azure(folder, False)
    if "Check the key" in run.output:
        pytest.skip("azure.azcollection is installed here")
    assert run.status == 2
    assert "ingest_provider: azure needs the collection azure.azcollection" in re.sub(
        r"\s+", " ", run.output
    )


def test_a_private_key_is_refused(folder: str) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n"
    run = azure(folder, True, ingest_azure_ssh_public_key=key)
    assert run.status == 2
    assert "ingest_azure_ssh_public_key: this is no public SSH key" in run.output
    assert "b3BlbnNzaC1rZXktdjEAAAAA" not in run.output


# -- user data -----------------------------------------------------------------------------------


def user_data(folder: str, **variables: Any) -> Run:
    variables["ingest_user_data"] = folder + "/user-data.yml"
    path = folder + "/variables.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(
            {
                key: value if "{{" not in str(value) else {"__ansible_unsafe": value}
                for key, value in variables.items()
            },
            file,
        )
    return ansible("playbook", "-i", "localhost,", "-e", "@" + path, USER_DATA)


def test_user_data(folder: str) -> None:
    run = user_data(folder, **CLUSTER)
    assert run.status == 0, run.output
    with open(folder + "/user-data.yml", encoding="utf-8") as file:
        text = file.read()
    assert text.startswith("#cloud-config\n")
    assert len(text) < AZURE_LIMIT
    config = yaml.safe_load(text)
    assert config["packages"] == ["nfs-common", "rsync"]
    program, settings = config["write_files"]
    assert config["runcmd"] == [[program["path"], settings["path"]]]
    given = json.loads(settings["content"])
    assert given["mounts"]["addresses"] == CLUSTER["ingest_cluster_addresses"]
    assert (
        given["mounts"]["export"]
        == given["bootstrap"]["export"]
        == CLUSTER["ingest_cluster_export"]
    )
    assert given["bootstrap"]["environment"] == {"MINE": "it's"}
    # As text from ansible-core up to 2.18.
    assert (int(given["slots"]), given["max_slots"] or None, int(given["readahead"])) == (
        128,
        None,
        15360,
    )
    assert user_data(folder, **CLUSTER).changed == 0
    assert gzip.decompress(base64.b64decode(program["content"])).startswith(
        b"#!/usr/bin/env python3\n"
    )

    # The program runs, under each of its names.
    path = folder + "/ingestor"
    with open(path, "wb") as out:
        out.write(gzip.decompress(base64.b64decode(program["content"])))
    os.chmod(path, 0o755)
    assert (
        subprocess.run([path], stderr=subprocess.PIPE, check=False).stderr
        == b"usage: ingestor FILE\n"
    )
    missing = subprocess.run([path, "/nowhere"], stderr=subprocess.PIPE, check=False)
    assert (missing.returncode, missing.stderr[:34]) == (1, b"ingestor: /nowhere can't be read: ")
    with open(folder + "/settings.json", "w", encoding="utf-8") as file:
        json.dump({"commands_folder": folder}, file)
    assert subprocess.run([path, folder + "/settings.json"], check=False).returncode == 0
    counted = subprocess.run(
        [folder + "/prime", "--directory", folder], stdout=subprocess.PIPE, check=False
    )
    assert b"directories  1\n" in counted.stdout


def test_a_script_for_the_clusters_export(plain: Hosts, folder: str) -> None:
    """Run as the template's machines run it: by bash, as root, with nothing else there."""
    path = folder + "/bootstrap.dataingestor.sh"
    more = {"ingest_user_data_script": path, "ingestor_commands_folder": "/usr/local/sbin"}
    run = user_data(folder, **CLUSTER, **more)
    assert run.status == 0, run.output
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.startswith("#!/usr/bin/env bash\n")
    settings = json.loads(
        base64.b64decode(text.split("<< 'END'")[-1].partition("\n")[2].split("END")[0])
    )
    assert settings["mounts"]["addresses"] == CLUSTER["ingest_cluster_addresses"]
    assert settings["bootstrap"] is None  # it would be fetched again
    assert user_data(folder, **CLUSTER, **more).changed == 0
    # Without mounts it needs no cluster.
    assert user_data(folder, **more).status == 0
    shutil.copy(path, plain.shared)
    here = f"{plain.shared}/{os.path.basename(path)}"
    plain.ssh("host1", "rm", "-rf", "/etc/apt/sources.list.d", "/etc/apt/sources.list")
    done = plain.ssh("host1", "/bin/bash", here, "2>&1")
    if b"Unable to locate package" in done.stdout:
        pytest.skip("this machine has no nfs-common, and the test host can't fetch it")
    assert done.returncode == 0, done.stdout
    counted = plain.ssh("host1", "/usr/local/sbin/prime", "--directory", "/etc/scaleout-ingest")
    assert b"directories  1\n" in counted.stdout
    modes = plain.ssh("host1", "stat", "-c", "%a", "/etc/scaleout-ingest/ingestor.json").stdout
    assert modes == b"600\n"


def test_user_data_for_rhel_8(folder: str) -> None:
    """Whose own Python is too old."""
    packages = ["python3.12", "nfs-utils", "rsync"]
    variables = {
        "ingest_user_data_packages": packages,
        "ingest_user_data_python": "/usr/bin/python3.12",
    }
    assert user_data(folder, **CLUSTER, **variables).status == 0
    with open(folder + "/user-data.yml", encoding="utf-8") as file:
        config = yaml.safe_load(file)
    assert config["packages"] == packages
    program = gzip.decompress(base64.b64decode(config["write_files"][0]["content"]))
    assert program.startswith(b"#!/usr/bin/python3.12\n")


def test_user_data_is_what_cloud_init_takes(folder: str) -> None:
    path = cloudinit.schema(os.path.join(ROOT, ".cache", "cloud-init"))
    if not path:
        pytest.skip("cloud-init's schema is in Debian's package cloud-init, which can't be fetched")
    assert user_data(folder, **CLUSTER).status == 0
    with open(path, encoding="utf-8") as file:
        schema = jsonschema.Draft4Validator(json.load(file))
    with open(folder + "/user-data.yml", encoding="utf-8") as file:
        config = yaml.safe_load(file)
    assert [error.message for error in schema.iter_errors(config)] == []
    config["write_files"][0]["permissions"] = 755
    config["runcmd"] = {"no": "list"}
    assert len(list(schema.iter_errors(config))) == 2  # it does look


def test_no_secret_in_user_data(folder: str) -> None:
    run = user_data(folder, ingest_bootstrap_environment={"TOKEN": "hunter2"})
    assert run.status == 2
    assert "ingest_bootstrap_environment: may be secret" in words(run)
    assert "hunter2" not in run.output
    assert not os.path.exists(folder + "/user-data.yml")
