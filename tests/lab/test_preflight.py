# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight says of NFS version 3 on Ganesha, and of exports that squash root or are
read-only. Not among `make test`'s: run ``pytest tests/lab``."""

from __future__ import annotations

import os
import shutil
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.lab import cluster
from ansible_collections.scaleout.ingest.tests.lab.session import Driven, Play, warnings

SECOND = 10**9
V4_SOURCE = "vers=4.1,proto=tcp,ro,nocto"  # carries any time
TIMES = {"early": -SECOND, "late": ((1 << 32) + 5) * SECOND, "usual": 10**18}
SHAPE = cluster.Shape(clients=2, nodes=2)


@pytest.fixture
def lab(booted: Driven) -> Iterator[Driven]:
    configs = {name: read(booted, name) for name in booted.lab.nodes}
    booted.clean()
    os.mkdir(booted.lab.source + "/d")
    for name, time in TIMES.items():
        path = os.path.join(booted.lab.source, "d", name)
        with open(path, "w", encoding="ascii") as file:
            file.write(name)
        os.utime(path, ns=(time, time))
    os.utime(booted.lab.source + "/d", ns=(-SECOND, -SECOND))
    yield booted
    for play in booted.plays:
        play.close()
    os.chmod(booted.lab.export, 0o755)
    for name, text in configs.items():
        if read(booted, name) != text:
            write(booted, name, text)
            restart(booted, name)


def config(lab: Driven, node: str) -> str:
    return os.path.join(lab.base, node + ".conf")


def read(lab: Driven, node: str) -> str:
    with open(config(lab, node), encoding="ascii") as file:
        return file.read()


def write(lab: Driven, node: str, text: str) -> None:
    with open(config(lab, node), "w", encoding="ascii") as file:
        file.write(text)


def change(lab: Driven, node: str, old: str, new: str) -> None:
    """Another word in a node's configuration, and start it with that."""
    text = read(lab, node)
    assert old in text
    write(lab, node, text.replace(old, new))
    restart(lab, node)


def restart(lab: Driven, node: str) -> None:
    lab.lab.kill_node(node)
    lab.lab.start_node(node)
    lab.lab._wait(node, lab.address(node), 2049)


def about(play: Play) -> list[str]:
    """The warnings about what will not survive."""
    return [line for line in warnings(play.output) if line.startswith("the destination")]


def left(lab: Driven) -> list[str]:
    """What the preflight made and did not remove."""
    return [
        name
        for _at, folders, files in os.walk(lab.lab.export)
        for name in folders + files
        if name.startswith(".ingest")
    ]


def test_what_nfs_carries(lab: Driven) -> None:
    copy = lab.lab.export + "/copy"
    first = lab.ingest(ingest_source_mount_options=V4_SOURCE).good()
    assert about(first) == [
        "the destination keeps no times before 1970 and none after 2106: those of 3 entries such "
        "as 'd/%s' become its "
        "nearest" % next(name for name in ("early", "late") if "'d/%s'" % name in first.output)
    ]  # the source has no attributes either
    (loss,) = first.stats()["not_preserved"]
    assert (loss["kind"], loss["count"]) == ("times (range)", 3)
    assert first.stats()["failed"] == 0
    kept = {name: os.stat(os.path.join(copy, "d", name)).st_mtime_ns for name in TIMES}
    assert kept == {"early": 0, "late": ((1 << 32) - 1) * SECOND, "usual": 10**18}
    assert os.stat(copy + "/d").st_mtime_ns == 0
    second = lab.ingest(ingest_source_mount_options=V4_SOURCE).good()
    assert second.changed() == 0, second.output
    assert second.stats()["not_preserved"][0]["count"] == 3
    assert left(lab) == []
    # A file that changed, though not in length, is still seen.
    os.utime(copy + "/d/early", ns=(0, 7 * SECOND))
    assert lab.ingest(ingest_source_mount_options=V4_SOURCE).good().stats()["files"] == 1


def test_attributes_that_the_source_could_have(lab: Driven) -> None:
    """A source in the client's own memory."""
    for client in lab.lab.clients:
        lab.ssh(
            "mkdir -p /mnt/own && touch -d 2000-01-01 /mnt/own/file /mnt/own && ln -s file "
            "/mnt/own/link",
            client,
        )
    play = lab.ingest(ingest_source="/mnt/own", ingest_source_address="").good()
    words = about(play)
    assert [line.partition(" (")[0] for line in words] == [
        "the destination keeps no extended attributes trusted.*, security.*"
        if "trusted.*" in words[0]
        else "the destination keeps no extended attributes",
        "the destination keeps no POSIX ACLs",
        "the destination keeps no times of symbolic links: those of 'link'",
    ]
    quiet = lab.ingest("--check", ingest_source="/mnt/own", ingest_source_address="").good()
    assert about(quiet) == []
    chosen = lab.ingest(
        ingest_source="/mnt/own", ingest_source_address="", ingest_preserve=["mode", "links"]
    ).good()
    assert about(chosen) == []


def test_a_squashed_root(lab: Driven) -> None:
    for node in lab.lab.nodes:
        change(lab, node, "No_Root_Squash", "Root_Squash")
    refused = " ".join(lab.ingest().bad().split())
    assert (
        "'/mnt/destination1/copy' can't be written by uid 0 (Permission denied) on client1"
        in refused
    )
    assert os.listdir(lab.lab.export) == []
    os.chmod(lab.lab.export, 0o777)
    with open(lab.lab.source + "/tool", "wb") as file:
        file.write(b"tool")
    os.chmod(lab.lab.source + "/tool", 0o4755)
    first = lab.ingest().good()
    assert [line for line in about(first) if line.endswith("(root squash): it keeps no owners")]
    losses = {loss["kind"]: loss["count"] for loss in first.stats()["not_preserved"]}
    assert losses["owner"] == 6 and losses["set-id"] == 1
    assert os.stat(lab.lab.export + "/copy/tool").st_mode & 0o7777 == 0o755
    assert lab.ingest().good().changed() == 0
    assert left(lab) == []


def test_one_address_is_read_only(lab: Driven) -> None:
    change(lab, "node2", "Access_Type = RW", "Access_Type = RO")
    output = " ".join(lab.ingest().bad().split())
    assert "can't be written by uid 0 (Read-only file system) on client1" in output
    assert "can't be written by uid 0 (Read-only file system) on client2" in output
    assert os.listdir(lab.lab.export) == []


def test_one_address_exports_another_directory(lab: Driven) -> None:
    other = lab.base + "/elsewhere"
    os.mkdir(other)
    try:
        change(lab, "node2", f"Path = {lab.lab.export};", f"Path = {other};")
        output = " ".join(lab.ingest().bad().split())
        assert (
            "'/mnt/destination1/copy' and '/mnt/destination2/copy' are not the same directory on "
            "client1" in output
        )
        assert os.listdir(lab.lab.export) == [] == os.listdir(other)
    finally:
        shutil.rmtree(other)
