# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which trials one client does, in which order: workers first, then mounts, then what tells where
the limit is, as the article has it. Runs where the orders are given."""

from __future__ import annotations

import time
from statistics import mean
from typing import Any, Callable, Dict, NamedTuple

from .limits import Steps
from .orders import COPY, READ, WRITE, Order, Outcome
from .search import Enough, Found, Trials, conclude, search, steps
from .together import mounts_to_try

RANGES = (4 << 20, 16 << 20, 64 << 20)  # bytes
MOST_AT_ONCE = 512  # workers of a client, over all mounts
_TRIALS = 60  # that there is time for in all
_LEAST_TRIALS = 18  # of one client, however slow it is
_TIMES = 8  # files that a worker copies in a trial
_SHORTEST, _LONGEST = 0.4, 5.0  # s of a trial
# Until which part of one client's time each step may begin trials.
_WORKERS, _MOUNTS, _WAYS = 0.45, 0.75, 0.92
_ROUNDS = 2  # in which each number of mounts is tried
_FAILURES = 0.1  # of the files: more, and the rates say nothing
Ask = Callable[[Order], Outcome]
Json = Dict[str, Any]


class Allowance(NamedTuple):
    """What a calibration may take: s, bytes that are written, workers on one mount; and how many of
    those s are for all clients together."""

    seconds: float
    most_bytes: int
    most_workers: int
    together: float = 0.0

    @property
    def trial(self) -> float:
        """Seconds of a trial."""
        return min(_LONGEST, max(_SHORTEST, self.seconds / _TRIALS))


class One(NamedTuple):
    """What one client found. Rates are in files/s or bytes/s, by ``bound``."""

    bound: str
    workers: Found  # on one mount
    mounts: Found
    at_once: int  # workers, over all mounts that help
    rate: float
    busy: float
    own: float
    read: float
    write: float
    ranges: tuple[tuple[int, float], ...]
    why_no_ranges: str
    over: tuple[int, float] | None  # many more workers than enough, and their rate
    mount_shares: list[list[int]]  # files and bytes over each mount, in the last trial with all
    written: int
    failed: int
    message: str

    def mount_steps(self) -> Steps:
        """The mounts' rates, as evidence."""
        points = self.mounts.points
        return Steps(tuple(point.number for point in points), tuple(each.rate for each in points))


class Failing(Exception):
    """So many files can't be copied that the rates say nothing; its text says why."""


class Bench:
    """One client, with what it may still spend."""

    def __init__(
        self, ask: Ask, bound: str, allowance: Allowance, clock: Callable[[], float]
    ) -> None:
        self._ask = ask
        self.bound = bound
        self.allowance = allowance
        self._clock = clock
        self._began = clock()
        self._until = 0.0  # s, after which no trial begins
        self.until(1.0)
        self._number = 0
        self._known: dict[tuple[str, int, int], float] = {}
        self.seconds = allowance.trial
        self._last = 0.0  # s that a trial took beyond its time
        self.outcomes: dict[tuple[int, int], list[Outcome]] = {}
        self.written = self.failed = self.files = 0
        self.message = ""

    def until(self, part: float) -> None:
        """Trials may take until so much of one client's time is over."""
        self._until = part * (self.allowance.seconds - self.allowance.together)

    def left(self) -> float:
        """Seconds."""
        return self.allowance.seconds - (self._clock() - self._began)

    def trial(
        self, kind: str, workers: int, mounts: int, range_size: int = 0, seconds: float = 0.0
    ) -> float:
        """A trial's rate. Raises Enough and Failing."""
        seconds = seconds or self.seconds
        ends = self._clock() - self._began + seconds + self._last
        if ends > self._until and self._number:
            raise Enough
        budget = self.allowance.most_bytes - self.written
        if budget <= 0 and kind != READ:
            raise Enough
        order = Order(
            self._number,
            kind,
            self.bound,
            workers,
            mounts,
            seconds,
            self._expected(kind, workers, mounts),
            most_bytes=max(budget, 1),
            range_size=range_size,
        )
        self._number += 1
        begun = self._clock()
        outcome = self._ask(order)
        took = self._clock() - begun
        self._last = 0.5 * self._last + 0.5 * max(0.0, took - seconds)
        self._count(order, outcome)
        rate = outcome.rate(self.bound)
        self._known[kind, workers, mounts] = rate
        if kind == COPY and not range_size:
            self.outcomes.setdefault((workers, mounts), []).append(outcome)
        return rate

    def probe(self, workers: int) -> None:
        """The first trial, which is slow, and tells how long the others must be: such that each
        worker does something several times."""
        rate = self.trial(COPY, workers, 1, seconds=self.allowance.trial / 2)
        if self.bound == "files":
            own = self.allowance.seconds - self.allowance.together
            wanted = _TIMES * workers / max(rate, 1e-3)
            self.seconds = min(max(self.seconds, wanted), max(self.seconds, own / _LEAST_TRIALS))

    def _count(self, order: Order, outcome: Outcome) -> None:
        if order.kind != READ:
            self.written += max(outcome.written, outcome.bytes)
        self.files += outcome.files
        self.failed += outcome.failed
        self.message = self.message or outcome.message
        if outcome.failed > 3 and outcome.failed > _FAILURES * (outcome.files + outcome.failed):
            raise Failing(outcome.message)

    def _expected(self, kind: str, workers: int, mounts: int) -> float:
        """What the trial may come to, from what is known nearest to it."""
        known = [
            (abs(at * over - workers * mounts), rate * min(2.0, max(0.5, workers / at)))
            for (how, at, over), rate in self._known.items()
            if how in (kind, COPY)
        ]
        return min(known)[1] if known else 0.0


