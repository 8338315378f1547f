# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves a list of files with worker processes: large ones first, each alone, then small ones in
batches, within limits."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any, Callable, NamedTuple

from ..copy.contents import Throttle
from ..core.errors import IngestError
from ..core.paths import display, split
from ..core.processes import Crew, Ended, Line, Member
from ..fs.directories import DirCache
from . import leases, recovery
from .drivers.base import Driver
from .outcome import FAILED, LEASE, MOVED, OUTCOMES, Candidate, Outcome, Stop
from .under_way import UnderWay

LARGE = 64 << 20  # bytes: such a file is a batch of its own
_FILES, _BYTES = 1024, 64 << 20  # of a batch of others, at most
_ENOUGH = 20  # files that must have been tried before a share of failures counts
_LOOK = 0.5  # s


class Limits(NamedTuple):
    """When to stop: after so many files or bytes, or when more than ``errors`` percent of the files
    failed; 0: no limit. ``rate`` is bytes a second of all workers."""

    files: int = 0
    bytes: int = 0
    errors: float = 0.0
    rate: float = 0.0


class Summary:
    """What came of a run."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(OUTCOMES, 0)
        self.bytes = 0
        self.mended: list[recovery.Mended] = []
        self.stopped = ""
        self.seconds = 0.0

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.counts[outcome.outcome] += len(outcome.paths)
        self.bytes += outcome.bytes

    def too_many_errors(self, percent: float) -> bool:
        """Whether more than so many percent have failed."""
        done = sum(self.counts.values())
        failed = self.counts[FAILED]
        return bool(percent) and done >= _ENOUGH and failed * 100 > percent * done


def in_order(candidates: list[Candidate]) -> list[Candidate]:
    """Large files first, by size; then the others as they come, which keeps those of a directory
    together."""
    large = [one for one in candidates if _size(one) >= LARGE]
    return sorted(large, key=_size, reverse=True) + [
        one for one in candidates if _size(one) < LARGE
    ]


def batches(candidates: list[Candidate]) -> list[list[Candidate]]:
    """The same in batches."""
    found: list[list[Candidate]] = []
    size = 0
    for one in in_order(candidates):
        if (
            not found
            or _size(one) >= LARGE
            or size + _size(one) > _BYTES
            or len(found[-1]) >= _FILES
        ):
            found.append([])
            size = 0
        found[-1].append(one)
        size += _size(one)
    return found


def _size(one: Candidate) -> int:
    return one.known.size if one.known else 0


def check(driver: Driver, guarantee: str) -> None:
    """See that the driver can work here, and mend what killed runs left. Raises IngestError, with a
    sentence for each problem."""
    problems = driver.problems()
    if os.geteuid() != 0:
        problems.append("only root may move everybody's files: become root")
    if not problems and guarantee == LEASE and driver.guarantee() != guarantee:
        problems.append(
            "leases say nothing of others' use of these pools: guarantee: best_effort moves files "
            "that have been quiet for a while"
        )
    if problems:
        raise IngestError("; ".join(problems))


def run(
    driver: Driver,
    candidates: list[Candidate],
    workers: int,
    limits: Limits,
    record: Callable[[Outcome], None],
) -> Summary:
    """Move the files; ``record`` is told each outcome. Raises IngestError before anything is moved
    if that can't be done."""
    leases.listen()
    os.umask(0)
    summary = Summary()
    began = time.monotonic()
    summary.mended = _mend(driver)
    todo = batches(candidates)
    given_files = given_bytes = 0
    crew = Crew()
    at_work: dict[Member, list[Candidate]] = {}
    rate = limits.rate / workers if limits.rate else 0.0
    try:
        while todo or at_work:
            while todo and len(at_work) < workers and not summary.stopped:
                whole = todo.pop(0)
                batch = _within(whole, limits, given_files, given_bytes)
                if len(batch) < len(whole):
                    summary.stopped = "the limit of files or bytes is reached"
                if not batch:
                    break
                given_files += len(batch)
                given_bytes += sum(map(_size, batch))
                member = _idle(crew, at_work) or crew.add(lambda line: _work(driver, rate, line))
                at_work[member] = batch
                member.send(batch)
            if summary.stopped and not at_work:
                break
            for member in crew.wait(_LOOK):
                try:
                    outcomes: list[Outcome] = member.receive()
                except Ended as error:
                    crew.remove(member)
                    outcomes = [_lost(one, str(error)) for one in at_work.get(member, [])]
                    summary.mended += _mend(driver)
                for outcome in outcomes:
                    summary.add(outcome)
                    record(outcome)
                at_work.pop(member, None)
            if summary.too_many_errors(limits.errors) and not summary.stopped:
                summary.stopped = f"more than {limits.errors:g} percent of the files failed"
        crew.finish()
    except BaseException:
        crew.close()
        with suppress(IngestError, OSError):
            _mend(driver)  # what the workers had begun
        raise
    finally:
        crew.close()
    summary.seconds = time.monotonic() - began
    return summary


def _idle(crew: Crew, at_work: dict[Member, list[Candidate]]) -> Member | None:
    return next((one for one in crew.members if one not in at_work), None)


def _within(batch: list[Candidate], limits: Limits, files: int, size: int) -> list[Candidate]:
    """The beginning of a batch that is within the limits; a file that is over is left out."""
    found: list[Candidate] = []
    for one in batch:
        if limits.files and files + len(found) >= limits.files:
            break
        size += _size(one)
        if limits.bytes and size > limits.bytes:
            break
        found.append(one)
    return found


def _lost(one: Candidate, why: str) -> Outcome:
    return Outcome(one.paths, FAILED, 0, f"{why}: what it had begun was mended", "", None)


def _work(driver: Driver, rate: float, line: Line) -> None:
    """A worker process."""
    leases.listen()
    move = driver.mover(Throttle(rate) if rate else None)
    while True:
        batch: list[Candidate] = line.receive()
        try:
            outcomes: Any = move(batch)
        except OSError as error:
            why = error.strerror or str(error)
            outcomes = [Outcome(one.paths, FAILED, 0, why, "", None) for one in batch]
        line.tell(outcomes)


def _mend(driver: Driver) -> list[recovery.Mended]:
    mended = [one for pool in driver.mend() for one in recovery.recover(pool)]
    used = [one for one in mended if one.what == recovery.IN_USE]
    if used and driver.turns:  # which of two files users get must not change under their hands
        raise IngestError(
            f"{len(used)} files that a killed run was about are in use, the first is "
            f"'{display(used[0].path)}' ({used[0].why}): nothing is moved until they are closed"
        )
    return mended


def preview(driver: Driver, candidates: list[Candidate], limits: Limits) -> Summary:
    """What a run would do now, as far as a look tells."""
    leases.listen()
    summary = Summary()
    directories = DirCache(driver.root())
    size = 0
    for files, one in enumerate(in_order(candidates)):
        if not _within([one], limits, files, size):
            summary.stopped = "the limit of files or bytes is reached"
            break
        way = UnderWay(one, driver.guarantee() == LEASE)
        directory, name = split(one.paths[0])
        try:
            way.open(name, directories.get(directory).fd, driver.job.options.quiet, time.time())
            outcome, moved = MOVED, way.before.st_size
        except Stop as stop:
            outcome, moved = stop.outcome, 0
        except OSError:
            outcome, moved = FAILED, 0
        finally:
            way.let_go()
        size += _size(one)
        summary.counts[outcome] += len(one.paths)
        summary.bytes += moved
    directories.close()
    return summary
