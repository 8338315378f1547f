# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to set after a calibration, how long the ingest will take, and all of it as JSON."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, NamedTuple, Sequence

from ..core.units import duration, megabytes, significant, size
from ..core.vocabulary import REMEDIES
from .limits import Evidence, Steps, diagnose
from .search import GAIN, Found
from .strategy import One

Json = Dict[str, Any]
_DEFAULT_RANGE = 16 << 20  # bytes; another one must be faster by more than GAIN
_LEAST_SPREAD = 0.1


class Whole(NamedTuple):
    """What is to be ingested, if that is known from an index."""

    files: int
    bytes: int


class Clients(NamedTuple):
    """What clients did together: for each number the rates, and what they read together; the
    hosts that took part, in the order in which they joined."""

    found: Found | None
    read: float
    hosts: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def steps(self) -> Steps:
        """As evidence."""
        if self.found is None:
            return Steps()
        return Steps(
            tuple(point.number for point in self.found.points),
            tuple(point.rate for point in self.found.points),
        )


def evidence_of(one: One, clients: Clients) -> Evidence:
    """What the trials say together."""
    return Evidence(
        one.rate,
        one.workers.growing,
        one.busy,
        one.mount_steps(),
        clients.steps(),
        one.read,
        one.write,
        clients.read,
    )


def variables(one: One, clients: Clients, destinations: Sequence[str]) -> dict[str, Any]:
    """The variables of an ingest that is as fast as it can be here."""
    found: dict[str, Any] = {"ingest_workers": one.at_once}
    if 0 < one.mounts.number < len(destinations) and one.mounts.complete:
        found["ingest_destinations"] = list(destinations[: one.mounts.number])
    best = best_range(one)
    if best:
        found["ingest_range_size"] = best
    return found


def best_range(one: One) -> int:
    """Bytes; 0 if it was not measured."""
    if not one.ranges:
        return 0
    rates = dict(one.ranges)
    best = max(rates, key=lambda size: rates[size])
    usual = rates.get(_DEFAULT_RANGE, 0.0)
    return best if rates[best] > usual * (1 + GAIN) else _DEFAULT_RANGE


def fleet_rate(one: One, clients: Clients) -> tuple[float, float]:
    """The lowest and the highest rate that the ingest may have with all that was measured."""
    if clients.found is not None and clients.found.points:
        last = clients.found.points[-1]
        rates = [*last.rates, last.rate * (1 - _LEAST_SPREAD), last.rate * (1 + _LEAST_SPREAD)]
        noise = clients.found.noise
        return min(rates) / (1 + noise), max(rates) * (1 + noise)
    found = one.mounts if one.mounts.rate else one.workers
    return (
        min(found.low, found.rate * (1 - _LEAST_SPREAD)),
        max(found.high, found.rate * (1 + _LEAST_SPREAD)),
    )


def estimate(one: One, clients: Clients, whole: Whole | None) -> tuple[float, float] | None:
    """Between how many s and how many the copy takes; None if nobody has scanned the source."""
    if whole is None:
        return None
    low, high = fleet_rate(one, clients)
    amount = whole.files if one.bound == "files" else whole.bytes
    return amount / max(high, 1e-9), amount / max(low, 1e-9)


def rate_text(rate: float, bound: str) -> str:
    """``1,250 files/s`` or ``25.7 MB/s``."""
    return f"{significant(rate)} files/s" if bound == "files" else f"{megabytes(rate)} MB/s"


