# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the addresses of a cluster mean, and the mounts that come of them."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.mount_table import fstab, mounted
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts import addresses
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.changes import (
    knows,
    needed,
    settled,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.liveness import (
    Server,
    server,
    silence,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.users import holders

NAMES: dict[str, list[str]] = {"many.test": ["10.1.0.1", "10.1.0.2"], "one-2.test": ["10.1.0.9"]}
ANY = "vers=3,proto=tcp"


def resolve(name: str) -> list[str]:
    if name not in NAMES:
        raise OSError(-2, "Name or service not known")
    return NAMES[name]


@pytest.mark.parametrize(
    ("entries", "meant"),
    [
        (["10.0.0.1", "10.0.0.10"], ["10.0.0.1", "10.0.0.10"]),
        (["10.0.0.101-103"], ["10.0.0.101", "10.0.0.102", "10.0.0.103"]),
        (["10.0.0.101-101"], ["10.0.0.101"]),
        (["10.0.0.255-10.0.1.1"], ["10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        (["fd00::f-11"], ["fd00::f", "fd00::10", "fd00::11"]),
        (["[fd00::1]", " 10.0.0.7 "], ["fd00::1", "10.0.0.7"]),
        (["many.test"], ["10.1.0.1", "10.1.0.2"]),
        (["one-2.test"], ["one-2.test"]),
        (["10.0.0.1", "10.0.0.1"], ["10.0.0.1", "10.0.0.1"]),
    ],
)
def test_entries(entries: list[str], meant: list[str]) -> None:
    assert addresses.expand(entries, resolve) == meant


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "10.0.0.5-3",
        "10.0.0.1-",
        "10.0.0.1-300",
        "10.0.0.1-x",
        "10.0.0.1-10.9.0.0",
        "nobody.test",
        "a:/b",
        "-o",
        "10.0.0.1-fd00::1",
        "10.0.0.1,10.0.0.2",
    ],
)
def test_entries_that_mean_nothing(entry: str) -> None:
    with pytest.raises(IngestError, match="ingest_cluster_addresses"):
        addresses.expand([entry], resolve)


def test_this_machines_own_resolver() -> None:
    assert addresses.lookup("localhost") in (["127.0.0.1"], ["::1"])


def test_each_client_starts_with_another_address() -> None:
    three = addresses.expand(["10.0.0.1-3"])
    firsts = [
        addresses.cluster_mounts(three, "/e/", "/m", ANY, client)[0].src for client in range(4)
    ]
    assert firsts == ["10.0.0.1:/e", "10.0.0.2:/e", "10.0.0.3:/e", "10.0.0.1:/e"]
    every = addresses.cluster_mounts(three, "/e", "/m", ANY, 1)
    assert [mount.path for mount in every] == ["/m1", "/m2", "/m3"]
    assert sorted(mount.src for mount in every) == ["10.0.0.1:/e", "10.0.0.2:/e", "10.0.0.3:/e"]


def test_what_is_mounted_stays() -> None:
    both = ["10.0.0.1", "10.0.0.10"]  # one is a prefix of the other
    for there in ({"/m1": "10.0.0.10:/e"}, {"/m2": "10.0.0.1:/e", "/m": "other:/x"}):
        found = addresses.cluster_mounts(both, "/e", "/m", ANY, 0, mounted=there)
        assert [mount.src for mount in found] == ["10.0.0.10:/e", "10.0.0.1:/e"]
    for other in (
        {"/m1": "10.0.0.2:/e"},
        {"/m1": "tmpfs"},
        {"/m1": "10.0.0.1:/e", "/m2": "10.0.0.1:/e"},
    ):
        with pytest.raises(IngestError, match="/m"):
            addresses.cluster_mounts(both, "/e", "/m", ANY, 0, mounted=other)


def test_options() -> None:
    def of(address: str, count: int = 1, nconnect: int = 0) -> str:
        return addresses.cluster_mounts([address] * count, "/", "/m", ANY, 0, nconnect)[0].opts

    assert of("10.0.0.1") == "vers=3,proto=tcp"
    assert of("fd00::1") == "vers=3,proto=tcp6"
    assert of("10.0.0.1", nconnect=4) == "vers=3,proto=tcp,nconnect=4"
    assert of("10.0.0.1", count=2) == "vers=3,proto=tcp,nosharecache"
    assert addresses.server("fd00::1", "/") == "[fd00::1]:/"


OPTIONS: dict[str, object] = {
    "addresses": ["10.0.0.1-2"],
    "export": "/e",
    "base": "/nowhere/m",
    "mount_options": ANY,
    "nconnect": 0,
    "client": 1,
    "source_address": "[fd00::1]",
    "source_export": "/s",
    "source": "/nowhere/s",
    "source_mount_options": ANY,
    "persistent": False,
    "unmount": False,
    "timeout": 0,
    "outcome": None,
    "left_out": [],
}


def test_what_this_machine_has() -> None:
    assert "/" in mounted()
    state = needed(dict(OPTIONS))
    assert [mount.src for mount in state.mounts] == ["[fd00::1]:/s", "10.0.0.2:/e", "10.0.0.1:/e"]
    assert {mount["state"] for mount in state.todo} == {"ephemeral"}
    assert {mount["opts"] for mount in state.todo} == {
        "vers=3,proto=tcp,retry=0",
        "vers=3,proto=tcp6,retry=0",
    }
    assert {mount["state"] for mount in needed({**OPTIONS, "persistent": True}).todo} == {"mounted"}
    assert state.usable == ["/nowhere/m1", "/nowhere/m2"]
    assert needed({**OPTIONS, "unmount": True}).todo == []
    with pytest.raises(IngestError, match="ingest_source"):
        needed({**OPTIONS, "source": "/proc"})


def answer(path: str, msg: str) -> dict[str, object]:
    return {"item": {"path": path}, "msg": msg}


def test_what_came_of_it() -> None:
    """Nothing is mounted here, whatever the answers are."""
    wanted = {**OPTIONS, "source_address": None}
    refused = answer(
        "/nowhere/m1", "Error mounting /nowhere/m1: mount.nfs: access denied by server\n"
    )
    with pytest.raises(IngestError) as caught:
        settled({**wanted, "outcome": [refused, answer("/nowhere/m2", "")]}, "client1")
    assert str(caught.value) == (
        "client1: no address of the cluster can be used: 10.0.0.2 on /nowhere/m1 (mount.nfs: access denied by "
        "server), 10.0.0.1 on /nowhere/m2 (is not mounted)"
    )
    with pytest.raises(
        IngestError, match="the source .fd00::1.:/s can't be used at /nowhere/s: is not mounted"
    ):
        settled({**OPTIONS, "outcome": []})


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            [
                "Error mounting /m: Created symlink /run/systemd/system/remote-fs.target.wants/rpc-statd.service",
                "mount.nfs: rpc.statd is not running but is required for remote locking.",
                "mount.nfs: Either use '-o nolock' to keep locks local, or start statd.",
                "mount.nfs: an incorrect mount option was specified",
            ],
            "mount.nfs: rpc.statd is not running but is required for remote locking. Either use '-o nolock' to keep locks "
            "local, or start statd.",
        ),
        (
            ["Error mounting /m: mount.nfs: an incorrect mount option was specified"],
            "mount.nfs: an incorrect mount option was specified",
        ),
        (
            [
                "Error mounting /m: mount: /m: must be superuser to use mount.",
                "       dmesg(1) may have more information after failed mount system call.",
            ],
            "mount: /m: must be superuser to use mount.",
        ),
        ([], ""),
    ],
)
def test_why_a_mount_failed(lines: list[str], reason: str) -> None:
    wanted = {**OPTIONS, "source_address": None}
    wanted = {
        **wanted,
        "base": "/m",
        "addresses": ["10.0.0.1"],
        "outcome": [answer("/m1", "\n".join(lines).replace("/m:", "/m1:"))],
    }
    with pytest.raises(IngestError) as caught:
        settled(wanted, "client1")
    expected = reason.replace("/m:", "/m1:") or "is not mounted"
    assert (
        str(caught.value)
        == f"client1: no address of the cluster can be used: 10.0.0.1 on /m1 ({expected})"
    )


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as line, pytest.raises(IngestError) as caught:
        line.bind(("127.0.0.1", 0))  # and does not listen: connections are refused
        port = line.getsockname()[1]
        needed(
            {
                **OPTIONS,
                "addresses": ["127.0.0.1"],
                "source_address": None,
                "timeout": 1,
                "mount_options": "vers=4.1,proto=tcp,port=%d" % port,
            },
            "client1",
        )
    assert str(caught.value).startswith(
        "client1: no address of the cluster can be used: 127.0.0.1 on /nowhere/m1 ("
    )


