# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage's own migration: its tool is told the files, and moves them its own way.

What it promises is the tool's to say; here each file is looked at before, and what became of it is
told by the tool's exit status and a second look.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Callable

from ...copy.contents import Throttle
from ...core.paths import display, split
from ...fs.directories import DirCache
from ...fs.mount_table import file_system
from ..outcome import BEST_EFFORT, FAILED, HOT, MOVED, Candidate, Outcome, Stop, known_of
from ..under_way import UnderWay
from .base import Job
from .tool import missing


class Native:
    """See :class:`.base.Driver`. A driver ``migrate``s."""

    turns = False
    file_systems: tuple[str, ...] = ()
    tool = ""
    hard_links = False  # whether the tool keeps them

    def __init__(self, job: Job) -> None:
        self.job = job

    def migrate(self, paths: list[bytes]) -> dict[bytes, Stop]:
        """Migrate files, given by path; returns those that were not, and why. Raises IngestError
        if none was."""
        raise NotImplementedError

    def problems(self) -> list[str]:
        """See :class:`.base.Driver`."""
        kind = file_system(self.job.path)
        if kind not in self.file_systems:
            return [
                f"tier_path: {display(self.job.path)} is on {kind or 'nothing that is mounted'}, "
                f"not on {' or '.join(self.file_systems)}"
            ]
        return missing(self.tool)

    def guarantee(self) -> str:
        """See :class:`.base.Driver`."""
        return BEST_EFFORT

    def root(self) -> bytes:
        """See :class:`.base.Driver`."""
        return self.job.path

    def mend(self) -> list[bytes]:
        """See :class:`.base.Driver`."""
        return []

    def mover(self, throttle: Throttle | None) -> Callable[[list[Candidate]], list[Outcome]]:
        """See :class:`.base.Driver`. The tool keeps no rate."""
        return self.move

    def move(self, candidates: list[Candidate]) -> list[Outcome]:
        """Move a batch. Raises IngestError."""
        directories = DirCache(self.job.path)
        outcomes: list[Outcome] = []
        wanted: dict[bytes, tuple[Candidate, os.stat_result]] = {}
        try:
            for candidate in candidates:
                try:
                    found = self._look(directories, candidate)
                    wanted[self.job.path + b"/" + candidate.paths[0]] = (candidate, found)
                except Stop as stop:
                    outcomes.append(_outcome(candidate, stop.outcome, 0, stop.why))
                except OSError as error:
                    outcomes.append(_outcome(candidate, FAILED, 0, error.strerror or str(error)))
            failed = self.migrate(list(wanted)) if wanted else {}
            directories.forget()
            for path, (candidate, before) in wanted.items():
                outcomes.append(self._after(directories, candidate, before, failed.get(path)))
        finally:
            directories.close()
        return outcomes

    def _look(self, directories: DirCache, candidate: Candidate) -> os.stat_result:
        one = UnderWay(candidate, False)
        directory, name = split(candidate.paths[0])
        at, quiet = directories.get(directory).fd, self.job.options.quiet
        try:
            one.open(name, at, quiet, time.time(), not self.hard_links)
            return one.before
        finally:
            one.let_go()

    def _after(
        self, directories: DirCache, candidate: Candidate, before: os.stat_result, stop: Stop | None
    ) -> Outcome:
        if stop is not None:
            return _outcome(candidate, stop.outcome, 0, stop.why)
        directory, name = split(candidate.paths[0])
        now = None
        with suppress(OSError):
            now = os.stat(name, dir_fd=directories.get(directory).fd, follow_symlinks=False)
        if now is None or (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            return _outcome(
                candidate, HOT, 0, "changed while the storage moved it: look at it, it gives no "
                "promise",
            )  # fmt: skip
        return _outcome(candidate, MOVED, before.st_size, "")._replace(known=known_of(now))


def _outcome(candidate: Candidate, outcome: str, size: int, why: str) -> Outcome:
    return Outcome(candidate.paths, outcome, size, why, BEST_EFFORT, None)
