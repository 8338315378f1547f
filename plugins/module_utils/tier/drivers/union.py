# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Branches of a mergerfs: each pool is a tree of its own, users see them as one."""

from __future__ import annotations

import os
from typing import Callable

from ...copy.contents import Throttle
from ...core.paths import display
from .. import leases
from ..batch import Batch
from ..order import Order
from ..outcome import BEST_EFFORT, LEASE, Candidate, Outcome
from ..union import Union as Ground
from .base import Job, tree_problems

_SEARCH = ("access", "getattr", "getxattr", "listxattr", "open", "readlink")
_ACTION = (
    "chmod", "chown", "link", "removexattr", "rename", "setxattr", "truncate", "unlink", "utimens",
)  # fmt: skip
# What else must be as it is by default, and why.
_OFF = {
    "symlinkify": "it shows old files as links into one pool",
    "cache.writeback": "the kernel then holds bytes that no pool has yet",
    "nullrw": "it drops what is written",
}


class Union:
    """See :class:`.base.Driver`."""

    turns = True

    def __init__(self, job: Job) -> None:
        self.job = job

    def problems(self) -> list[str]:
        """See :class:`.base.Driver`."""
        source, target = self.job.source, self.job.target
        found = tree_problems(source) + tree_problems(target)
        if found:
            return found
        if os.stat(source.path).st_dev == os.stat(target.path).st_dev:
            return [
                f"tier_pools: {source.name} and {target.name} are on one file system: one of them "
                "is not mounted"
            ]
        return self._of_mergerfs(Order(self.job.path))

    def _of_mergerfs(self, order: Order) -> list[str]:
        """Options under which a file could vanish, or bytes be lost, while both pools have it."""
        union = display(self.job.path)
        branches = order.branches()
        found = [
            f"tier_pools: {pool.name}: {display(pool.path)} is not a branch of {union}"
            for pool in (self.job.source, self.job.target)
            if pool.path not in branches
        ]
        for name in _SEARCH:
            if order.option(f"func.{name}") not in ("ff", ""):
                found.append(
                    f"{union} is mounted with func.{name}={order.option('func.' + name)}: only ff "
                    "says which pool's file users get"
                )
        for name in _ACTION:
            if order.option(f"func.{name}") not in ("epall", "all", ""):
                found.append(
                    f"{union} is mounted with func.{name}={order.option('func.' + name)}: only "
                    "epall and all reach a file that both pools have for a moment"
                )
        for name, why in _OFF.items():
            if order.option(name) not in ("false", ""):
                found.append(f"{union} is mounted with {name}: {why}")
        if order.option("cache.open") not in ("0", ""):
            found.append(f"{union} is mounted with cache.open: it opens a file where it was")
        return found

    def guarantee(self) -> str:
        """See :class:`.base.Driver`."""
        pools = (self.job.source.path, self.job.target.path)
        return LEASE if all(leases.honoured(pool) for pool in pools) else BEST_EFFORT

    def root(self) -> bytes:
        """See :class:`.base.Driver`."""
        return self.job.source.path

    def mend(self) -> list[bytes]:
        """See :class:`.base.Driver`."""
        return [self.job.source.path, self.job.target.path]

    def mover(self, throttle: Throttle | None) -> Callable[[list[Candidate]], list[Outcome]]:
        """See :class:`.base.Driver`."""
        job = self.job
        ground = Ground(job.path, job.source.path, job.target.path)
        return lambda found: Batch(ground, job.options, throttle).run(found)
