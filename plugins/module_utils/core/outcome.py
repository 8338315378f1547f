# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an item is in the source, and what became of it."""

from __future__ import annotations

from operator import add
from typing import NamedTuple


class Failure(NamedTuple):
    """An item that did not arrive, and why."""

    path: bytes
    operation: str
    errno: int
    message: str


class Counts(NamedTuple):
    """How much was done. ``files`` are all entries but directories that were copied now."""

    files: int = 0
    directories: int = 0
    bytes: int = 0
    skipped: int = 0
    changed: int = 0
    failed: int = 0
    repaired: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts._make(map(add, self, other))


class Tally:
    """:class:`Counts` while they grow."""

    __slots__ = Counts._fields

    def __init__(self) -> None:
        self.files = self.directories = self.bytes = 0
        self.skipped = self.changed = self.failed = self.repaired = 0

    def take(self) -> Counts:
        """The counts; they start again from 0."""
        counts = Counts._make(getattr(self, name) for name in self.__slots__)
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
