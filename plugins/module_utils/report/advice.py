# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kept a run from being faster, and what would make the next one so: each with what was
measured. What was not measured is not said."""

from __future__ import annotations

from typing import Any, Dict, Iterator, NamedTuple, Sequence

from ..core.units import duration, megabytes, significant
from ..core.vocabulary import REMEDIES, Limit
from ..plan import results
from ..plan.results import AtWork, Ranges
from ..plan.store import PlanStore
from .earlier import Run

SHORT = 10.0  # s of a copy that are too few to tell
_MEASURED = 3.0  # s with a number of workers that say something
_GAIN = 1.1  # times as fast: more helps
_FULL = 0.9  # of the processors' time
_UNEVEN = 0.15  # of the copy's time that the clients waited for the last one
_SLOW_MOUNT = 0.5  # of what the others did
_BETTER = 1.2  # times as fast: another method
_SHORT_RANGE = 0.25  # s, on average

Json = Dict[str, Any]


class Hint(NamedTuple):
    """What to change, a sentence with what was measured, and its numbers."""

    change: str
    text: str
    measured: dict[str, float]

    def to_json(self) -> Json:
        """As stats.json holds it."""
        return self._asdict()


def advice(store: PlanStore, stats: Json, runs: Sequence[Run]) -> Json:
    """``limit`` (a word of :class:`..core.vocabulary.Limit`, None if nothing was measured),
    ``because`` in words, ``measured`` and ``next``: the hints.

    Args:
        runs: earlier runs to this destination, the newest first.
    """
    if stats["check"] or stats["copy_seconds"] < SHORT or not stats["files"]:
        return {"limit": None, "because": "", "measured": {}, "next": []}
    by_number = [found for found in results.at_work(store) if found.seconds >= _MEASURED]
    busy = _busy(store)
    limit, because, measured = _limit(stats, by_number, busy, runs)
    first = Hint(_CHANGES[limit], f"{REMEDIES[limit]}: {because}", measured)
    hints = [] if limit == Limit.UNCLEAR else [first]
    hints += _others(stats, results.ranges(store), runs)
    return {
        "limit": limit,
        "because": because,
        "measured": measured,
        "next": [hint.to_json() for hint in hints],
    }


_CHANGES = {
    Limit.LATENCY: "workers",
    Limit.PROCESSOR: "clients",
    Limit.LINK: "clients",
    Limit.ADDRESS: "mounts",
    Limit.CLUSTER: "cluster",
    Limit.SOURCE: "source",
    Limit.UNCLEAR: "calibrate",
}


def _busy(store: PlanStore) -> float | None:
    """How busy the clients' processors were, on average."""
    parts = [host.processors for host in results.hosts(store) if host.processors is not None]
    return sum(parts) / len(parts) if parts else None


def _limit(
    stats: Json, by_number: list[AtWork], busy: float | None, runs: Sequence[Run]
) -> tuple[str, str, dict[str, float]]:
    measured: dict[str, float] = {}
    if busy is not None:
        measured["processors_busy"] = round(busy, 3)
        if busy >= _FULL:
            because = f"the clients' processors were {busy:.0%} busy"
            return Limit.PROCESSOR, because, measured
    sentence, gain = _of_workers(stats, by_number, measured)
    if gain >= _GAIN:
        return Limit.LATENCY, sentence, measured
    for limit, because, numbers in _compared(stats, runs):
        return limit, because, {**measured, **numbers}
    parts = [sentence] if sentence else []
    if busy is not None:
        parts.append(f"the clients' processors were {busy:.0%} busy")
    because = "; ".join(parts) or "only one number of workers, mounts and clients was tried"
    return Limit.UNCLEAR, because, measured


def _of_workers(
    stats: Json, by_number: list[AtWork], measured: dict[str, float]
) -> tuple[str, float]:
    """What the largest numbers of workers that were tried did, and the gain of the last step."""
    if len(by_number) < 2:
        return "", 0.0
    fewer, most = sorted(by_number, key=lambda found: found.workers)[-2:]
    rates = [_rate_of(stats, found) for found in (fewer, most)]
    best = max(by_number, key=lambda found: _rate_of(stats, found))
    for found, rate in zip((fewer, most), rates):
        measured[f"rate_with_{found.workers}_workers"] = round(rate, 3)
    gain = rates[1] / rates[0] if rates[0] and best is most else 0.0
    told = [
        f"{found.workers} workers {_rate(stats, rate)}" for found, rate in zip((fewer, most), rates)
    ]
    return f"a client did with {told[0]}, with {told[1]}", gain


