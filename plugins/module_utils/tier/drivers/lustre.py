# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lustre's pools of OSTs: a pool's setting ``pool`` is its name.

``lfs setstripe -p POOL FILE`` makes a file in a pool, ``lfs migrate -p POOL FILE …`` moves files:
without blocking, which aborts where somebody has a file open or opens it.
"""

from __future__ import annotations

from ..outcome import HOT, Stop
from .base import Job
from .native import Native
from .placement import Placement
from .tool import make, missing, run

_SLICE = 100  # files of one call


class LustrePlacement(Placement):
    """A file made in the other pool, and an exchange."""

    file_systems = ("lustre",)

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._pool = job.target.need("pool").encode()

    def command(self, path: bytes) -> list[bytes]:
        """What makes a file."""
        return [b"lfs", b"setstripe", b"-p", self._pool, path]

    def make(self, directory: int, path: bytes, name: bytes) -> None:
        """See :class:`.placement.Placement`."""
        make(self.command(path + b"/" + name))

    def problems(self) -> list[str]:
        """See :class:`.base.Driver`."""
        return super().problems() + missing("lfs")


class LustreNative(Native):
    """Lustre's own migration."""

    file_systems = ("lustre",)
    tool = "lfs"
    hard_links = True

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._pool = job.target.need("pool").encode()

    def command(self, paths: list[bytes]) -> list[bytes]:
        """What moves files."""
        return [b"lfs", b"migrate", b"-n", b"-p", self._pool, *paths]

    def migrate(self, paths: list[bytes]) -> dict[bytes, Stop]:
        """See :class:`.native.Native`."""
        failed: dict[bytes, Stop] = {}
        for at in range(0, len(paths), _SLICE):
            some = paths[at : at + _SLICE]
            if run(self.command(some)).status == 0:
                continue
            for path in some:  # which one it was, the exit status does not say
                answer = run(self.command([path]))
                if answer.status != 0:
                    failed[path] = Stop(HOT, answer.last())
        return failed
