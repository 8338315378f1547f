# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an item is in the source, and what became of it."""

from __future__ import annotations

from typing import NamedTuple, Tuple


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


