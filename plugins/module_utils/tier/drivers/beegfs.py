# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""BeeGFS's storage pools, of versions 7 and 8: a pool's setting ``pool`` is its ID, or from 8 on
its alias; ``version`` is 7 or 8, by default 8; ``rebalance``, of 8, has the servers move chunks.

Version 8: ``beegfs entry create file --pool=POOL FILE``, and ``beegfs entry migrate`` with the
paths as its input, NUL-separated; exit status 2 says that some were not moved, and a table which.
Version 7: ``beegfs-ctl --createfile`` and ``beegfs-ctl --migrate``, a call for each file.
"""

from __future__ import annotations

import re
import time

from ...core.errors import IngestError
from ..outcome import FAILED, Stop
from .base import Job
from .native import Native
from .placement import Placement
from .tool import make, missing, run

PARTIAL = 2  # the exit status of beegfs when some entries were not migrated
_POLL = 2.0  # s between looks at a rebalance
_AT_WORK = re.compile(rb"\b(?:Starting|Running)\b")


def version_of(job: Job) -> int:
    """7 or 8. Raises IngestError."""
    said = job.target.settings.get("version", "8")
    if said not in ("7", "8"):
        raise IngestError(f"tier_pools: {job.target.name}: version: {said} is neither 7 nor 8")
    return int(said)


def _tool(version: int) -> str:
    return "beegfs" if version == 8 else "beegfs-ctl"


class BeegfsPlacement(Placement):
    """A file made in the other pool, and an exchange."""

    file_systems = ("beegfs", "beegfs_nodev")

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._pool = job.target.need("pool").encode()
        self._version = version_of(job)

    def command(self, path: bytes) -> list[bytes]:
        """What makes a file."""
        if self._version == 7:
            return [b"beegfs-ctl", b"--createfile", b"--storagepoolid=" + self._pool, path]
        return [b"beegfs", b"entry", b"create", b"file", b"--pool=" + self._pool, path]

    def make(self, directory: int, path: bytes, name: bytes) -> None:
        """See :class:`.placement.Placement`."""
        make(self.command(path + b"/" + name))

    def problems(self) -> list[str]:
        """See :class:`.base.Driver`."""
        return super().problems() + missing(_tool(self._version))


class BeegfsNative(Native):
    """BeeGFS's own migration."""

    file_systems = ("beegfs", "beegfs_nodev")

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._from = job.source.need("pool").encode()
        self._pool = job.target.need("pool").encode()
        self._version = version_of(job)
        said = job.target.settings.get("rebalance", "false")
        self._rebalance = said.lower() in ("true", "yes", "1")
        if self._rebalance and self._version == 7:
            raise IngestError(f"tier_pools: {job.target.name}: rebalance: only version 8 has it")
        self.hard_links = self._rebalance
        self.tool = _tool(self._version)

    def command(self, path: bytes = b"-") -> list[bytes]:
        """What moves files: those of its input, or, of version 7, one."""
        if self._version == 7:
            pools = [b"--storagepoolid=" + self._from, b"--destinationpoolid=" + self._pool]
            return [b"beegfs-ctl", b"--migrate", *pools, path]
        arguments = [b"beegfs", b"entry", b"migrate", b"--from-pools=" + self._from]
        arguments += [b"--pool=" + self._pool, b"--stdin-delimiter=\\x00"]
        return [*arguments, *([b"--rebalance"] if self._rebalance else []), path]

    def migrate(self, paths: list[bytes]) -> dict[bytes, Stop]:
        """See :class:`.native.Native`."""
        failed: dict[bytes, Stop] = {}
        if self._version == 7:
            for path in paths:
                answer = run(self.command(path))
                if answer.status != 0:
                    failed[path] = Stop(FAILED, answer.last())
            return failed
        answer = run(self.command(), b"".join(path + b"\0" for path in paths))
        if answer.status not in (0, PARTIAL):
            raise IngestError(f"beegfs entry migrate: {answer.last()}")
        if answer.status == PARTIAL:
            failed = not_migrated(answer.out, self.job.path, paths)
        if self._rebalance:
            self._wait()
        return failed

    def _wait(self) -> None:
        """A rebalance answers before it is done: wait until no server works at it any more."""
        while True:
            answer = run([b"beegfs", b"stats", b"rebalance", b"--interval=0"])
            if answer.status != 0:
                raise IngestError(f"beegfs stats rebalance: {answer.last()}")
            if not _AT_WORK.search(answer.out):
                return
            time.sleep(_POLL)


def not_migrated(out: bytes, root: bytes, paths: list[bytes]) -> dict[bytes, Stop]:
    """Which files the table of a partial success names: by their path, from the mount point or from
    the file system's root, at the beginning of a line. If none can be told, all are doubtful."""
    failed: dict[bytes, Stop] = {}
    for line in out.splitlines():
        named = [
            path
            for path in paths
            if any(line.startswith(shown + b" ") for shown in (path, path[len(root) :]))
        ]
        if named:
            path = max(named, key=len)  # a name may be the beginning of another one
            text = line.decode("utf-8", "replace").split()
            failed[path] = Stop(FAILED, f"beegfs: {' '.join(text[1:])}")
    if not failed:
        return {path: Stop(FAILED, "beegfs: some entries were not migrated") for path in paths}
    return failed
