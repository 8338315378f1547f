# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a client's mounts gets the next piece of work: all are to be done at the same time."""

from __future__ import annotations

import time
from typing import Callable, Collection

_FIRST_PIECES, _FIRST_COST = 2, 0.1
_MEMORY = 10.0  # s of work after which a rate counts half


class _Mount:
    """What a mount has under way and has done, in costs and in seconds of work."""

    def __init__(self) -> None:
        self.held = self.done = self.seconds = self.since = 0.0
        self.pieces = 0

    def rate(self, now: float) -> float:
        """Cost a second, 0 while nothing is known."""
        if not self.done:
            return 0.0
        return self.done / max(self.seconds + (now - self.since if self.pieces else 0.0), 1e-3)


class Spread:
    """Shares out work over mounts by the rates that were measured.

    A mount gets no more than its part of all that is left, by its rate; before its first piece is
    done, a little. So a slow one does not sit on work that the others would have done sooner.
    """

    def __init__(
        self, mounts: Collection[bytes], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._mounts: dict[bytes, _Mount] = {mount: _Mount() for mount in mounts}
        self._clock = clock
        self._left = 0.0

    def add(self, amount: float) -> None:
        """So much more is to be done."""
        self._left += amount

    def take(self, name: bytes, amount: float) -> None:
        """A mount has a piece of what is left."""
        mount = self._mounts[name]
        if not mount.pieces:
            mount.since = self._clock()
        mount.pieces += 1
        mount.held += amount
        self._left = max(0.0, self._left - amount)

    def give_back(self, name: bytes, amount: float) -> None:
        """A piece was not done."""
        self._end(self._mounts[name], amount)
        self._left += amount

    def done(self, name: bytes, amount: float) -> None:
        """A piece is done."""
        mount = self._mounts[name]
        self._end(mount, amount)
        mount.done += amount
        if mount.seconds > _MEMORY:
            mount.done, mount.seconds = mount.done / 2, mount.seconds / 2

    def _end(self, mount: _Mount, amount: float) -> None:
        now = self._clock()
        mount.seconds += now - mount.since
        mount.since = now
        mount.pieces -= 1
        mount.held = max(0.0, mount.held - amount) if mount.pieces else 0.0

    def may(self, name: bytes, usable: Collection[bytes]) -> bool:
        """Whether a mount should have one more piece now, where ``usable`` are those that work."""
        mount = self._mounts[name]
        if len(usable) < 2:
            return True
        now = self._clock()
        rates = {other: self._mounts[other].rate(now) for other in usable}
        mine = rates.get(name, 0.0)
        if not mine:
            return mount.pieces < _FIRST_PIECES or mount.held < _FIRST_COST
        if mine >= max(rates.values()):
            return True  # somebody has to
        left = self._left + sum(self._mounts[other].held for other in usable)
        piece = mount.held / mount.pieces if mount.pieces else 0.0
        return mount.held + piece <= left * mine / sum(rates.values())
