# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of one file system: the new file is made in the other pool, beside the old one, and both
change places. What drivers of that kind share; they differ in how a file is made in a pool."""

from __future__ import annotations

from typing import Callable

from ...copy.contents import Throttle
from ...core.paths import display
from ...fs.mount_table import file_system
from .. import leases
from ..batch import Batch
from ..exchange import Exchange
from ..outcome import BEST_EFFORT, LEASE, Candidate, Outcome
from .base import Job


class Placement:
    """See :class:`.base.Driver`. A driver says which ``file_systems`` it is for, and ``make``s
    a file."""

    turns = False
    file_systems: tuple[str, ...] = ()

    def __init__(self, job: Job) -> None:
        self.job = job

    def make(self, directory: int, path: bytes, name: bytes) -> None:
        """Make an empty file in the target pool: in an open directory, and the path of that. Raises
        OSError, Stop."""
        raise NotImplementedError

    def problems(self) -> list[str]:
        """See :class:`.base.Driver`."""
        kind = file_system(self.job.path)
        if kind not in self.file_systems:
            return [
                f"tier_path: {display(self.job.path)} is on {kind or 'nothing that is mounted'}, "
                f"not on {' or '.join(self.file_systems)}"
            ]
        return []

    def guarantee(self) -> str:
        """See :class:`.base.Driver`."""
        return LEASE if leases.honoured(self.job.path) else BEST_EFFORT

    def root(self) -> bytes:
        """See :class:`.base.Driver`."""
        return self.job.path

    def mend(self) -> list[bytes]:
        """See :class:`.base.Driver`."""
        return [self.job.path]

    def mover(self, throttle: Throttle | None) -> Callable[[list[Candidate]], list[Outcome]]:
        """See :class:`.base.Driver`."""
        ground = Exchange(self.job.path, self.make)
        return lambda found: Batch(ground, self.job.options, throttle).run(found)
