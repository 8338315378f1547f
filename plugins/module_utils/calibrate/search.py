# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many workers are enough: the fewest at which a noisy rate has stopped growing.

First the number is doubled until the rate grows no more. Then golden-section search (Kiefer 1953)
narrows down what lies around the best, on a logarithmic scale. Numbers are compared by trials that
alternate (a b, b a, a b, …), so that what changes meanwhile changes both; they are repeated until
the difference is clearer than the noise, or the noise is larger than what could be gained.
"""

from __future__ import annotations

import math
from statistics import mean, median
from typing import Callable, NamedTuple, Sequence

GAIN = 0.05  # of the rate: less is not worth more workers
_GOLDEN = (math.sqrt(5) - 1) / 2
_CLOSE = 1.25  # two numbers of workers that differ by less are not told apart
_PAIRS = 4  # of trials for one comparison, at most
_FLAT = 2  # doublings without a gain that end the doubling
_DOUBTS, _SURE = 6, 3  # how often what was found is tried again, and how many trials are enough
_BELOW = 0.75  # of the most: if that is slower by more than the gain, still more would be faster
_LEAST_NOISE = 0.02
# A rate that differs by so much (its logarithm) from what it was before may have changed: from
# several trials, from a single one.
_CHANGED, _CHANGED_FROM_ONE = 0.2, 0.4


class Enough(Exception):
    """No further trial: the time, or what may be written, is used up."""


class Point(NamedTuple):
    """What some number (of workers, mounts, clients) gave: rates in the order of their trials."""

    number: int
    rates: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Their mean."""
        return mean(self.rates)


class Found(NamedTuple):
    """What a search found. ``noise`` is the standard deviation of a trial's rate, as a part of it.

    ``growing``: the rate still grew at the largest number that was allowed. ``steady`` is False if
    the same number gave another rate at another time. ``complete`` is False if trials ended first.
    """

    number: int
    rate: float
    low: float
    high: float
    noise: float
    growing: bool
    steady: bool
    complete: bool
    points: tuple[Point, ...]


class _Trial(NamedTuple):
    """A trial. ``rate`` is what it would be now: one from before a change is scaled, and
    ``outdated``."""

    number: int
    rate: float
    measured: float
    outdated: bool = False


class Trials:
    """Rates that were measured, in their order."""

    def __init__(self, rate: Callable[[int], float]) -> None:
        self._rate = rate
        self._all: list[_Trial] = []
        self.steady = True

    def measure(self, number: int) -> float:
        """One more trial. Raises Enough."""
        before = self.fresh(number)
        found = self._measure(number)
        if before:
            least = _CHANGED if len(before) > 1 else _CHANGED_FROM_ONE
            change = abs(math.log(found / median(before)))
            if change > max(least, 4 * self.noise(without=1)):
                # Perhaps by chance. If it is so once more, what was measured before is outdated.
                again = self._measure(number)
                if abs(math.log(again / found)) < change / 3:
                    self._outdate(2, math.sqrt(found * again) / median(before))
                found = again
        return found

    def _measure(self, number: int) -> float:
        found = max(self._rate(number), 1e-9)
        self.add(number, found)
        return found

    def add(self, number: int, rate: float) -> None:
        """One that was measured elsewhere."""
        self._all.append(_Trial(number, max(rate, 1e-9), rate))

    def _outdate(self, last: int, factor: float) -> None:
        """The rates have changed: all but the ``last`` trials count only where there is none
        since."""
        self.steady = False
        for at, trial in enumerate(self._all[:-last]):
            self._all[at] = trial._replace(rate=trial.rate * factor, outdated=True)

    def fresh(self, number: int) -> list[float]:
        """The rates of a number since the last change."""
        return [each.rate for each in self._all if each.number == number and not each.outdated]

    def ever(self, number: int) -> list[float]:
        """All rates of a number, as they were measured."""
        return [each.measured for each in self._all if each.number == number]

    def rates(self) -> dict[int, float]:
        """The mean rate of each number: since the last change, where it was tried since."""
        found: dict[int, float] = {}
        for number in sorted({each.number for each in self._all}):
            scaled = [each.rate for each in self._all if each.number == number]
            found[number] = mean(self.fresh(number) or scaled)
        return found

    def noise(self, without: int = 0) -> float:
        """The standard deviation of a trial as a part of its rate, of those that were repeated,
        ``without`` the last."""
        squares, degrees = 0.0, 0
        counted = self._all[: len(self._all) - without]
        for number in {each.number for each in counted}:
            logs = [
                math.log(each.rate)
                for each in counted
                if each.number == number and not each.outdated
            ]
            if len(logs) > 1:
                middle = mean(logs)
                squares += sum((each - middle) ** 2 for each in logs)
                degrees += len(logs) - 1
        return max(_LEAST_NOISE, math.sqrt(squares / degrees)) if degrees else _LEAST_NOISE

    def points(self) -> tuple[Point, ...]:
        """All that was measured, by number."""
        numbers = sorted({each.number for each in self._all})
        return tuple(Point(number, tuple(self.ever(number))) for number in numbers)


