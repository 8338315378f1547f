# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a client's processors is in use, from proc(5)."""

from __future__ import annotations

import os
import resource
from typing import NamedTuple


class Use(NamedTuple):
    """Counters at one moment: s of all processors that this process may use, in use and in all;
    s of this process and of the workers that have ended."""

    busy: float
    all: float
    own: float
    processors: int


def now(table: str = "/proc/stat") -> Use:
    """The counters now."""
    allowed = os.sched_getaffinity(0)
    busy = everything = 0.0
    tick = os.sysconf("SC_CLK_TCK")
    try:
        with open(table, encoding="ascii") as stream:
            for line in stream:
                name, *values = line.split()
                if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in allowed:
                    # user nice system idle iowait irq softirq steal; guests are in user.
                    times = [int(value) for value in values[:8]]
                    everything += sum(times) / tick
                    busy += (sum(times) - sum(times[3:5])) / tick
    except (OSError, ValueError):
        pass
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return Use(busy, everything, own, len(allowed))
