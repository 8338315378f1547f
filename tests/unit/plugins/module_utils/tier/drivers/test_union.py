# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with branches is a sentence, and nothing is moved."""

from __future__ import annotations

import os

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.batch import Options
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.base import Job, Pool
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.registry import driver_of
from ansible_collections.scaleout.ingest.tests.support.union import Pools


def problems(pools: Pools, union: bytes | None = None, **settings: str) -> list[str]:
    """Of a job between both pools."""
    fast = Pool("fast", pools.fast, {})
    slow = Pool("slow", pools.slow, settings)
    return driver_of("union", Job(union or pools.union, fast, slow, Options(), "lease")).problems()


def test_two_disks_are_right(pools: Pools) -> None:
    assert problems(pools) == []
    assert problems(pools, file_system="ext4") == []


def test_a_pool_that_is_not_mounted(pools: Pools) -> None:
    pools.unmount_lazily(pools.slow)
    (sentence,) = problems(pools)
    assert sentence.startswith("tier_pools: slow: ") and "the pool is not mounted" in sentence
    assert problems(pools, mounted="false") == []
    os.rmdir(pools.slow)
    (sentence,) = problems(pools)
    assert "can't be read: No such file or directory" in sentence


def test_another_file_system_than_was_said(pools: Pools) -> None:
    (sentence,) = problems(pools, file_system="xfs")
    assert sentence.endswith("is on ext4, not on xfs")


def test_what_is_no_mergerfs(pools: Pools) -> None:
    with pytest.raises(IngestError, match="is not a mergerfs whose control file can be used"):
        problems(pools, union=pools.fast)


def test_options_of_mergerfs_that_could_lose_a_file(pools: Pools) -> None:
    control = pools.union + b"/.mergerfs"
    os.setxattr(control, "user.mergerfs.func.open", b"newest")
    os.setxattr(control, "user.mergerfs.func.unlink", b"epff")
    os.setxattr(control, "user.mergerfs.symlinkify", b"true")
    found = problems(pools)
    assert len(found) == 3, found
    assert "func.open=newest: only ff says which pool's file users get" in found[0]
    assert "func.unlink=epff" in found[1] and "symlinkify" in found[2]


def test_a_branch_that_is_not_one(pools: Pools) -> None:
    control = pools.union + b"/.mergerfs"
    os.setxattr(control, "user.mergerfs.branches", pools.fast + b"=RW")
    (sentence,) = problems(pools)
    assert "is not a branch of" in sentence


def test_an_unknown_driver_is_named(pools: Pools) -> None:
    job = Job(pools.union, Pool("a", b"", {}), Pool("b", b"", {}), Options(), "lease")
    with pytest.raises(IngestError, match="driver: tape is none of union, beegfs"):
        driver_of("tape", job)
