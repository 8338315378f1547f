# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The article's other methods through real playbooks, with several clients on this machine."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.tests.support import trees
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees
from ansible_collections.scaleout.ingest.tests.support.hosts import Hosts
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    LOCAL,
    ROOT,
    ansible,
    ingest,
    stats,
)

PRIME = os.path.join(ROOT, "playbooks", "prime.yml")
needs_rsync = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")


@pytest.fixture(name="spot")
def _spot(tmp_path: Path) -> Place:
    """The hostile tree, but for the five gigabytes of a hole that rsync would read."""
    spot = Place(str(tmp_path))
    os.makedirs(spot.source)
    nodes = [node for node in trees.hostile() if node.path[-1] != b"huge"]
    nodes = [node for node in nodes if trees.ROOT or node.kind != "f" or node.mode & 0o400]
    kept = {node.path for node in nodes}
    trees.build(
        os.fsencode(spot.source),
        [node for node in nodes if node.kind != "h" or node.target in kept],
    )
    return spot


@needs_rsync
@pytest.mark.parametrize(
    "variables",
    [
        {"method": "rsync"},
        {"method": "rsync", "verify": "checksum", "rsync_options": ["-hvz"], "split": "dynamic"},
        {"method": "msrsync", "bucket_files": 7, "workers": 3},
        {"method": "msrsync", "verify": "none"},
    ],
)
def test_everything_arrives_once(spot: Place, variables: dict) -> None:
    run = ingest(spot.folder, source=spot.source, destinations=[spot.destination], **variables)
    assert run.status == 0, run.output
    assert spot.differences() == []
    numbers = stats(spot.run)
    assert numbers["method"] == variables["method"]
    assert numbers["failed"] == 0
    assert sum(host["files"] for host in numbers["hosts"].values()) == numbers["files"] > 0

    again = ingest(
        spot.folder,
        source=spot.source,
        destinations=[spot.destination],
        run_dir=spot.run + "2",
        **variables,
    )
    assert again.status == 0, again.output
    assert again.changed == 0, again.output
    assert stats(spot.run + "2")["files"] == 0


@needs_rsync
def test_a_failed_item_is_named_and_the_rest_arrives(spot: Place) -> None:
    in_the_way = os.path.join(spot.destination, "files", "plain", "full")
    os.makedirs(in_the_way)
    run = ingest(
        spot.folder,
        inventory=ALONE,
        source=spot.source,
        destinations=[spot.destination],
        method="rsync",
        verify="none",
    )
    assert run.status != 0
    db = sqlite3.connect(os.path.join(spot.run, "plan.db"))
    assert [bytes(path) for (path,) in db.execute("SELECT path FROM failures")] == [b"files/plain"]
    assert [line.split(":")[0] for line in spot.differences()] == ["files/plain"]


@needs_rsync
def test_check_mode_writes_nothing(spot: Place) -> None:
    run = ingest(
        spot.folder,
        "--check",
        source=spot.source,
        destinations=[spot.destination],
        method="msrsync",
    )
    assert run.status == 0, run.output
    assert not os.path.exists(spot.destination)


@needs_rsync
@pytest.mark.parametrize(
    "options, words",
    [
        (["--delete"], "--delete"),
        (["--exclude=x"], "ingest_exclude"),
        (["--frobnicate"], "--frobnicate"),
    ],
)
def test_options_that_break_the_plan(spot: Place, options: list, words: str) -> None:
    run = ingest(
        spot.folder,
        inventory=ALONE,
        source=spot.source,
        destinations=[spot.destination],
        method="rsync",
        rsync_options=options,
    )
    assert run.status != 0
    assert words in run.output
    assert not os.path.exists(spot.destination)


def test_missing_rsync_is_said_before_anything_is_copied(spot: Place, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (
        "sh",
        "mkdir",
        "rm",
        "cat",
        "ls",
        "chmod",
        "env",
        "uname",
        "tr",
        "sed",
        "touch",
        "id",
    ):
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    run = ingest(
        spot.folder,
        source=spot.source,
        destinations=[spot.destination],
        method="rsync",
        env={"PATH": str(folder)},
    )
    assert run.status != 0
    said = " ".join(run.output.split()).replace("''", "'")
    assert "rsync is not installed on host client1: install the package 'rsync' there" in said
    assert not os.path.exists(spot.destination)


@needs_rsync
def test_over_ssh(hosts: Hosts, shared: Place) -> None:
    run = ingest(
        shared.folder,
        inventory=hosts.inventory,
        source=shared.source,
        destinations=[shared.destination],
        method="rsync",
        rsync_options="-hz",
    )
    assert run.status == 0, run.output
    assert shared.differences() == []
    assert sorted(stats(shared.run)["hosts"]) == ["host1", "host2", "host3"]


@needs_rsync
def test_one_machine_without_an_inventory(spot: Place) -> None:
    run = ingest(
        spot.folder,
        inventory="localhost,",
        source=spot.source,
        destinations=[spot.destination],
        method="msrsync",
    )
    assert run.status == 0, run.output
    assert spot.differences() == []
    assert sorted(stats(spot.run)["hosts"]) == ["localhost"]


def test_copy_commands_do_the_same(spot: Place) -> None:
    os.makedirs(spot.destination)
    run = ingest(
        spot.folder,
        "--check",
        source=spot.source,
        destinations=[spot.destination],
        copy_commands=True,
        max_depth=1,
    )
    assert run.status == 0, run.output
    for name in ("client1", "client2", "client3", "last"):
        path = os.path.join(spot.run, name + "_copy_commands")
        assert subprocess.run(["bash", path], check=False).returncode == 0
    ignore = frozenset({"links", "xattr", "sparse"})
    assert (
        compare_trees(os.fsencode(spot.source), os.fsencode(spot.destination), ignore=ignore) == []
    )


def test_prime_playbook(spot: Place) -> None:
    files = sum(len(names) for _folder, _dirs, names in os.walk(spot.source))
    run = ansible(
        "playbook",
        PRIME,
        "-i",
        LOCAL,
        "-e",
        "ingest_source=" + spot.source,
        "-e",
        "ingest_prime_read=true",
    )
    assert run.status == 0, run.output
    assert run.changed == 0
    assert "for each of 64 processes" in run.output
    read = [
        int(line.split("msg: '")[1].split()[0])
        for line in run.output.splitlines()
        if "files/s" in line
    ]
    assert len(read) == 3
    assert 0 < sum(read) <= files


def test_commands_are_installed(tmp_path: Path) -> None:
    folder = f"folder={tmp_path}"
    arguments = ("localhost", "-m", "scaleout.ingest.commands", "-a", folder)
    assert "CHANGED" in ansible("adhoc", *arguments, "--check").output
    assert os.listdir(tmp_path) == []
    assert "CHANGED" in ansible("adhoc", *arguments).output
    assert "SUCCESS" in ansible("adhoc", *arguments).output
    assert sorted(os.listdir(tmp_path)) == ["ingest-find", "msrsync", "parallelcp", "prime"]
    done = subprocess.run(
        [str(tmp_path / "parallelcp"), "--help"], stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == 0
    assert b"SOURCE_DIR DEST_DIR" in done.stdout
    assert "CHANGED" in ansible("adhoc", *arguments[:-1], folder + " state=absent").output
    assert os.listdir(tmp_path) == []
