# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be mounted on a host, and what came of it."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.mount_table import mounted
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts import removal
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.changes import needed, settled
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.wanted import (
    WantedMounts,
    knows,
)

ANY = "vers=3,proto=tcp"
WANTED = WantedMounts(
    addresses=["10.0.0.1-2"],
    export="/e",
    base="/nowhere/m",
    mount_options=ANY,
    client=1,
    source_address="[fd00::1]",
    source_export="/s",
    source="/nowhere/s",
    source_mount_options=ANY,
    timeout=0,
)


def test_what_this_machine_has() -> None:
    assert "/" in mounted()
    state = needed(WANTED)
    assert [mount.src for mount in state.mounts] == ["[fd00::1]:/s", "10.0.0.2:/e", "10.0.0.1:/e"]
    assert {mount["state"] for mount in state.todo} == {"ephemeral"}
    assert {mount["opts"] for mount in state.todo} == {
        "vers=3,proto=tcp,retry=0",
        "vers=3,proto=tcp6,retry=0",
    }
    assert {mount["state"] for mount in needed(WANTED._replace(persistent=True)).todo} == {
        "mounted"
    }
    assert state.usable == ["/nowhere/m1", "/nowhere/m2"]
    assert removal.needed(WANTED).todo == []
    with pytest.raises(IngestError, match="ingest_source"):
        needed(WANTED._replace(source="/proc"))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_only_what_may_be_unmounted(tmp_path: Path) -> None:
    """Two mounts that are called as the cluster's are: the one that was there before stays."""
    wanted = WANTED._replace(base=f"{tmp_path}/m", source_address="")
    points = [f"{tmp_path}/m{number}" for number in (1, 2)]
    try:
        for number, point in enumerate(points, 1):
            os.mkdir(point)
            source = f"10.0.0.{number}:/e"
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", source, point], check=True)

        def todo(only: list[str] | None) -> list[str]:
            found = removal.needed(wanted._replace(unmount=True, only=only))
            assert found.busy == []
            return sorted(mount["path"] for mount in found.todo)

        assert todo(None) == points
        assert todo(points[1:]) == points[1:]
        assert todo([]) == []
    finally:
        for point in points:
            subprocess.run(["umount", point], check=False)


def answer(path: str, msg: str) -> dict[str, object]:
    return {"item": {"path": path}, "msg": msg}


def test_what_came_of_it() -> None:
    """Nothing is mounted here, whatever the answers are."""
    wanted = WANTED._replace(source_address="")
    refused = answer(
        "/nowhere/m1", "Error mounting /nowhere/m1: mount.nfs: access denied by server\n"
    )
    with pytest.raises(IngestError) as caught:
        settled(wanted, [refused, answer("/nowhere/m2", "")], host="client1")
    assert str(caught.value) == (
        "client1: no address of the cluster can be used: 10.0.0.2 on /nowhere/m1 (mount.nfs: "
        "access denied by server), 10.0.0.1 on /nowhere/m2 (is not mounted)"
    )
    with pytest.raises(
        IngestError, match="the source .fd00::1.:/s can't be used at /nowhere/s: is not mounted"
    ):
        settled(WANTED, [])


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            [
                "Error mounting /m: Created symlink "
                "/run/systemd/system/remote-fs.target.wants/rpc-statd.service",
                "mount.nfs: rpc.statd is not running but is required for remote locking.",
                "mount.nfs: Either use '-o nolock' to keep locks local, or start statd.",
                "mount.nfs: an incorrect mount option was specified",
            ],
            "mount.nfs: rpc.statd is not running but is required for remote locking. "
            "Either use '-o nolock' to keep locks local, or start statd.",
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
    wanted = WANTED._replace(source_address="", base="/m", addresses=["10.0.0.1"])
    outcome = [answer("/m1", "\n".join(lines).replace("/m:", "/m1:"))]
    with pytest.raises(IngestError) as caught:
        settled(wanted, outcome, host="client1")
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
            WANTED._replace(
                addresses=["127.0.0.1"],
                source_address="",
                timeout=1,
                mount_options=f"vers=4.1,proto=tcp,port={port}",
            ),
            "client1",
        )
    assert str(caught.value).startswith(
        "client1: no address of the cluster can be used: 127.0.0.1 on /nowhere/m1 ("
    )


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


def test_options_of_a_module() -> None:
    params = {"addresses": ["a"], "export": None, "nconnect": 4, "outcome": [], "host": "h"}
    assert WantedMounts.from_params(params) == WantedMounts(addresses=["a"], nconnect=4)


def test_what_an_old_kernel_lacks_is_left_out_and_the_caller_keeps_its_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = os.uname_result(("Linux", "old", "4.4.0", "#1", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: old)
    softerr = ANY + ",softerr"
    wanted = WANTED._replace(source_address="", nconnect=4, mount_options=softerr)

    state = needed(wanted)

    assert {entry["opts"] for entry in state.todo} == {ANY + ",soft,retry=0"}
    assert [warning.split(":")[0] for warning in state.warnings] == [
        "Linux 4.4.0 has no nconnect",
        "Linux 4.4.0 has no softerr",
    ]
    assert (wanted.nconnect, wanted.mount_options) == (4, softerr)
