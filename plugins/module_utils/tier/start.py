# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module ``tier_migrate`` does on a host: a job from its options, checked, run."""

from __future__ import annotations

import json
import os
from typing import Any, Iterator, NamedTuple

from ..core.errors import IngestError
from ..core.paths import display, to_bytes, to_text
from ..core.units import human, rate
from ..fs.worker_count import workers, workers_for
from .batch import Options
from .drivers.base import Driver, Job, Pool
from .drivers.registry import driver_of
from .outcome import CHANGED, FAILED, HOT, MOVED, SKIPPED, Candidate, Outcome
from .run import Limits, Summary, check, preview, run

_RETURNED = 100  # failures that are returned in full


class Wanted(NamedTuple):
    """The module's options."""

    driver: Driver
    candidates: list[Candidate]
    workers: int
    limits: Limits
    results: str


def wanted(options: dict[str, Any]) -> Wanted:
    """Read the options. Raises IngestError."""
    pools = [_pool(options[side]) for side in ("source", "target")]
    path = to_bytes(options["path"])
    job = Job(
        os.path.realpath(path),
        pools[0],
        pools[1],
        Options(options["quiet"], options["grace"]),
        options["guarantee"],
    )
    driver = driver_of(options["driver"], job)
    candidates = [Candidate.from_json(line) for line in options["files"] or []]
    if options["list"]:
        candidates += list(_read(options["list"]))
    processes, dummy = workers_for([driver.root()], workers(options["workers"]))
    limits = Limits(
        options["limit_files"],
        options["limit_bytes"],
        _percent(str(options["limit_errors"])),
        rate(str(options["rate"]), "rate"),
    )
    return Wanted(driver, candidates, processes, limits, options["results"] or "")


def _percent(text: str) -> float:
    """5 of 5% or 5. Raises IngestError."""
    try:
        number = float(text.strip().rstrip("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise IngestError(f"limit_errors: '{text}' is no number of percent such as 5%")
    return number


def _pool(given: dict[str, Any]) -> Pool:
    settings = {name: str(value) for name, value in given.items() if value is not None}
    path = to_bytes(settings.get("path", ""))
    return Pool(settings.get("name", "?"), os.path.realpath(path) if path else b"", settings)


def _read(path: str) -> Iterator[Candidate]:
    """A list: a JSON object a line."""
    try:
        with open(path, encoding="ascii") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield Candidate.from_json(json.loads(line))
                except ValueError as error:
                    raise IngestError(f"{path}, line {number}: {error}") from error
    except (OSError, UnicodeError) as error:
        raise IngestError(f"{path} can't be read: {error}") from error


def migrate(options: dict[str, Any], looking_only: bool) -> dict[str, Any]:
    """Move the files, or say what would be done; the module's answer. Raises IngestError."""
    what = wanted(options)
    check(what.driver, options["guarantee"])
    _room(what)
    failures: list[dict[str, Any]] = []
    if looking_only:
        summary = preview(what.driver, what.candidates, what.limits)
        return _answer(what, summary, failures)
    results = _Results(what.results)

    def record(outcome: Outcome) -> None:
        results.write(outcome)
        if outcome.outcome == FAILED and len(failures) < _RETURNED:
            failures.append({"path": display(outcome.paths[0]), "message": outcome.why})

    try:
        summary = run(what.driver, what.candidates, what.workers, what.limits, record)
    finally:
        results.close()
    return _answer(what, summary, failures)


def _room(what: Wanted) -> None:
    """Raises IngestError if the target pool can't take the files."""
    pool = what.driver.job.target
    if not pool.path:
        return  # the pools share a file system, which says nothing of one of them
    size = sum(one.known.size for one in what.candidates if one.known)
    if what.limits.bytes:
        size = min(size, what.limits.bytes)
    found = os.statvfs(pool.path)
    free = found.f_bavail * found.f_frsize
    if size > free:
        raise IngestError(
            f"tier_pools: {pool.name}: {display(pool.path)} has {human(free)} free, and "
            f"{human(size)} are to be moved there: nothing was moved"
        )


def _answer(what: Wanted, summary: Summary, failures: list[dict[str, Any]]) -> dict[str, Any]:
    counts = summary.counts
    return {
        "moved": counts[MOVED],
        "hot": counts[HOT],
        "outdated": counts[CHANGED],  # "changed" is Ansible's own
        "skipped": counts[SKIPPED],
        "failures_total": counts[FAILED],
        "bytes": summary.bytes,
        "seconds": round(summary.seconds, 3),
        "guarantee": what.driver.guarantee(),
        "stopped": summary.stopped,
        "mended": [
            {"path": to_text(one.path), "what": one.what, "message": one.why}
            for one in summary.mended
        ],
        "failures": failures,
        "results": what.results,
    }


class _Results:
    """The file of outcomes, a JSON object a line; none without a name."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stream = None
        try:
            if path:
                self._stream = open(path, "w", encoding="ascii")
        except OSError as error:
            raise IngestError(f"{path} can't be written: {error.strerror}") from error

    def write(self, outcome: Outcome) -> None:
        """Write one. Raises IngestError."""
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(outcome.to_json()) + "\n")
            self._stream.flush()
        except OSError as error:
            raise IngestError(f"{self._path} can't be written: {error.strerror}") from error

    def close(self) -> None:
        """Close it."""
        if self._stream is not None:
            self._stream.close()
