# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report's charts are drawn from: the clients' progress, the sizes of the files."""

from __future__ import annotations

import math
from typing import Iterator, NamedTuple

from ..plan import results
from ..plan.results import Sample
from ..plan.store import PlanStore


class Series(NamedTuple):
    """A client's progress: in each interval so many files and bytes, by so many workers."""

    host: str
    files: list[float]
    bytes: list[float]
    workers: list[int]


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
    before = Sample("", 0.0, 0, 0, 0)
    for sample in results.samples(store, start, width):
        host = sample.host
        if host not in series:
            series[host] = Series(host, [0.0] * steps, [0.0] * steps, [0] * steps)
            before = sample._replace(files=0, bytes=0)
        if sample.files < before.files or sample.bytes < before.bytes:  # it started anew
            before = before._replace(files=0, bytes=0)
        for step, share in _spread(
            (before.time - start) / width, (sample.time - start) / width, steps
        ):
            series[host].files[step] += (sample.files - before.files) * share
            series[host].bytes[step] += (sample.bytes - before.bytes) * share
            series[host].workers[step] = sample.workers
        before = sample
    return width, list(series.values())


def _spread(first: float, last: float, steps: int) -> Iterator[tuple[int, float]]:
    """The steps that a time (in steps) touches, each with its part of that time."""
    for step in range(min(int(first), steps - 1), min(int(last), steps - 1) + 1):
        overlap = min(last, step + 1) - max(first, step)
        yield step, overlap / (last - first) if last > first else 1.0
