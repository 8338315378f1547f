# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the addresses of a cluster mean, and the mounts that come of them."""

from __future__ import annotations

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts import addresses

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
