# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many workers a client's mounts should have: rates go in, numbers come out.

Hill climbing on a ladder whose steps are a factor of the square root of 2. A number is right if
it is the smallest whose rate is about the best: more would only stand in each other's way, at the
client and in the cluster. It looks up and down two steps, then one, then rests, and looks again
from time to time; soon where the rate has changed, as the cluster or the work has.

All mounts climb together, by the rate of all: each by its own rate would only take the client's
processors from the others. Then each is tried with fewer, in turn: a slow one needs no more than
what keeps it busy.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

_NEAR = 0.95  # of the best rate: as good
_STILL = 0.97  # of a rate: not less
_SETTLING = 1  # ticks after a change that are not measured: pieces under way are of before
_MEASURED = 2  # ticks that are
_CHANGED = 0.35  # part of a rate, by which one measurement differs if something has changed
_DRIFTED = 0.2  # by which two in a row do
_SURE = 4  # measurements that make a rate sure
_REST, _LONGEST_REST = 4, 12  # measurements between two looks


class _Meter:
    """The mean of some ticks, when a number has been at work for a while."""

    def __init__(self) -> None:
        self._ticks = -_SETTLING
        self._sums: list[float] = []

    def add(self, rates: Sequence[float]) -> list[float] | None:
        """One more tick's rates; the means if there are enough."""
        self._ticks += 1
        if self._ticks <= 0:
            return None
        sums = self._sums or [0.0] * len(rates)
        self._sums = [total + rate for total, rate in zip(sums, rates)]
        if self._ticks < _MEASURED:
            return None
        means = [total / self._ticks for total in self._sums]
        self._ticks, self._sums = 0, []
        return means

    def settle(self) -> None:
        """The number was changed: begin anew."""
        self._ticks, self._sums = -_SETTLING, []


class Climb:
    """One number, by one rate."""

    def __init__(self, start: int, least: int, most: int) -> None:
        self._ladder = _ladder(start, least, most)
        self._at = self._ladder.index(min(max(start, least), most))
        self._target = self._at  # what is best by all that is known
        self._known: dict[int, float] = {}  # rates by step, as they would be now
        self._times: dict[int, int] = {}  # that they were measured
        self._strange = 0  # measurements in a row that nothing known explains
        self._rest = _REST
        self._rested = 0
        self._up_next = True
        self._before: float | None = None  # of the step that is looked at again

    @property
    def number(self) -> int:
        """What should be at work now."""
        return self._ladder[self._at]

    def below(self, steps: int) -> int:
        """The number so many steps lower."""
        return self._ladder[max(0, self._at - steps)]

    @property
    def settled(self) -> bool:
        """Whether it rests."""
        return self._at == self._target and not self._unknown()

    def measured(self, rate: float) -> int:
        """The rate of the number at work; returns the next number."""
        if self._at == self._target:
            self._at_target(rate)
        else:
            self._elsewhere(rate)
        self._choose()
        return self.number

    def _at_target(self, rate: float) -> None:
        """What all are compared with. When that is sure, and it drifts, the others would, too."""
        known = self._known.get(self._at)
        if not known:
            self._note(rate)
            return
        off = abs(rate - known) / known
        self._strange = self._strange + 1 if off > _DRIFTED else 0
        if off > _CHANGED or self._strange > 1:
            self._forget()
            self._note(rate)
        elif self._times[self._at] < _SURE:
            self._note(rate)
        else:
            factor = 1 + (rate / known - 1) / _SURE
            for step in self._known:
                self._known[step] *= factor

    def _elsewhere(self, rate: float) -> None:
        before, self._before = self._before, None
        self._note(rate)
        if before is not None and abs(rate - before) > _CHANGED * before:
            target = self._known[self._target]
            self._forget()
            self._known.update({self._target: target, self._at: rate})
            self._times.update({self._target: 1, self._at: 1})

    def _note(self, rate: float) -> None:
        times = self._times.get(self._at, 0) + 1
        known = self._known.get(self._at, 0.0)
        self._known[self._at] = known + (rate - known) / times
        self._times[self._at] = times

    def _forget(self) -> None:
        self._known, self._times = {}, {}
        self._strange, self._rest, self._rested = 0, _REST, 0

    def _choose(self) -> None:
        best = max(self._known.values())
        self._target = min(step for step, rate in self._known.items() if rate >= _NEAR * best)
        unknown = self._unknown()
        if unknown:
            self._at = unknown[0]
            return
        self._at = self._target
        self._rested += 1
        if self._rested >= self._rest:
            self._look_again()

    def _unknown(self) -> list[int]:
        """The steps to look at, nearby ones last: far ones say more."""
        wanted = []
        for distance in (2, 1):
            for step in (self._target + distance, self._target - distance):
                inside = min(max(step, 0), len(self._ladder) - 1)
                if inside not in self._known and inside not in wanted:
                    wanted.append(inside)
        return wanted

    def _look_again(self) -> None:
        """At one neighbour, in turn, when it is long ago."""
        self._rested, self._rest = 0, min(self._rest * 2, _LONGEST_REST)
        neighbour = self._target + (1 if self._up_next else -1)
        self._up_next = not self._up_next
        if 0 <= neighbour < len(self._ladder):
            self._before = self._known.pop(neighbour)
            del self._times[neighbour]
            self._at = neighbour