def _compared(stats: Json, runs: Sequence[Run]) -> Iterator[tuple[str, str, dict[str, float]]]:
    """What earlier runs say, that differ in the number of mounts or of clients alone."""
    this = Run.of(stats)
    mine = (this.clients, this.mounts)
    for run in runs:
        if run.method != this.method or run.bound != this.bound or not this.rate:
            continue
        if not run.like(this.files, this.bytes):
            continue
        other = (run.clients, run.mounts)
        if other[0] == mine[0] and other[1] != mine[1]:
            what, number = "mounts", 1
        elif other[1] == mine[1] and other[0] != mine[0]:
            what, number = "clients", 0
        else:
            continue
        few, many = sorted(((mine[number], this.rate), (other[number], run.rate)))
        gain, times = many[1] / few[1], many[0] / few[0]
        told = (
            f"{few[0]} {what if few[0] > 1 else what[:-1]} did {_rate(stats, few[1])}, "
            f"{many[0]} {what} {_rate(stats, many[1])} (run {run.run_id})"
        )
        numbers = {f"rate_with_{n}_{what}": round(rate, 3) for n, rate in (few, many)}
        if gain >= 1 + (times - 1) / 2:
            yield (Limit.ADDRESS if what == "mounts" else Limit.LINK), told, numbers
        elif what == "clients" and gain < _GAIN:
            yield Limit.CLUSTER, told, numbers


def _others(stats: Json, ranges: Ranges, runs: Sequence[Run]) -> Iterator[Hint]:
    """What else cost time."""
    yield from _slow_mounts(stats)
    ends = [host["copy_seconds"] for host in stats["hosts"].values() if host["copy_seconds"]]
    waited = 1 - sum(ends) / len(ends) / max(ends) if len(ends) > 1 else 0.0
    if waited > _UNEVEN:
        yield Hint(
            "split",
            f"ingest_split dynamic, or smaller shards: the clients waited {waited:.0%} of the "
            "copy's time for the last one",
            {"waited": round(waited, 3)},
        )
    if ranges.number > 100 and ranges.seconds / ranges.number < _SHORT_RANGE:
        each = ranges.seconds / ranges.number
        yield Hint(
            "ranges",
            f"larger ranges (ingest_range_size): each took {each:.2f} s",
            {"ranges": ranges.number, "seconds_each": round(each, 3)},
        )
    for step, change, text in (
        ("scan_seconds", "scan", "more ingest_scan_workers, or a host nearer to the source"),
        ("check_seconds", "check", "ingest_verify metadata, if it is checksum; more clients"),
    ):
        if stats[step] > stats["copy_seconds"]:
            word = step.partition("_")[0]
            took = f"the {word} took {duration(stats[step])}"
            copy = duration(stats["copy_seconds"])
            numbers = {step: stats[step], "copy_seconds": stats["copy_seconds"]}
            yield Hint(change, f"{text}: {took}, the copy {copy}", numbers)
    yield from _other_method(stats, runs)


def _slow_mounts(stats: Json) -> Iterator[Hint]:
    sums: dict[str, int] = {}
    for host in stats["hosts"].values():
        for mount, amounts in host["mounts"].items():
            sums[mount] = sums.get(mount, 0) + amounts[stats["bound"]]
    if len(sums) < 2:
        return
    slow, least = min(sums.items(), key=lambda item: item[1])
    mean = (sum(sums.values()) - least) / (len(sums) - 1)
    if mean and least < _SLOW_MOUNT * mean:
        yield Hint(
            "mounts",
            f"look at the address of {slow}: it took {least / mean:.0%} of what the other mounts "
            "took",
            {"part_of_the_others": round(least / mean, 3)},
        )


def _other_method(stats: Json, runs: Sequence[Run]) -> Iterator[Hint]:
    this = Run.of(stats)
    others = [
        run
        for run in runs
        if run.method != this.method
        and run.bound == this.bound
        and run.like(this.files, this.bytes)
    ]
    best = max(others, key=lambda run: run.rate / run.clients, default=None)
    mine = this.rate / this.clients
    if best and mine and best.rate / best.clients >= _BETTER * mine:
        other = best.rate / best.clients
        yield Hint(
            "method",
            f"ingest_method {best.method}: a client did {_rate(stats, other)} with it (run "
            f"{best.run_id}), here {_rate(stats, mine)}",
            {f"rate_with_{best.method}": round(other, 3), "rate": round(mine, 3)},
        )


def _rate_of(stats: Json, found: AtWork) -> float:
    return float(getattr(found, stats["bound"])) / found.seconds


def _rate(stats: Json, rate: float) -> str:
    if stats["bound"] == "bytes":
        return f"{megabytes(rate)} MB/s"
    return f"{significant(rate)} files/s"


def sentences(found: Json) -> list[str]:
    """What there is to say, for people."""
    if not found["limit"]:
        return []
    said = [f"What limited this run: {found['limit']}; {found['because']}."]
    if found["limit"] == Limit.UNCLEAR:
        said = [
            f"What limited this run is unclear: {found['because']}. "
            "A run with more mounts, or with more clients, would show it."
        ]
    for hint in found["next"]:
        text = hint["text"]
        if text.endswith(found["because"]):  # it has been said
            text = text[: -len(found["because"]) - 2]
        said.append(f"Next time: {text}.")
    return said
