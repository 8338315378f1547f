# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a tiering run."""

from __future__ import annotations

import time
from typing import Any, Dict

from ...core.units import count, duration, size
from .frame import tile, write
from .markup import bdi, code, escape, row, section, table

Json = Dict[str, Any]


def write_tier_page(stats: Json, assets: str, path: str, version: str) -> None:
    """Write the page of a run's numbers to ``path``. Raises IngestError."""
    totals = stats["totals"]
    word, mood = ("check only", "calm") if stats["check"] else ("done", "good")
    if totals["failed"] or stats["problems"]:
        word, mood = "finished with failures", "bad"
    seconds = max(stats["seconds"], 1e-3)
    rate = f"{size(totals['moved_bytes'] / seconds)}/s"
    tiles = [
        tile("Files moved", count(totals["moved"]), f"{count(totals['moved'] / seconds)} a second"),
        tile("Bytes moved", size(totals["moved_bytes"]), rate),
        tile("Hot", count(totals["hot"]), "in use: they stay for the next run"),
        tile("Failed", count(totals["failed"]), f"{count(totals['skipped'])} skipped"),
    ]
    write(
        assets,
        path,
        {},
        title=escape(f"Tiering {stats['run_id']}: {word}"),
        over="Tiering report",
        name=escape(stats["run_id"]),
        outcome=word,
        mood=mood,
        route=bdi(stats["path"]),
        when=escape(_when(stats)),
        notice=_notice(stats),
        tiles="\n".join(tiles),
        sections="\n".join([_policies(stats), _pools(stats), _hosts(stats), _failures(stats)]),
        made=f"Made by scaleout.ingest {escape(version)} from tier.json.",
    )


def _when(stats: Json) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(stats["started"]))
    return f"{at}, {duration(stats['seconds'])}"


def _notice(stats: Json) -> str:
    if stats["problems"]:
        return f'<p class="notice bad">{"; ".join(map(escape, stats["problems"]))}.</p>'
    if stats["check"]:
        return '<p class="notice calm">This was a check: nothing was moved.</p>'
    if stats["guarantee"] == "best_effort":
        return (
            '<p class="notice calm">These pools do not tell who uses a file: the guarantee is '
            "best_effort.</p>"
        )
    return ""


def _policies(stats: Json) -> str:
    rows = [
        row(
            bdi(one["name"]),
            [
                count(one["matching"]),
                count(one["moved"]),
                size(one["moved_bytes"]),
                count(one["hot"]),
                count(one["outdated"]),
                count(one["skipped"]),
                count(one["failed"]),
            ],
            f"<td>{escape(one['state'])}: {escape(one['why'])}</td>",
        )
        for one in stats["policies"]
    ]
    head = ("policy", "matching", "moved", "size", "hot", "outdated", "skipped", "failed", "why")
    lead = "What each policy takes, and what became of it. The first that a file meets has it."
    return section(
        "policies", "Policies", lead, table("Policies", head, rows, range(1, 8), cards=True)
    )


def _pools(stats: Json) -> str:
    rows = [
        row(bdi(name), [f"{use['before']} %", f"{use['after']} %"])
        for name, use in stats["pools"].items()
    ]
    lead = "How full the pools were, and are."
    return section(
        "pools", "Pools", lead, table("Pools", ("pool", "before", "after"), rows, (1, 2))
    )


def _hosts(stats: Json) -> str:
    rows = [
        row(
            bdi(name),
            [
                count(host["moved"]),
                size(host["moved_bytes"]),
                f"{size(host['moved_bytes'] / max(host['seconds'], 1e-3))}/s",
                count(host["hot"]),
                count(host["failed"]),
            ],
            f"<td>{escape('; '.join(host['notes']))}</td>",
        )
        for name, host in stats["hosts"].items()
    ]
    head = ("host", "moved", "size", "rate", "hot", "failed", "notes")
    lead = "What each host moved."
    return section("hosts", "Hosts", lead, table("Hosts", head, rows, range(1, 6), cards=True))


def _failures(stats: Json) -> str:
    if not stats["failures"]:
        return ""
    rows = [
        row(code(one["path"]), [], f"<td>{escape(one['message'])}</td><td>{bdi(one['host'])}</td>")
        for one in stats["failures"]
    ]
    lead = "These stay in their pool, complete, for the next run."
    return section("failures", "Failures", lead, table("Failures", ("path", "why", "host"), rows))