def calibrate_one(
    ask: Ask,
    bound: str,
    mounts: int,
    allowance: Allowance,
    large_files: int = 0,
    reads: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[One, Bench]:
    """All trials of one client.

    Args:
        mounts: how many it has.
        large_files: how many files of the sample are large enough for ranges.
        reads: whether there is a source to read.

    Raises:
        Failing: files can't be copied.
    """
    bench = Bench(ask, bound, allowance, clock)
    most = allowance.most_workers
    bench.probe(min(4, most))
    bench.until(_WORKERS)
    workers = search(lambda number: bench.trial(COPY, number, 1), most)
    if not workers.number:
        workers = conclude(_single(bench, 1), most, complete=False)
    each = max(1, workers.number)
    bench.until(_MOUNTS)
    tried = _try_mounts(bench, workers, each, mounts)
    found = conclude(tried, mounts, complete=bool(tried.points()))
    use = max(1, found.number)
    at_once = _at_once(each, use)
    rate = found.rate or workers.rate
    bench.until(_WAYS)
    read, write = _ways(bench, at_once, use, reads)
    over = _over(bench, workers, most)
    bench.until(1.0)
    ranges, why = _ranges(bench, at_once, use, large_files, rate)
    outcomes = bench.outcomes.get((at_once, use)) or bench.outcomes.get((each, 1)) or []
    return (
        One(
            bound,
            workers,
            found,
            at_once,
            rate,
            mean(outcome.busy for outcome in outcomes) if outcomes else 0.0,
            mean(outcome.own for outcome in outcomes) if outcomes else 0.0,
            read,
            write,
            ranges,
            why,
            over,
            outcomes[-1].mounts if outcomes else [],
            bench.written,
            bench.failed,
            bench.message,
        ),
        bench,
    )


def _try_mounts(bench: Bench, workers: Found, each: int, mounts: int) -> Trials:
    """Rates by the number of mounts: all of them first, then fewer, and back. That of one is known
    from the search."""
    tried = Trials(lambda number: bench.trial(COPY, _at_once(each, number), number))
    for point in workers.points:
        if point.number == each:
            for rate in point.rates[-2:]:
                tried.add(1, rate)
    numbers = mounts_to_try(mounts)[::-1] if mounts > 1 else [1]
    try:
        for turn in range(_ROUNDS):
            for number in numbers if turn % 2 == 0 else reversed(numbers):
                if turn or number > 1:
                    tried.measure(number)
    except Enough:
        pass
    return tried


def _at_once(workers: int, mounts: int) -> int:
    return min(workers * mounts, max(MOST_AT_ONCE, workers))


def _single(bench: Bench, number: int) -> Trials:
    """The probe's rate, where there was no time for more."""
    known = [rate for points in bench.outcomes.values() for rate in (points[0].rate(bench.bound),)]
    trials = Trials(lambda _number: known[0])
    trials.measure(number)
    return trials


def _ways(bench: Bench, workers: int, mounts: int, reads: bool) -> tuple[float, float]:
    """Rates of only reading and of only writing, in turn."""
    found: dict[str, list[float]] = {READ: [], WRITE: []}
    try:
        for kinds in ((READ, WRITE), (WRITE, READ)):
            for kind in kinds:
                if kind == WRITE or reads:
                    found[kind].append(bench.trial(kind, workers, mounts))
    except Enough:
        pass
    return mean(found[READ] or [0.0]), mean(found[WRITE] or [0.0])


def _over(bench: Bench, workers: Found, most: int) -> tuple[int, float] | None:
    """What many more workers than enough cost: measured already, or now."""
    many = [point for point in workers.points if point.number >= 2 * workers.number]
    if many:
        return many[-1].number, many[-1].rate
    number = min(most, workers.number * 2)
    if number <= workers.number:
        return None
    try:
        return number, bench.trial(COPY, number, 1)
    except Enough:
        return None


def _ranges(
    bench: Bench, workers: int, mounts: int, large_files: int, rate: float
) -> tuple[tuple[tuple[int, float], ...], str]:
    """Rates by the size of ranges, and why there are none."""
    if bench.bound != "bytes":
        return (), "small files are not copied in ranges"
    if not large_files:
        return (), "no file of the sample is large enough for ranges"
    # A worker must do several in a trial, or its last one decides.
    amount = rate * bench.seconds
    sizes = [size for size in RANGES if 2 * size * workers <= 2 * amount]
    if len(sizes) < 2:
        return (), "ranges of different sizes take longer here than a trial"
    tried = steps(lambda size: bench.trial(COPY, workers, mounts, range_size=size), sizes)
    return tuple((point.number, point.rate) for point in tried.points()), ""