class _Trial(NamedTuple):
    """A mount that has more or fewer steps than before, and the rates (its own, of all) before."""

    mount: int
    steps: int
    own: float
    total: float

    def succeeds(self, own: float, total: float) -> bool:
        """Whether it may stay so: more steps gain something, fewer cost nothing."""
        if self.steps > 0:
            return own > self.own / _NEAR
        return own >= _STILL * self.own and total >= _STILL * self.total


class Pace:
    """The numbers of some mounts, each of at least ``least`` workers and at most ``most``."""

    def __init__(self, mounts: int, start: int, least: int, most: int) -> None:
        self._climb = Climb(start, least, most)
        self._meter = _Meter()
        self._fewer = [0] * mounts  # steps that a mount is below the common number
        self._trial: _Trial | None = None
        self._turn = 0
        self._wait = _REST

    @property
    def numbers(self) -> list[int]:
        """How many workers each mount should have now."""
        return [self._climb.below(steps) for steps in self._fewer]

    @property
    def settled(self) -> bool:
        """Whether the common number is at rest."""
        return self._climb.settled

    def tick(self, rates: Sequence[float]) -> list[int]:
        """What each mount did in a second in which it had enough to do; returns :attr:`numbers`."""
        means = self._meter.add(rates)
        if means is not None and sum(means) > 0:
            before = self.numbers
            self._judge(means)
            if self.numbers != before:
                self._meter.settle()
        return self.numbers

    def _judge(self, means: list[float]) -> None:
        trial, self._trial = self._trial, None
        if trial is None:
            self._climb.measured(sum(means))
            if self._climb.settled:
                self._try_one(means)
        elif not trial.succeeds(means[trial.mount], sum(means)):
            self._fewer[trial.mount] += trial.steps

    def _try_one(self, means: list[float]) -> None:
        self._wait -= 1
        if self._wait > 0 or len(self._fewer) < 2:
            return
        self._wait = _REST
        turn, self._turn = self._turn, self._turn + 1
        mount, up = turn // 2 % len(self._fewer), bool(turn % 2)
        steps = 1 if up else -1
        if not means[mount] or (up and not self._fewer[mount]):
            return
        self._trial = _Trial(mount, steps, means[mount], sum(means))
        self._fewer[mount] -= steps


def _ladder(start: int, least: int, most: int) -> list[int]:
    """The numbers to choose from, with ``start`` and both ends."""
    start = min(max(start, least), most)
    found = {least, start, most}
    for direction in (0.5, -0.5):
        power = direction
        while least < start * 2**power < most:
            found.add(round(start * 2**power))
            power += direction
    return sorted(found)
