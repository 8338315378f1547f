# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a host is, and how much it should have at once, so that all are done together."""

from __future__ import annotations

import math
from typing import Callable

from ..core.vocabulary import HostState
from .store import PlanStore

_MEMORY = 30.0  # s of work after which what was done counts half
# Helpings, as costs (see cost_of) or seconds of work.
_LEAST, _LONGEST = 1.0, 60.0  # s
_FIRST, _FIRST_MOST = 2.0, 30.0  # costs: of a host whose speed nobody knows
_FIRST_PART = 8
_TO_COME = "SELECT 1 FROM hosts WHERE state=? LIMIT 1"


class Speed:
    """The speed of one host, by what it has recorded while it had something to do: costs a second,
    in the table ``hosts``, where 0 stands for a host that has begun and recorded nothing."""

    def __init__(self, store: PlanStore, host: str, clock: Callable[[], float]) -> None:
        self._db = store.db
        self._host = host
        self._clock = clock
        self._held = 0  # shards
        self._since = 0.0  # until then it is counted
        self._done = self._seconds = 0.0

    @property
    def rate(self) -> float:
        """Costs a second; 0 if it is not known."""
        return self._done / max(self._seconds, 0.001) if self._done else 0.0

    def claimed(self, number: int) -> None:
        """The host has so many shards more. In a transaction."""
        if not self._held:
            self._since = self._clock()
        self._held += number
        self._db.execute("UPDATE hosts SET rate=0.0 WHERE name=? AND rate IS NULL", (self._host,))

    def done(self, amount: float) -> None:
        """It has done a shard that costs so much."""
        self._held = max(0, self._held - 1)
        self._done += amount

    def store(self) -> None:
        """Count what was done until now. In a transaction."""
        now = self._clock()
        self._seconds += now - self._since
        self._since = now
        if self._seconds > _MEMORY:
            self._done, self._seconds = self._done / 2, self._seconds / 2
        # A late word of one that has begun anew says nothing of that.
        self._db.execute(
            "UPDATE hosts SET rate=? WHERE name=? AND rate IS NOT NULL", (self.rate, self._host)
        )

    def helping(self, left: float) -> float:
        """How much of what is ``left`` to all hosts this one should claim now: half of its part,
        but enough to be worth the trouble, and not more than it does in a while."""
        running, known, total = self._db.execute(
            "SELECT count(*), count(nullif(rate, 0)), total(rate) FROM hosts WHERE state=?",
            (HostState.RUNNING,),
        ).fetchone()
        if running <= 1 and not self._db.execute(_TO_COME, (HostState.PLANNED,)).fetchone():
            return math.inf  # there is nobody to share it with
        if not self.rate:
            part = left / max(1, running)
            return min(max(_FIRST, part / _FIRST_PART), _FIRST_MOST)
        # Of the others' speeds those that nobody knows are like the rest.
        total = max(total, self.rate) * max(1.0, running / max(1, known))
        return max(self.rate * _LEAST, min(left * self.rate / total / 2, self.rate * _LONGEST))
