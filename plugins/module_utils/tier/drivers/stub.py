# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another tree, and a symbolic link in each file's old place: only where ``stubs`` of the target
pool says so, as who looks at a path then sees a link."""

from __future__ import annotations

import os
from typing import Callable

from ...copy.contents import Throttle
from ...core.errors import IngestError
from ...core.paths import display
from .. import leases
from ..batch import Batch
from ..outcome import BEST_EFFORT, LEASE, Candidate, Outcome
from ..stub import Stub as Ground
from .base import Job, tree_problems


class Stub:
    """See :class:`.base.Driver`."""

    turns = False

    def __init__(self, job: Job) -> None:
        self.job = job
        if job.target.settings.get("stubs", "").lower() not in ("true", "yes", "1"):
            raise IngestError(
                f"tier_pools: {job.target.name}: stubs: true is missing: the driver leaves a "
                "symbolic link in each file's place, as programs may notice"
            )
        for pool in (job.source, job.target):
            pool.need("path")

    def problems(self) -> list[str]:
        """See :class:`.base.Driver`."""
        source, target = self.job.source, self.job.target
        found = tree_problems(source) + tree_problems(target)
        if found:
            return found
        paths = [os.path.realpath(pool.path) + b"/" for pool in (source, target)]
        if paths[0].startswith(paths[1]) or paths[1].startswith(paths[0]):
            two = f"{display(source.path)} and {display(target.path)}"
            return [f"tier_pools: {two} lie within each other"]
        return []

    def guarantee(self) -> str:
        """See :class:`.base.Driver`."""
        pools = (self.job.source.path, self.job.target.path)
        return LEASE if all(leases.honoured(pool) for pool in pools) else BEST_EFFORT

    def root(self) -> bytes:
        """See :class:`.base.Driver`."""
        return self.job.source.path

    def mend(self) -> list[bytes]:
        """See :class:`.base.Driver`."""
        return [self.job.target.path]

    def mover(self, throttle: Throttle | None) -> Callable[[list[Candidate]], list[Outcome]]:
        """See :class:`.base.Driver`."""
        ground = Ground(self.job.source.path, self.job.target.path)
        return lambda found: Batch(ground, self.job.options, throttle).run(found)