def test_servers_that_answer_and_one_that_does_not() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()  # the kernel takes the call, and nobody answers it
        where = Server("127.0.0.1", line.getsockname()[1])
        assert silence(where, 0.5) == "no answer within 0.5 s"
        answering = threading.Thread(
            target=lambda: [line.accept()[0].sendall(b"\x80\0\0\0") for dummy in "ab"]
        )
        answering.start()
        assert silence(where, 5.0) == ""
        answering.join(10)


def test_what_mount_options_say_of_a_server() -> None:
    def of(text: str) -> object:
        return server("a", addresses.parsed(text))

    assert of("vers=3,proto=tcp") == Server("a", 2049, 3, True)
    assert of("vers=4.1,proto=tcp6,port=2050") == Server("a", 2050, 4, False)
    assert of("vers=3,proto=udp") is None
    assert of("proto=rdma") is None


@pytest.mark.parametrize(
    ("release", "has"),
    [
        ("4.19.0-27-amd64", False),
        ("5.2.0", False),
        ("5.3.0-rc1", True),
        ("6.1.176", True),
        ("5.15.0-1.el9", True),
        ("4.18.0-80.el8.x86_64", False),
        ("4.18.0-553.5.1.el8_10.x86_64", True),
        ("10.0", True),
    ],
)
def test_kernels_with_nconnect(release: str, has: bool) -> None:
    assert knows(release, (5, 3)) == has


def test_who_uses_a_mount(tmp_path: os.PathLike) -> None:
    here = os.path.join(tmp_path, "here")
    os.mkdir(here)
    os.mkdir(here + "2")  # a name that begins alike
    with open(here + "2/other", "wb"):
        assert holders([here]) == {here: []}
        sleeper = subprocess.Popen(["sleep", "60"], cwd=here)
        try:
            deadline = time.monotonic() + 10
            while not holders([here])[here] and time.monotonic() < deadline:
                time.sleep(0.01)
            (found,) = holders([here])[here]
        finally:
            sleeper.kill()
            sleeper.wait()
    assert found.pid == sleeper.pid and not found.killed


def test_fstab(tmp_path: os.PathLike) -> None:
    path = os.path.join(tmp_path, "fstab")
    with open(path, "w", encoding="utf-8") as file:
        file.write("# comment\n10.0.0.1:/e /mnt/a\\040b nfs ro 0 0\n\nbroken\n")
    assert fstab(path) == {"/mnt/a b": ("10.0.0.1:/e", "nfs", "ro")}
    assert fstab(path + "x") == {}
