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


class Trials:
    """Rates that were measured, in their order."""

    def __init__(self, rate: Callable[[int], float]) -> None:
        self._rate = rate
        self._all: list[tuple[int, float]] = []
        self._since = 0  # the first trial that still counts
        self.steady = True

    def measure(self, number: int) -> float:
        """One more trial. Raises Enough."""
        found = max(self._rate(number), 1e-9)
        before = self.fresh(number)
        self._all.append((number, found))
        if before:
            least = _CHANGED if len(before) > 1 else _CHANGED_FROM_ONE
            change = abs(math.log(found / median(before)))
            if change > max(least, 4 * self._noise_before()):
                # Perhaps by chance. If it is so once more, what was measured before is outdated.
                again = max(self._rate(number), 1e-9)
                self._all.append((number, again))
                if abs(math.log(again / found)) < change / 3:
                    self.outdated(2)
                found = again
        return found

    def _noise_before(self) -> float:
        """The noise without the last trial, which may be of another time."""
        last = self._all.pop()
        try:
            return self.noise()
        finally:
            self._all.append(last)

    def outdated(self, last: int) -> None:
        """The rates have changed: only the ``last`` trials count from now on."""
        self._since = len(self._all) - last
        self.steady = False

    def fresh(self, number: int) -> list[float]:
        """The rates of a number that count."""
        return [rate for at, rate in self._all[self._since :] if at == number]

    def ever(self, number: int) -> list[float]:
        """All rates of a number."""
        return [rate for at, rate in self._all if at == number]

    def rates(self) -> dict[int, float]:
        """The mean rate of each number, of those that count."""
        numbers = sorted({at for at, dummy in self._all[self._since :]})
        return {number: mean(self.fresh(number)) for number in numbers}

    def noise(self) -> float:
        """The standard deviation of a trial as a part of its rate, of those that were repeated."""
        squares, degrees = 0.0, 0
        for number in {at for at, dummy in self._all[self._since :]}:
            logs = [math.log(rate) for rate in self.fresh(number)]
            if len(logs) > 1:
                middle = mean(logs)
                squares += sum((each - middle) ** 2 for each in logs)
                degrees += len(logs) - 1
        return max(_LEAST_NOISE, math.sqrt(squares / degrees)) if degrees else _LEAST_NOISE

    def points(self) -> tuple[Point, ...]:
        """All that was measured, by number."""
        numbers = sorted({at for at, dummy in self._all})
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
    doubt = {number: noise / math.sqrt(len(trials.fresh(number))) for number in rates}
    best = max(rates, key=lambda number: rates[number] * (1 - doubt[number]))
    # A single trial that is a little too low is no proof either way.
    again = {at: 1 + doubt[at] if len(trials.fresh(at)) > 1 else 1.0 for at in rates}
    number = min(at for at, found in rates.items() if found * again[at] >= rates[best] * (1 - gain))
    seen = trials.fresh(number) if trials.steady else trials.ever(number)
    spread = max(noise, 0.05)
    below = [found for at, found in rates.items() if at < number]
    growing = number == most and bool(below) and rates[number] > max(below) * (1 + gain)
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
