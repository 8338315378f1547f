# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client has done so far, over all its shards."""

from __future__ import annotations

import heapq

from ..core.outcome import Losses, SlowDirectory
from .messages import Done

_SLOW = 20  # directories


class Ledger:
    """Sums that only grow. ``files`` were copied or up to date, ``bytes`` were copied."""

    def __init__(self) -> None:
        self.files = self.bytes = self.failed = 0
        self.losses = Losses()
        self._slow: list[SlowDirectory] = []
        self._under_way: dict[int, int] = {}  # bytes, by chunk
        self._live = 0

    def add(self, done: Done, copied: bool) -> None:
        """A chunk is done; ``copied``: it was no second pass."""
        counts = done.counts
        self._under_way.pop(done.number, None)
        if copied:
            self.files += counts.files + counts.skipped
            self.bytes += counts.bytes
        self.failed += counts.failed
        for kind, loss in done.losses.items():
            self.losses.add(kind, loss.path, loss.message, loss.times)
        for entry in done.slow:
            if len(self._slow) < _SLOW:
                heapq.heappush(self._slow, entry)
            elif entry > self._slow[0]:
                heapq.heapreplace(self._slow, entry)

    def moved(self, number: int, size: int) -> None:
        """So many bytes more of a chunk that is still under way."""
        self._under_way[number] = self._under_way.get(number, 0) + size

    def forget(self, number: int) -> None:
        """A chunk will be begun anew, by another worker."""
        self._under_way.pop(number, None)

    @property
    def live_bytes(self) -> int:
        """Bytes copied so far, with those of unfinished chunks. Never less than before, though
        what was under way may have been in vain."""
        self._live = max(self._live, self.bytes + sum(self._under_way.values()))
        return self._live

    @property
    def slow(self) -> list[SlowDirectory]:
        """The directories that took longest, these first."""
        return sorted(self._slow, reverse=True)