def result(
    one: One, clients: Clients, whole: Whole | None, destinations: Sequence[str], seconds: float
) -> Json:
    """All that came of a calibration, JSON-ready. Rates in files/s or bytes/s, by ``bound``."""
    verdict = diagnose(evidence_of(one, clients))
    expected = estimate(one, clients, whole)
    low, high = fleet_rate(one, clients)
    return {
        "bound": one.bound,
        "workers": one.at_once,
        "workers_per_mount": one.workers.number,
        "mounts": max(1, one.mounts.number),
        "mounts_tried": max((point.number for point in one.mounts.points), default=1),
        "clients": clients.found.number if clients.found else 1,
        "clients_tried": len(clients.hosts) or 1,
        "hosts": list(clients.hosts),
        "range_size": best_range(one),
        "limit": verdict.limit,
        "because": list(verdict.because),
        "remedy": REMEDIES[verdict.limit],
        "rate": (low + high) / 2,
        "rate_low": low,
        "rate_high": high,
        "rate_of_one": one.rate,
        "estimate": {"low": expected[0], "high": expected[1]} if expected else None,
        "over": {"workers": one.over[0], "rate": one.over[1]} if one.over else None,
        "best_on_one_mount": one.workers.rate,
        "noise": max(one.workers.noise, one.mounts.noise),
        "steady": one.workers.steady and one.mounts.steady,
        "complete": one.workers.complete,
        "growing": one.workers.growing,
        "busy": one.busy,
        "own": one.own,
        "read": one.read,
        "write": one.write,
        "read_together": clients.read,
        "ranges": [list(each) for each in one.ranges],
        "why_no_ranges": one.why_no_ranges,
        "mount_shares": one.mount_shares,
        "curves": {
            "workers": _curve(one.workers),
            "mounts": _curve(one.mounts),
            "clients": _curve(clients.found) if clients.found else [],
        },
        "whole": whole._asdict() if whole else None,
        "variables": variables(one, clients, destinations),
        "notes": [*clients.notes, *_notes(one)],
        "written": one.written,
        "failed": one.failed,
        "failure": one.message,
        "seconds": round(seconds, 1),
    }


def _curve(found: Found) -> list[list[Any]]:
    return [[point.number, point.rate, list(point.rates)] for point in found.points]


def _notes(one: One) -> list[str]:
    notes = []
    if not one.workers.complete:
        notes.append("the search for the number of workers ended early: it had no more time")
    if not (one.workers.steady and one.mounts.steady):
        notes.append("the same trial gave other rates later: something else uses what is measured")
    if one.failed:
        notes.append(f"{one.failed} files could not be copied, the first {one.message}")
    return notes


def sentences(found: Json) -> list[str]:
    """The outcome for a terminal."""
    bound = found["bound"]
    lines = [
        f"What counts here is {bound} a second: {rate_text(found['rate_low'], bound)} to "
        f"{rate_text(found['rate_high'], bound)}.",
        f"{found['workers_per_mount']} workers on each mount are enough, {found['mounts']} of "
        f"{found['mounts_tried']} mounts help, and {found['clients']} of {found['clients_tried']} "
        "clients.",
        f"The limit is: {found['limit']}, as {'; '.join(found['because'])}."
        f" What would help: {found['remedy']}.",
    ]
    over = found["over"]
    if over and found["best_on_one_mount"]:
        change = over["rate"] / found["best_on_one_mount"] - 1
        lines.append(
            f"{over['workers']} workers on one mount instead: {rate_text(over['rate'], bound)}, "
            f"{change * 100:+.0f} %."
        )
    expected, whole = found["estimate"], found["whole"]
    if expected and whole:
        lines.append(
            f"To copy all {whole['files']:,} files, {size(whole['bytes'])}, takes "
            f"{duration(expected['low'])} to {duration(expected['high'])}, without the scan and "
            "the second pass."
        )
    return [*lines, *(f"Note: {note}." for note in found["notes"])]


def file_text(found: Json, when: float) -> str:
    """A file of variables for ``-e @FILE``."""
    lines = [
        "---",
        f"# Found by calibrate.yml, {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(when))}.",
    ]
    lines += [f"# {_plain(line)}" for line in sentences(found)]
    for name, value in found["variables"].items():
        lines.append(f"{name}: {json.dumps(value)}")
    if found["clients"] < found["clients_tried"]:
        hosts = ":".join(found["hosts"][: found["clients"]])
        lines.append(f"# These clients are enough: --limit {json.dumps(hosts)}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """One line of a comment, whatever names are in it."""
    return "".join(c if c.isprintable() else " " for c in text)
