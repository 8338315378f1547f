# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an item is in the source, and what became of it."""

from __future__ import annotations

from typing import NamedTuple


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

    def take(self) -> tuple[int, ...]:
        """The counts in the order of the slots; they start again from 0."""
        counts = tuple(getattr(self, name) for name in self.__slots__)
        for name in self.__slots__:
            setattr(self, name, 0)
        return counts


class Loss(NamedTuple):
    """What the destination can't hold, of one kind: how often, the first path, and why."""

    times: int
    path: bytes
    message: str


class Losses:
    """What the destination can't hold, by kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, Loss] = {}

    def add(self, kind: str, path: bytes, why: str, count: int = 1) -> None:
        """Note that ``kind`` was not preserved at ``path``."""
        known = self.kinds.get(kind)
        self.kinds[kind] = (
            known._replace(times=known.times + count) if known else Loss(count, path, why)
        )

    def take(self) -> dict[str, Loss]:
        """What was noted; it starts again from nothing."""
        kinds, self.kinds = self.kinds, {}
        return kinds
