# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver is: a class with the methods of ``Driver``, and a line in ``registry.py``."""

from __future__ import annotations

import os
from typing import Callable, NamedTuple, Protocol

from ...copy.contents import Throttle
from ...core.errors import IngestError
from ...core.paths import display
from ...fs.mount_table import holding
from ..batch import Options
from ..folder import NAME
from ..outcome import Candidate, Outcome


class Pool(NamedTuple):
    """A pool, as the inventory has it. ``path`` is where its files are, for drivers whose pools are
    trees of their own; ``settings`` are all keys."""

    name: str
    path: bytes
    settings: dict[str, str]

    def need(self, key: str) -> str:
        """A setting that the driver can't do without. Raises IngestError."""
        value = self.settings.get(key, "")
        if not value:
            raise IngestError(f"tier_pools: {self.name}: {key} is missing")
        return value


class Job(NamedTuple):
    """What is to be done: users see the files below ``path``."""

    path: bytes
    source: Pool
    target: Pool
    options: Options
    guarantee: str


class Driver(Protocol):
    """How a kind of storage moves files. ``turns``: which of two files users get is decided for all
    files at once, so that a killed run's must be mended before anything else is moved."""

    job: Job
    turns: bool

    def __init__(self, job: Job) -> None:
        """Raises IngestError if a setting is missing or unusable."""

    def problems(self) -> list[str]:
        """What is wrong, a sentence each, before anything is moved."""

    def guarantee(self) -> str:
        """What it can promise here."""

    def root(self) -> bytes:
        """What the candidates' paths are relative to."""

    def mend(self) -> list[bytes]:
        """The pools in which killed runs may have left journals."""

    def mover(self, throttle: Throttle | None) -> Callable[[list[Candidate]], list[Outcome]]:
        """What moves a batch, in the process that calls it. Raises IngestError, OSError."""


def tree_problems(pool: Pool) -> list[str]:
    """What is wrong with the tree of a pool: it is missing, its file system is not mounted, or
    another one is."""
    where = f"tier_pools: {pool.name}: {display(pool.path)}"
    try:
        entry = holding(os.path.realpath(pool.path))
        names = [name for name in os.listdir(pool.path) if name not in (NAME, b"lost+found")]
    except OSError as error:
        return [f"{where} can't be read: {error.strerror}"]
    if pool.settings.get("mounted", "true").lower() not in ("false", "no", "0"):
        own = entry is not None and entry.point == os.path.realpath(pool.path)
        if not own and (entry is None or entry.point == b"/"):
            return [
                f"{where} is a directory of the root file system: the pool is not mounted "
                "(mounted: false if that is meant)"
            ]
        if not own and not names:
            return [
                f"{where} is an empty directory: the pool is not mounted (mounted: false if it is "
                "one that has no files yet)"
            ]
    wanted = pool.settings.get("file_system", "")
    if wanted and entry is not None and entry.kind != wanted:
        return [f"{where} is on {entry.kind}, not on {wanted}"]
    return []
