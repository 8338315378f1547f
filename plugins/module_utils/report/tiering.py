# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tiering run did: tier.json, metrics.prom, a page, and a summary."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterator, Sequence

from ..core.atomic import written
from ..core.units import count, duration, size
from .html.tiering import write_tier_page
from .prometheus import exposition
from .summary import plural, table

NUMBERS, METRICS, PAGE = "tier.json", "metrics.prom", "tier.html"
# What a mover counts: its word in the module's answer, and in ours.
COUNTED = {
    "moved": "moved",
    "hot": "hot",
    "outdated": "outdated",
    "skipped": "skipped",
    "failures_total": "failed",
}

Json = Dict[str, Any]


def gather(
    run: str,
    path: str,
    check: bool,
    planned: Json,
    moves: Sequence[Json],
    use_after: Json,
    times: tuple[float, float],
) -> Json:
    """All of tier.json. ``planned`` is what the module tier_plan answered; ``moves`` what
    tier_move answered, one for each host; times are epoch s."""
    policies = {
        one["name"]: {**one, **dict.fromkeys(COUNTED.values(), 0), "moved_bytes": 0}
        for one in planned["policies"]
    }
    hosts: dict[str, Json] = {}
    failures: list[Json] = []
    problems: list[str] = []
    answers = [answer for move in moves for answer in move.get("pieces", [])]
    for answer in answers:
        policy, name = answer["item"]["policy"], answer["item"]["host"]
        host = hosts.setdefault(
            name,
            {**dict.fromkeys(COUNTED.values(), 0), "moved_bytes": 0, "seconds": 0.0, "notes": []},
        )
        if "moved" not in answer:
            problems.append(f"{name}: {answer.get('msg') or 'no answer'}")
        for sums in (policies[policy], host):
            for theirs, ours in COUNTED.items():
                sums[ours] += answer.get(theirs, 0)
            sums["moved_bytes"] += answer.get("bytes", 0)
        host["seconds"] += answer.get("seconds", 0.0)
        if answer.get("stopped"):
            host["notes"].append(f"{policy}: {answer['stopped']}")
        host["notes"] += [
            f"{one['path']}: {one['what']}, left by a killed run"
            for one in answer.get("mended", [])
        ]
        failures += [dict(one, host=name) for one in answer.get("failures", [])]
    problems += [move["msg"] for move in moves if move.get("failed")]
    heard = {answer["item"]["file"] for answer in answers if "moved" in answer}
    lost = [one for one in planned["pieces"] if one["file"] not in heard]
    if lost:
        files = sum(one["files"] for one in lost)
        problems.append(f"{plural(files, 'file')} that were to be moved were not looked at")
    totals = {
        name: sum(policy[name] for policy in policies.values())
        for name in (*COUNTED.values(), "moved_bytes")
    }
    guarantees = sorted({answer.get("guarantee", "") for answer in answers} - {""})
    return {
        "run_id": run,
        "path": path,
        "check": check,
        "started": times[0],
        "finished": times[1],
        "seconds": round(max(0.0, times[1] - times[0]), 3),
        "totals": totals,
        "guarantee": ", ".join(guarantees),
        "policies": list(policies.values()),
        "pools": {
            name: {"before": use, "after": use_after.get(name, use)}
            for name, use in planned["use"].items()
        },
        "hosts": hosts,
        "problems": problems,
        "failures": failures,
    }


def write(stats: Json, folder: str, assets: str, version: str) -> dict[str, str]:
    """Write the files; their paths by name. Raises IngestError."""
    paths = {name: os.path.join(folder, name) for name in (NUMBERS, METRICS, PAGE)}
    with written(paths[NUMBERS]) as stream:
        json.dump(stats, stream, indent=2)
        stream.write("\n")
    with written(paths[METRICS]) as stream:
        for line in exposition("scaleout_tier_", _families(stats)):
            stream.write(line + "\n")
    write_tier_page(stats, assets, paths[PAGE], version)
    return paths


def _families(stats: Json) -> Iterator[tuple[str, str, str, list[Any]]]:
    totals = stats["totals"]
    ok = 0 if totals["failed"] or stats["problems"] else 1
    yield "success", "gauge", "1 if all was moved that was to be moved, else 0.", [({}, ok)]
    yield (
        "last_completion_timestamp_seconds",
        "gauge",
        "When the run ended (Unix time).",
        [({}, stats["finished"])],
    )
    yield "duration_seconds", "gauge", "How long the run took.", [({}, stats["seconds"])]
    for name in COUNTED.values():
        yield (
            f"{name}_files",
            "gauge",
            f"Names of files of this run that were {name}.",
            [({"policy": one["name"]}, one[name]) for one in stats["policies"]],
        )
    yield (
        "moved_bytes",
        "gauge",
        "Bytes that this run moved.",
        [({"policy": one["name"]}, one["moved_bytes"]) for one in stats["policies"]],
    )
    yield (
        "pool_used_percent",
        "gauge",
        "How full a pool is after the run.",
        [({"pool": name}, use["after"]) for name, use in stats["pools"].items()],
    )


def complaint(stats: Json, path: str) -> str:
    """One sentence that says why the run has failed, or nothing."""
    failed = stats["totals"]["failed"]
    said = [*stats["problems"]]
    if failed:
        said.append(f"{plural(failed, 'file')} could not be moved")
    return f"{'; '.join(said)}: see {path}" if said else ""


def summary(stats: Json, paths: dict[str, str]) -> list[str]:
    """The lines that end a run."""
    totals = stats["totals"]
    verb = "would be moved" if stats["check"] else "moved"
    lines = [
        f"Tiering {stats['run_id']}: {plural(totals['moved'], 'file')}, "
        f"{size(totals['moved_bytes'])} {verb} in {duration(stats['seconds'])}",
        "",
    ]
    rows = [
        (
            one["name"],
            one["state"],
            count(one["matching"]),
            count(one["moved"]),
            size(one["moved_bytes"]),
            count(one["hot"]),
            count(one["failed"]),
        )
        for one in stats["policies"]
    ]
    lines += table(("policy", "state", "matching", "moved", "size", "hot", "failed"), rows)
    lines += [f"  {one['name']}: {one['why']}" for one in stats["policies"] if one["why"]]
    lines.append("")
    lines += table(
        ("pool", "before", "after"),
        [(name, f"{use['before']} %", f"{use['after']} %") for name, use in stats["pools"].items()],
    )
    for name, host in stats["hosts"].items():
        lines += [f"  {name}: {note}" for note in host["notes"]]
    lines += [f"  {problem}" for problem in stats["problems"]]
    lines += [f"  {one['path']}: {one['message']}" for one in stats["failures"][:5]]
    if len(stats["failures"]) > 5:
        lines.append(f"  and {count(len(stats['failures']) - 5)} more")
    if stats["guarantee"] == "best_effort":
        lines.append("  guarantee: best_effort, as these pools do not tell who uses a file.")
    return [*lines, "", f"  report   {paths[PAGE]}", f"  numbers  {paths[NUMBERS]}"]
