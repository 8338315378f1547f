# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make ingest`, and the collection built, installed and run somewhere else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile

import pytest
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import LOCAL, ROOT, ansible, stats


def make(cwd: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run make as a user would: variables in the environment or on the command line."""
    if not os.path.exists(ROOT + "/.venv/ready") or not shutil.which("make"):
        pytest.skip("`make ingest` was not set up in this checkout")
    kept: dict[str, str] = {
        name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ
    }
    return subprocess.run(
        ["make", "-C", ROOT, "ingest", *arguments],
        cwd=cwd,
        env={**kept, "PWD": cwd, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def test_make_ingest_of_a_tree_of_the_users(folder: str) -> None:
    place = Place(os.path.join(folder, 'it\'s $HOME "here" {{ x }}')).build()
    done = make(place.folder, "DEST=$$(id) copy", "CLIENTS=4", SRC="source", RUN=folder + "/run")
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, output
    assert sorted(stats(folder + "/run")["hosts"]) == ["client1", "client2", "client3", "client4"]
    place.destination = os.path.join(place.folder, "$$(id) copy")
    assert place.differences() == []


def test_make_ingest_alone_takes_a_real_tree(folder: str) -> None:
    done = make(folder, "RUN=run")
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, output
    assert "no SRC given" in output
    numbers = stats(folder + "/run")
    assert sorted(numbers["hosts"]) == ["client1", "client2", "client3"]
    assert numbers["files"] > 100
    assert folder + "/run/report.html" in output


@pytest.mark.parametrize("clients", ["0", "three", "-1"])
def test_make_ingest_refuses_a_bad_number_of_clients(folder: str, clients: str) -> None:
    os.mkdir(folder + "/source")
    done = make(folder, "CLIENTS=" + clients, "SRC=source", "RUN=run")
    assert done.returncode != 0
    assert b"CLIENTS" in done.stdout
    assert b"Traceback" not in done.stdout


def test_built_installed_and_run_elsewhere(place: Place) -> None:
    folder = place.folder
    built = ansible("galaxy", "collection", "build", "--output-path", folder, ROOT)
    assert built.status == 0, built.output
    (tarball,) = [name for name in os.listdir(folder) if name.endswith(".tar.gz")]
    with tarfile.open(os.path.join(folder, tarball)) as archive:
        names = archive.getnames()
    assert "playbooks/ingest.yml" in names
    assert [
        name
        for name in names
        if name.startswith((".", "runs", "tests", "requirements-", "Makefile", "pyproject"))
    ] == []
    assert os.path.getsize(os.path.join(folder, tarball)) < 5_000_000
    collections = folder + "/collections"
    nothing = folder + "/ansible.cfg"
    with open(nothing, "w", encoding="ascii"):
        pass
    installed = ansible(
        "galaxy",
        "collection",
        "install",
        "--offline",
        "--no-deps",  # of ansible.posix, which only a cluster to mount needs
        "-p",
        collections,
        os.path.join(folder, tarball),
        env={"ANSIBLE_CONFIG": nothing},
        cwd=folder,
    )
    assert installed.status == 0, installed.output
    variables = {"ingest_source": place.source, "ingest_destinations": [place.destination]}
    run = ansible(
        "playbook",
        "scaleout.ingest.ingest",
        "-i",
        LOCAL,
        "-e",
        json.dumps(variables),
        env={"ANSIBLE_CONFIG": nothing, "ANSIBLE_COLLECTIONS_PATH": collections, "PWD": folder},
        cwd=folder,
    )
    assert run.status == 0, run.output
    assert place.differences() == []
    (only,) = os.listdir(folder + "/runs")
    assert stats(os.path.join(folder, "runs", only))["failed"] == 0
