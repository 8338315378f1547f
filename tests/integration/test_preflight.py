# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/ingest.yml says of a destination, and refuses, before anything is copied."""

from __future__ import annotations

import os

import pytest
from ansible_collections.scaleout.ingest.tests.faults import mounts
from ansible_collections.scaleout.ingest.tests.support.place import Place
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    Run,
    ingest,
    stats,
    words,
)

ROOT = os.geteuid() == 0
OLD = 1_234_567_890_123_456_789
LATE = (1 << 32) + 5  # s
CAPABLE = [
    "mode",
    "owner",
    "times",
    "links",
    "sparse",
]  # whatever attributes the machine's file systems have


@pytest.fixture
def small(folder: str) -> Place:
    """A small tree."""
    place = Place(folder)
    os.mkdir(place.source)
    for number in range(20):
        with open("%s/%d" % (place.source, number), "wb") as file:
            file.write(os.urandom(100_000))
    return place


def said(run: Run) -> list[str]:
    """The warnings, each a line."""
    text = " ".join(run.output.split())
    return [part.split("] ")[0] for part in text.split("[WARNING]: ")[1:]]


def about(run: Run) -> list[str]:
    """The warnings about the destination."""
    return [line for line in said(run) if line.startswith(("the destination", "the source fits"))]


def test_nothing_is_said_of_a_destination_that_holds_everything(small: Place) -> None:
    os.mkdir(small.destination)
    os.utime(small.destination, ns=(OLD, OLD))
    run = ingest(
        small.folder,
        "--check",
        inventory=ALONE,
        source=small.source,
        destinations=[small.destination],
        preserve=CAPABLE,
    )
    assert run.status == 0, run.output
    assert about(run) == []
    assert os.stat(small.destination).st_mtime_ns == OLD and os.listdir(small.destination) == []
    run = ingest(
        small.folder,
        inventory=ALONE,
        source=small.source,
        destinations=[small.destination],
        preserve=CAPABLE,
    )
    assert run.status == 0, run.output
    assert about(run) == []
    assert small.differences() == []


def test_all_hosts_at_once_leave_the_time_of_the_destination(small: Place) -> None:
    """Each writes a token in the same directory; the second run must find nothing to mend."""
    for number in ("1", "2"):
        run = ingest(
            small.folder,
            source=small.source,
            destinations=[small.destination],
            run_dir=small.run + number,
        )
        assert run.status == 0, run.output
    assert run.changed == 0, run.output
    assert small.differences() == []


def test_a_coarse_file_system(small: Place) -> None:
    os.utime(small.source + "/3", (LATE, LATE))
    os.utime(small.source + "/4", (0, 0))
    with mounts.coarse_ext4(small.folder) as path:
        for number in ("1", "2"):
            run = ingest(
                small.folder, source=small.source, destinations=[os.fsdecode(path)],
                run_dir=small.run + number, preserve=CAPABLE,
            )  # fmt: skip
            assert run.status == 0, run.output
            words = " ".join(about(run))
            assert "keeps times in steps of 1 s" in words
            assert (
                "keeps no times before 1901 and none after 2038: those of '3' become its nearest"
                in words
            )
            assert len(about(run)) == 2
            kinds = {
                loss["kind"]: loss["count"] for loss in stats(small.run + number)["not_preserved"]
            }
            assert kinds["times (range)"] == 1
            assert stats(small.run + number)["failed"] == 0
        assert run.changed == 0, run.output


def test_a_source_that_does_not_fit(small: Place) -> None:
    with mounts.tiny(os.fsencode(small.folder + "/tiny"), "1m") as path:
        destination = os.fsdecode(path) + "/copy"
        run = ingest(small.folder, inventory=ALONE, source=small.source, destinations=[destination])
        assert run.status != 0
        assert (
            "the source does not fit: 2.0" in run.output
            and "ingest_check_space: false" in run.output
        )
        assert os.listdir(path) == []
        os.mkdir(destination)
        with open(destination + "/0", "wb"):
            pass
        run = ingest(
            small.folder,
            "--check",
            inventory=ALONE,
            source=small.source,
            destinations=[destination],
        )
        # What is there already needs no room.
        assert run.status != 0 and "what is not there yet does not fit" in words(run), run.output
        os.unlink(destination + "/0")
        run = ingest(
            small.folder,
            inventory=ALONE,
            source=small.source,
            destinations=[destination],
            check_space=False,
        )
        assert run.status != 0 and stats(small.run)["failed"] > 0


def test_too_few_inodes(small: Place) -> None:
    with mounts.tiny(os.fsencode(small.folder + "/tiny"), "100m", inodes=15) as path:
        run = ingest(
            small.folder,
            inventory=ALONE,
            source=small.source,
            destinations=[os.fsdecode(path) + "/copy"],
        )
        assert run.status != 0
        assert "20 inodes are needed and " in " ".join(run.output.split())
        assert os.listdir(path) == []


def test_mounts_that_are_not_one(small: Place) -> None:
    others = [small.folder + "/one", small.folder + "/two"]
    for path in others:
        os.mkdir(path)
    run = ingest(small.folder, source=small.source, destinations=others)
    assert run.status != 0
    assert (
        "are not the same directory" in " ".join(run.output.split())
        and "Scan the source" not in run.output
    )
    assert [os.listdir(path) for path in others] == [[], []]


def test_a_mount_that_is_read_only(small: Place) -> None:
    os.mkdir(small.destination)
    with mounts.mounted(
        os.fsencode(small.folder + "/two"), "-o", "bind,ro", small.destination
    ) as two:
        run = ingest(
            small.folder, source=small.source, destinations=[small.destination, os.fsdecode(two)]
        )
        assert run.status != 0
        words = " ".join(run.output.split())
        assert f"'{os.fsdecode(two)}' can't be written by uid 0 (Read-only file system)" in words
        assert os.listdir(small.destination) == []


def test_names_that_would_become_one(small: Place) -> None:
    for name in ("README", "readme"):
        with open(os.path.join(small.source, name), "w", encoding="ascii") as file:
            file.write(name)
    os.mkdir(small.destination)
    with mounts.faultfs(
        os.fsencode(small.destination), os.fsencode(small.folder + "/mount")
    ) as faults:
        faults.tell("fold")
        run = ingest(
            small.folder,
            inventory=ALONE,
            source=small.source,
            destinations=[os.fsdecode(faults.path)],
        )
        assert run.status != 0
        assert "'README' and 'readme' would be one file at the destination" in " ".join(
            run.output.split()
        )
        assert os.listdir(small.destination) == []
        os.unlink(small.source + "/readme")
        run = ingest(
            small.folder,
            inventory=ALONE,
            source=small.source,
            destinations=[os.fsdecode(faults.path)],
        )
        assert run.status == 0, run.output


def test_root_that_is_squashed(small: Place) -> None:
    if not ROOT:
        pytest.skip("needs root: owners")
    os.mkdir(small.destination)
    with mounts.faultfs(
        os.fsencode(small.destination), os.fsencode(small.folder + "/mount")
    ) as faults:
        faults.rule(op="chown", match="*", errno=mounts.number("EPERM"))
        run = ingest(
            small.folder,
            inventory=ALONE,
            source=small.source,
            destinations=[os.fsdecode(faults.path)],
            preserve=CAPABLE,
        )
        assert run.status == 0, run.output
        assert about(run)[0].startswith("the destination keeps no owners (Operation not permitted)")
