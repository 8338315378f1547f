# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an item is in the source, and what became of it."""

from __future__ import annotations

import os
from typing import NamedTuple, Tuple


class Want(NamedTuple):
    """What an entry is in the source. Times in ns, sizes in bytes."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    atime: int
    rdev: int


class Failure(NamedTuple):
    """An item that did not arrive, and why."""

    path: bytes
    operation: str
    errno: int
    message: str


class Tally:
    """What was done. ``files`` are all entries but directories that were copied now."""

    __slots__ = ("files", "directories", "bytes", "skipped", "changed", "failed", "repaired")

    def __init__(self) -> None:
        self.files = self.directories = self.bytes = 0
        self.skipped = self.changed = self.failed = self.repaired = 0

    def take(self) -> Tuple[int, ...]:
        """The counts in the order of the slots; they start again from 0."""
        counts = tuple(getattr(self, name) for name in self.__slots__)
        for name in self.__slots__:
            setattr(self, name, 0)
        return counts


def want_of(found: os.stat_result) -> Want:
    """The source's state as its stat shows it."""
    return Want(
        found.st_mode, found.st_uid, found.st_gid, found.st_size, found.st_mtime_ns,
        found.st_atime_ns, found.st_rdev,
    )
