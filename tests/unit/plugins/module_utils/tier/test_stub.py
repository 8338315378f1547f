# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file goes to another tree, and a link stays."""

from __future__ import annotations

import os
import threading

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.batch import Batch, Options
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.base import Job, Pool
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.registry import driver_of
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.outcome import (
    HOT,
    MOVED,
    SKIPPED,
    Candidate,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.stub import Stub
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.under_way import UnderWay
from ansible_collections.scaleout.ingest.tests.support.union import Pools


def job(pools: Pools, **settings: str) -> Job:
    """From one tree to another."""
    fast, slow = (
        Pool(name, path, {"path": os.fsdecode(path), **settings})
        for name, path in (("fast", pools.fast), ("slow", pools.slow))
    )
    return Job(pools.fast, fast, slow, Options(0.0, 0.01), "lease")


def test_it_must_be_asked_for(pools: Pools) -> None:
    with pytest.raises(IngestError, match="tier_pools: slow: stubs: true is missing"):
        driver_of("stub", job(pools))
    driver = driver_of("stub", job(pools, stubs="true"))
    assert driver.problems() == [] and driver.guarantee() == "lease"


def test_the_link_leads_to_the_whole_file(pools: Pools) -> None:
    os.makedirs(pools.fast + b"/a")
    path = pools.fast + b"/a/file"
    with open(path, "wb") as file:
        file.write(b"data")
    os.chown(path, 12, 34)
    os.chmod(path, 0o640)
    os.setxattr(path, "user.one", b"1")
    os.utime(path, ns=(10**18, 10**18 + 7))
    with open(pools.fast + b"/linked", "wb"):
        os.link(pools.fast + b"/linked", pools.fast + b"/again")
    move = driver_of("stub", job(pools, stubs="true")).mover(None)
    files = [Candidate((b"a/file",), None), Candidate((b"linked", b"again"), None)]
    outcomes = {one.paths[0]: one for one in move(files)}
    assert (outcomes[b"a/file"].outcome, outcomes[b"a/file"].bytes) == (MOVED, 4)
    assert outcomes[b"linked"].outcome == SKIPPED
    assert os.readlink(path) == pools.slow + b"/a/file"
    assert os.lstat(path).st_uid == 12
    found = os.stat(path)
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (12, 34, 0o640)
    assert found.st_mtime_ns == 10**18 + 7 and os.getxattr(path, "user.one") == b"1"
    assert os.listdir(pools.fast + b"/a") == [b"file"]
    assert os.listdir(pools.slow + b"/.ingest-tier") == []


@pytest.mark.parametrize("by_link", [False, True])
def test_who_opens_it_at_the_exchange_loses_nothing(
    pools: Pools, monkeypatch: pytest.MonkeyPatch, by_link: bool
) -> None:
    path = pools.fast + b"/file"
    with open(path, "wb") as file:
        file.write(b"data")
    fds: list[int] = []

    def use(path: bytes) -> None:
        fds.append(os.open(path, os.O_WRONLY | os.O_APPEND))
        os.write(fds[0], b"more")

    rests = UnderWay.rests

    def used(self: UnderWay) -> None:
        # Through the link, or as one who had found the old file's name just before.
        old = pools.fast + b"/" + self.parked[0][1]
        user = threading.Thread(target=use, args=(path if by_link else old,))
        user.start()
        users.append(user)
        user.join(0.2)
        rests(self)

    users: list[threading.Thread] = []
    monkeypatch.setattr(UnderWay, "rests", used)
    ground = Stub(pools.fast, pools.slow)
    (outcome,) = Batch(ground, Options(0.0, 0.01)).run([Candidate((b"file",), None)])
    ground.close()
    users[0].join()
    os.close(fds[0])
    assert outcome.outcome == (MOVED if by_link else HOT), outcome
    assert os.path.islink(path) == by_link
    with open(path, "rb") as file:
        assert file.read() == b"datamore"