def search(rate: Callable[[int], float], most: int, gain: float = GAIN, least: int = 1) -> Found:
    """The fewest from ``least`` to ``most`` whose rate is the best one's, but for ``gain``.

    Args:
        rate: runs a trial; files/s or bytes/s. It raises Enough when there must be no further.
    """
    trials = Trials(rate)
    complete = True
    try:
        _double(trials, least, most, gain)
        _narrow(trials, least, most, gain)
        _confirm(trials, most, gain)
    except Enough:
        complete = False
    return conclude(trials, most, gain, complete)


def steps(rate: Callable[[int], float], numbers: Sequence[int], rounds: int = 2) -> Trials:
    """Trials of some numbers, up and down in turn, so that what drifts meanwhile cancels out. Ends
    early when there must be no further trial."""
    trials = Trials(rate)
    try:
        for turn in range(rounds):
            for number in numbers if turn % 2 == 0 else reversed(numbers):
                trials.measure(number)
    except Enough:
        pass
    return trials


def conclude(trials: Trials, most: int, gain: float = GAIN, complete: bool = True) -> Found:
    """The fewest whose rate is the best one's but for ``gain``, of what was measured."""
    rates = trials.rates()
    if not rates:
        return Found(0, 0.0, 0.0, 0.0, 0.0, False, trials.steady, False, ())
    # One lucky trial does not make the best: what was repeated weighs more.
    noise = trials.noise()
    doubt = {number: noise / math.sqrt(len(trials.fresh(number)) or 0.5) for number in rates}
    best = max(rates, key=lambda number: rates[number] * (1 - doubt[number]))
    # A single trial that is a little too low is no proof either way.
    again = {at: 1 + doubt[at] if len(trials.fresh(at)) > 1 else 1.0 for at in rates}
    enough = rates[best] * (1 - gain) * (1 - doubt[best])
    number = min(at for at, found in rates.items() if found * again[at] >= enough)
    below = [found for at, found in rates.items() if at <= most * _BELOW]
    growing = best == most and bool(below) and rates[most] > max(below) * (1 + gain + doubt[most])
    number = most if growing else number
    seen = trials.ever(number)
    spread = max(noise, 0.05)
    return Found(
        number,
        rates[number],
        min(*seen, rates[number] * (1 - spread)),
        max(*seen, rates[number] * (1 + spread)),
        noise,
        growing,
        trials.steady,
        complete,
        trials.points(),
    )


def _double(trials: Trials, least: int, most: int, gain: float) -> None:
    number, best, flat = least, 0.0, 0
    while True:
        found = trials.measure(number)
        flat = 0 if found > best * (1 + gain) else flat + 1
        best = max(best, found)
        if number >= most or flat >= _FLAT:
            return
        number = min(most, number * 2)


def _narrow(trials: Trials, least: int, most: int, gain: float) -> None:
    """Compare what lies around the best, as long as something can be gained."""
    low, high = _around(trials, least, most)
    while high > low * _CLOSE:
        width = math.log(high / low) * _GOLDEN
        left = max(low, round(high * math.exp(-width)))
        right = min(high, round(low * math.exp(width)))
        if left >= right or right <= left * 1.05:
            return
        better = _compare(trials, left, right, gain)
        if (left, right) == (low, high):
            return
        if better > 0:
            low = left if left > low else right
        else:  # as good, with fewer workers
            high = right if right < high else left


def _confirm(trials: Trials, most: int, gain: float) -> None:
    """What looks best, or good enough with few, may have been lucky once: try it again."""
    for dummy in range(_DOUBTS):
        rates = trials.rates()
        best = max(rates, key=lambda number: rates[number])
        chosen = conclude(trials, most, gain).number
        doubtful = [number for number in (best, chosen) if len(trials.fresh(number)) < _SURE]
        if not doubtful:
            return
        for number in doubtful:
            trials.measure(number)


def _around(trials: Trials, least: int, most: int) -> tuple[int, int]:
    """The numbers below and above the best, when that has been seen more than once."""
    seen: set[int] = set()
    while True:
        rates = trials.rates()
        best = max(rates, key=lambda number: rates[number])
        if best in seen:
            return max(least, best // 2), min(most, best * 2)
        seen.add(best)
        # Interleaved: its neighbours were measured at other times.
        for number in (best, max(least, best // 2), min(most, best * 2), best):
            trials.measure(number)


def _compare(trials: Trials, left: int, right: int, gain: float) -> int:
    """1 if ``right`` is better by more than it must be, -1 if ``left`` is, 0 if that can't be told:
    the noise is larger than the gain."""
    differences: list[float] = []
    for turn in range(_PAIRS):
        first, second = (left, right) if turn % 2 == 0 else (right, left)
        rates = {first: trials.measure(first)}
        rates[second] = trials.measure(second)
        differences.append(math.log(rates[right] / rates[left]))
        if len(differences) < 2:
            continue
        middle = mean(differences)
        error = trials.noise() * math.sqrt(2 / len(differences))
        if abs(middle) > 2 * error:
            return (middle > gain / 2) - (middle < -gain / 2)
        if abs(middle) + error < gain:
            return 0
    return 0
