# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role cluster_mounts on a real NFS client. Not among `make test`'s: run ``pytest
tests/lab``."""

from __future__ import annotations

from ansible_collections.scaleout.ingest.tests.lab import cluster
from ansible_collections.scaleout.ingest.tests.lab.session import Driven, warnings

SHAPE = cluster.Shape(clients=2, nodes=3)
THREE = "vers=3,proto=tcp,nolock,noacl,softerr,timeo=100,retrans=2"
OTHERS = (
    "# of somebody else\ntmpfs /mnt/other tmpfs size=1m 0 0\n10.9.9.9:/data /mnt/data nfs "
    "ro,noauto\n"
)


def one(lab: Driven, *names: str) -> list[str]:
    return [lab.lab.nodes[name] for name in names]


def sources(mounts: dict[str, list[str]]) -> dict[str, str]:
    return {path: words[0] for path, words in mounts.items()}


def test_for_the_run_only_and_back(lab: Driven) -> None:
    lab.ssh("printf '%s' '" + OTHERS + "' > /etc/fstab")
    assert lab.role().good().changed() == 2
    found = lab.mounts()
    first, second, third = one(lab, "node1", "node2", "node3")
    assert sources(found) == {
        "/mnt/source": lab.address("nas") + ":/source",
        "/mnt/destination1": first + ":/cluster",
        "/mnt/destination2": second + ":/cluster",
        "/mnt/destination3": third + ":/cluster",
    }
    assert {"ro", "nocto", "vers=3"} <= set(found["/mnt/source"])
    assert {"rw", "softerr", "timeo=100", "retrans=2", "rsize=1048576"} <= set(
        found["/mnt/destination1"]
    )
    # Each client starts at another address.
    assert [
        sources(lab.mounts("client2"))["/mnt/destination%d" % n].partition(":")[0]
        for n in (1, 2, 3)
    ] == [second, third, first]
    assert lab.ssh("cat /etc/fstab") == OTHERS
    again = lab.role().good()
    assert again.changed() == 0 and warnings(again.output) == []
    assert lab.role(cluster_mounts_unmount=True).good().changed() == 2
    assert lab.mounts() == {} == lab.mounts("client2")
    assert lab.role(cluster_mounts_unmount=True).good().changed() == 0


def test_persistent_and_back_and_what_is_in_use_stays(lab: Driven) -> None:
    lab.ssh("printf '%s' '" + OTHERS + "' > /etc/fstab")
    assert lab.role(ingest_mount_persistent=True).good().changed() == 2
    lines = lab.ssh("cat /etc/fstab")
    assert lines.startswith(OTHERS)
    first, second, third = one(lab, "node1", "node2", "node3")
    assert f"{first}:/cluster /mnt/destination1 nfs {THREE} 0 0\n" in lines
    assert (
        f"{lab.address('nas')}:/source /mnt/source nfs vers=3,proto=tcp,nolock,noacl,ro,nocto 0 0\n"
        in lines
    )
    assert lab.role(ingest_mount_persistent=True).good().changed() == 0
    assert lab.ssh("cat /etc/fstab") == lines
    # After a boot nothing is mounted, and everything stays at its place.
    lab.ssh("umount /mnt/destination1 /mnt/destination3")
    assert lab.role(ingest_mount_persistent=True).good().changed() == 1
    assert lab.ssh("cat /etc/fstab") == lines and len(lab.mounts()) == 4

    lab.ssh("cd /mnt/destination2; setsid nohup sleep 600 </dev/null >/dev/null 2>&1 &")
    play = lab.role(cluster_mounts_unmount=True).good()
    pid = lab.ssh("pgrep -x sleep").strip()
    assert warnings(play.output) == [
        f"client1: /mnt/destination2 ({second}:/cluster) stays mounted, as it is used by sleep "
        f"(process {pid})"
    ]
    assert sources(lab.mounts()) == {"/mnt/destination2": second + ":/cluster"}
    kept = lab.ssh("cat /etc/fstab")
    assert kept == OTHERS + f"{second}:/cluster /mnt/destination2 nfs {THREE} 0 0\n"
    lab.ssh("pkill -x sleep")
    assert lab.role(cluster_mounts_unmount=True).good().changed() == 1
    assert lab.mounts() == {} and lab.ssh("cat /etc/fstab") == OTHERS


def test_an_ingest_unmounts_after_its_report_and_only_its_own_mounts(lab: Driven) -> None:
    lab.fill(20)
    first = one(lab, "node1")
    lab.role(ingest_cluster_addresses=first).good()
    before = lab.mounts()
    assert set(before) == {"/mnt/source", "/mnt/destination1"}
    play = lab.ingest(ingest_unmount=True).good()
    lab.same()
    assert lab.mounts() == before == lab.mounts("client1")
    words = play.output
    assert words.index("TASK [scaleout.ingest.report : Report") < words.index("Unmount what")
    # What is somebody else's stays, and that is no failure of a run that mounted nothing.
    lab.role().good()
    there = lab.mounts()
    lab.ingest(ingest_unmount=True).good()
    assert lab.mounts() == there and len(there) == 4
    lab.role(cluster_mounts_unmount=True).good()


def test_addresses_of_every_kind(lab: Driven) -> None:
    """IPv6, a range, a name with many addresses; one that is a prefix of another."""
    first, second, third = one(lab, "node1", "node2", "node3")
    six = [lab.lab.address6(node) for node in ("node1", "node2", "node3")]
    short = first[
        :-2
    ]  # 10.214.N.1, of which the others are continuations: this machine, which serves no NFS
    lab.ssh(f"printf '{second} cluster.test\\n{third} cluster.test\\n' >> /etc/hosts")
    lab.ssh(f"printf '{second} cluster.test\\n{third} cluster.test\\n' >> /etc/hosts", "client2")
    lab.role(
        ingest_cluster_addresses=[
            six[0] + "-" + six[1].rpartition(":")[2],
            f"[{six[2]}]",
            "cluster.test",
        ]
    ).good()
    found = lab.mounts()
    assert sources(found) == {
        "/mnt/source": lab.address("nas") + ":/source",
        **{"/mnt/destination%d" % n: f"[{address}]:/cluster" for n, address in enumerate(six, 1)},
        "/mnt/destination4": second + ":/cluster",
        "/mnt/destination5": third + ":/cluster",
    }
    assert "proto=tcp6" in found["/mnt/destination1"] and "proto=tcp" in found["/mnt/destination4"]
    lab.ssh("echo here > /mnt/destination1/token")
    assert lab.ssh("cat /mnt/destination3/token /mnt/destination5/token") == "here\nhere\n"
    lab.role(ingest_cluster_addresses=[*six, "cluster.test"], cluster_mounts_unmount=True).good()
    assert lab.mounts() == {}

    play = lab.role(ingest_cluster_addresses=[short, first, second], ingest_mount_timeout=2).good()
    assert sorted(sources(lab.mounts())) == [
        "/mnt/destination2",
        "/mnt/destination3",
        "/mnt/source",
    ]
    assert any(
        line.startswith(f"client1: {short} on /mnt/destination1 (Connection refused) is left out")
        for line in warnings(play.output)
    ), play.output


def test_options(lab: Driven) -> None:
    first, second, dummy = one(lab, "node1", "node2", "node3")
    lab.role(ingest_cluster_addresses=[first, first], ingest_mount_nconnect=3).good()
    found = lab.mounts()
    assert found["/mnt/destination1"][0] == found["/mnt/destination2"][0] == first + ":/cluster"
    assert all(
        {"nconnect=3", "nosharecache"} <= set(found[path])
        for path in ("/mnt/destination1", "/mnt/destination2")
    )
    # Really two: what is done over one is not counted for the other.
    lab.ssh("for n in 1 2 3 4 5; do echo > /mnt/destination1/f$n; done")
    blocks = lab.ssh("cat /proc/self/mountstats").split("device ")
    created = {
        block.split()[3]: block.partition("CREATE: ")[2].split()[0]
        for block in blocks
        if "fstype nfs " in block
    }
    assert (created["/mnt/destination1"], created["/mnt/destination2"]) == ("5", "0")
    lab.role(cluster_mounts_unmount=True, ingest_cluster_addresses=[first, first]).good()
    lab.role(
        ingest_cluster_addresses=[second], ingest_mount_options="vers=4.1,proto=tcp,hard"
    ).good()
    assert {"vers=4.1", "hard"} <= set(lab.mounts()["/mnt/destination1"])


def test_what_is_in_the_way_and_addresses_that_are_there_already(lab: Driven) -> None:
    first, second, dummy = one(lab, "node1", "node2", "node3")
    # The same address elsewhere, in fstab and mounted, is somebody's; at our place it stays there.
    fstab = (
        f"{first}:/cluster /mnt/theirs nfs {THREE} 0 0\n{second}:/cluster /mnt/destination1 "
        f"nfs {THREE}\n"
    )
    lab.ssh(
        "mkdir /mnt/theirs /mnt/destination1; printf '%%s' '%s' > /etc/fstab; mount /mnt/theirs"
        % fstab
    )
    lab.role(ingest_cluster_addresses=[first, second], ingest_mount_persistent=True).good()
    assert sources(lab.mounts()) == {
        "/mnt/source": lab.address("nas") + ":/source",
        "/mnt/theirs": first + ":/cluster",
        "/mnt/destination1": second + ":/cluster",
        "/mnt/destination2": first + ":/cluster",
    }
    assert lab.ssh("cat /etc/fstab").startswith(fstab)
    lab.role(ingest_cluster_addresses=[first, second], cluster_mounts_unmount=True).good()
    assert sources(lab.mounts()) == {"/mnt/theirs": first + ":/cluster"}
    assert lab.ssh("cat /etc/fstab") == fstab

    output = lab.role(ingest_cluster_addresses=[first]).bad()
    assert (
        f"/etc/fstab has {second}:/cluster for /mnt/destination1, which is not among what is to be "
        "mounted" in output
    )
    lab.ssh(": > /etc/fstab; mount -t tmpfs none /mnt/destination1")
    assert "/mnt/destination1 has none mounted" in lab.role(ingest_cluster_addresses=[first]).bad()
    lab.ssh("umount /mnt/destination1")
    output = lab.role(ingest_cluster_addresses=[first], ingest_cluster_export="/nothing").bad()
    assert (
        f"client1: no address of the cluster can be used: {first} on /mnt/destination1 (mount.nfs: "
        in output
    )
