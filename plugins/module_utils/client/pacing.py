# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each mount of a client does in a second, and how many workers it should have for that."""

from __future__ import annotations

import time
from typing import Callable

from ..core.outcome import Counts
from ..plan.cost import cost_of
from .climb import Pace
from .messages import Moved
from .settings import Settings

_TICK = 1.0  # s


class Pacing:
    """Counts what is done; asks :class:`.climb.Pace`. A second in which the workers had not enough
    to do says nothing of their number."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._mounts = settings.destinations
        start = settings.processes * settings.threads // len(self._mounts)
        self._pace = Pace(
            len(self._mounts), start, 1, max(start, settings.most // len(self._mounts))
        )
        self._clock = clock
        self._begun = clock()
        self._done = dict.fromkeys(self._mounts, 0.0)  # costs, in this second
        self._told: dict[int, float] = {}  # of chunks that are under way
        self._idle = True

    def moved(self, mount: bytes, said: Moved) -> None:
        """A part of a chunk is done."""
        amount = cost_of(said.files, said.size)
        self._told[said.number] = self._told.get(said.number, 0.0) + amount
        self._done[mount] += amount

    def done(self, mount: bytes, number: int, lines: int, counts: Counts) -> None:
        """A chunk of so many lines is done: each is a directory that was looked up."""
        entries = lines + counts.files + counts.directories + counts.skipped + counts.failed
        amount = cost_of(entries, counts.bytes)
        self._done[mount] += max(0.0, amount - self._told.pop(number, 0.0))

    def forget(self, number: int) -> None:
        """A chunk will be begun anew."""
        self._told.pop(number, None)

    def idle(self) -> None:
        """There is not enough to do."""
        self._idle = True

    def numbers(self) -> dict[bytes, int] | None:
        """How many workers each mount should have; None if that is as before."""
        now = self._clock()
        seconds = now - self._begun
        if seconds < _TICK:
            return None
        rates = [self._done[mount] / seconds for mount in self._mounts]
        idle, self._idle = self._idle, False
        self._begun = now
        self._done = dict.fromkeys(self._mounts, 0.0)
        if idle:
            return None
        before = self._pace.numbers
        numbers = self._pace.tick(rates)
        return dict(zip(self._mounts, numbers)) if numbers != before else None
