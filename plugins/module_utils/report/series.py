# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report's charts are drawn from: the clients' progress, the sizes of the files."""

from __future__ import annotations

import math
import os
import sqlite3
from typing import Iterator, NamedTuple

from ..index.reader import MAX_SHARDS, shard_path
from ..plan import results
from ..plan.results import Sample
from ..plan.store import PlanStore


class Bucket(NamedTuple):
    """Regular files of ``low`` bytes up to, not including, ``high``: how many, and their bytes."""

    low: int
    high: int
    files: int
    bytes: int


def histogram(folder: str) -> list[Bucket]:
    """The sizes of an index's regular files in powers of two, from the smallest bucket in use to
    the largest; empty files have a bucket of their own."""
    counts: dict[int, tuple[int, int]] = {}
    cases = " ".join(f"WHEN size < {1 << power} THEN {power}" for power in range(63))
    query = (
        f"SELECT CASE {cases} ELSE 63 END AS bucket, count(*), total(size) "
        "FROM entries WHERE type = 'f' GROUP BY bucket"
    )
    for number in range(MAX_SHARDS):
        path = shard_path(folder, number)
        if not os.path.isfile(path):
            break
        db = sqlite3.connect(f"file:{_quoted(path)}?mode=ro&immutable=1", uri=True)
        try:
            for bucket, files, size in db.execute(query):
                before = counts.get(bucket, (0, 0))
                counts[bucket] = before[0] + files, before[1] + int(size)
        finally:
            db.close()
    if not counts:
        return []
    return [
        Bucket(1 << power >> 1, 1 << power, *counts.get(power, (0, 0)))
        for power in range(min(counts), max(counts) + 1)
    ]


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


class Series(NamedTuple):
    """A client's progress: in each interval so many files and bytes."""

    host: str
    files: list[float]
    bytes: list[float]


def throughput(store: PlanStore, intervals: int = 120) -> tuple[float, list[Series]]:
    """``(seconds of one interval, one series a client)``, over the time from the first sample to
    the last, in at most ``intervals`` steps of whole seconds, or of half a second in a short run.

    What came between two samples is spread evenly over the time between them.
    """
    start, end = results.sampled(store) or (0.0, 0.0)
    if end <= start:
        return 0.0, []
    width = 0.5 if end - start <= 30 else float(math.ceil((end - start) / intervals))
    steps = math.ceil((end - start) / width)
    series: dict[str, Series] = {}
    before = Sample("", 0.0, 0, 0)
    for sample in results.samples(store, start, width):
        host = sample.host
        if host not in series:
            series[host] = Series(host, [0.0] * steps, [0.0] * steps)
            before = Sample(host, sample.time, 0, 0)
        if sample.files < before.files or sample.bytes < before.bytes:  # it started anew
            before = Sample(host, before.time, 0, 0)
        for step, share in _spread(
            (before.time - start) / width, (sample.time - start) / width, steps
        ):
            series[host].files[step] += (sample.files - before.files) * share
            series[host].bytes[step] += (sample.bytes - before.bytes) * share
        before = sample
    return width, list(series.values())


def _spread(first: float, last: float, steps: int) -> Iterator[tuple[int, float]]:
    """The steps that a time (in steps) touches, each with its part of that time."""
    for step in range(min(int(first), steps - 1), min(int(last), steps - 1) + 1):
        overlap = min(last, step + 1) - max(first, step)
        yield step, overlap / (last - first) if last > first else 1.0
