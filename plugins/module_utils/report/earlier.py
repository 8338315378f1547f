# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last runs to the same destinations: their folders lie beside the run's own."""

from __future__ import annotations

import os
from typing import Any, Dict, NamedTuple

from ..core.errors import IngestError
from ..core.units import duration
from ..plan.cost import cost_of
from .stats import STATS
from .stored import stats_of

_LOOKED_AT = 50  # the newest
_TAKEN = 5
_ALIKE = 4.0  # times as large are the files of runs that say much of each other
_LEAST = 1.0  # s of a copy that says something

Json = Dict[str, Any]


class Estimate(NamedTuple):
    """How long a copy will take, in s, at least and at most, by so many runs."""

    low: float
    high: float
    runs: list[str]

    def sentence(self) -> str:
        """In words."""
        low, high = duration(self.low), duration(self.high)
        took = f"about {low}" if low == high else f"{low} to {high}"
        by = "the last run" if len(self.runs) == 1 else f"the last {len(self.runs)} runs"
        return f"The copy will take {took}, by {by} to this destination."

    def to_json(self) -> Json:
        """As stats.json holds it."""
        return {"low": round(self.low, 1), "high": round(self.high, 1), "runs": self.runs}


class Run(NamedTuple):
    """What is taken of a run's statistics. ``clients`` copied something, each over up to so many
    ``mounts``; rates are those of all together, by a second."""

    run_id: str
    method: str
    bound: str
    files: int
    bytes: int
    copy_seconds: float
    clients: int
    mounts: int

    @classmethod
    def of(cls, stats: Json) -> Run:
        """Raises KeyError, TypeError, ValueError or AttributeError if they are no statistics."""
        hosts = stats["hosts"].values()
        return cls(
            str(stats["run_id"]),
            str(stats["method"]),
            str(stats["bound"]),
            int(stats["files"]),
            int(stats["bytes"]),
            float(stats["copy_seconds"]),
            sum(1 for host in hosts if host["files"] or host["bytes"]) or 1,
            max((len(host["mounts"]) for host in hosts), default=0),
        )

    @property
    def rate(self) -> float:
        """The one that matters: files or bytes a second."""
        amount = self.bytes if self.bound == "bytes" else self.files
        return amount / self.copy_seconds if self.copy_seconds else 0.0

    def like(self, files: int, size: int) -> bool:
        """Whether its files are of about the size of those."""
        means = [
            number[1] / number[0] + 1e4 if number[0] else 1e4
            for number in ((self.files, self.bytes), (files, size))
        ]
        return max(means) <= _ALIKE * min(means)


def earlier(folder: str, destinations: list[str] | None, begun: float) -> list[Run]:
    """The last runs beside ``folder`` that copied something to one of these destinations, and ended
    before ``begun`` (epoch s), the newest first. What can't be read is no such run."""
    found = []
    for path in _newest(folder):
        try:
            stats = stats_of(path)
            ended = stats["shards"]["done"] == stats["shards"]["total"] and not stats["check"]
            ended = ended and stats["finished"] <= begun
            if not ended or not set(stats["destinations"]) & set(destinations or ()):
                continue
            run = Run.of(stats)
        except (IngestError, KeyError, TypeError, ValueError, AttributeError):
            continue
        if run.files and run.copy_seconds >= _LEAST:
            found.append(run)
    return found


def _newest(folder: str) -> list[str]:
    beside = os.path.dirname(os.path.abspath(folder))
    times: list[tuple[float, str]] = []
    try:
        with os.scandir(beside) as entries:
            for entry in entries:
                if os.path.abspath(entry.path) != os.path.abspath(folder):
                    try:
                        time = os.stat(os.path.join(entry.path, STATS)).st_mtime
                    except OSError:
                        continue
                    times.append((time, entry.path))
    except OSError:
        return []
    return [path for _time, path in sorted(times, reverse=True)[:_LOOKED_AT]]


def estimate(files: int, size: int, clients: int, method: str, runs: list[Run]) -> Estimate | None:
    """How long so many clients will take to copy so much, by earlier runs with the method; None if
    none is known. Those with files of about this size count, if there are such."""
    same = [run for run in runs if run.method == method]
    chosen = ([run for run in same if run.like(files, size)] or same)[:_TAKEN]
    if not chosen or not files:
        return None
    seconds = [
        run.copy_seconds
        * (cost_of(files, size) / cost_of(run.files, run.bytes))
        * (run.clients / max(1, clients))
        for run in chosen
    ]
    return Estimate(min(seconds), max(seconds), [run.run_id for run in chosen])
