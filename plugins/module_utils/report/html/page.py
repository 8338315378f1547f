# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.html: the page of a run."""

from __future__ import annotations

import time
from typing import Any, Dict

from ...core.units import count, duration, megabytes, significant, size
from ...index.reader import Index
from ...plan.store import PlanStore
from ..earlier import Estimate
from ..extras import Extras
from ..failures import Failures
from ..series import throughput
from ..stats import unwanted
from ..summary import outcome, plural
from .charts import chart_data
from .frame import ARROW, tile, write
from .markup import and_more, bdi, escape
from .sections import sections

Json = Dict[str, Any]


def write_page(
    store: PlanStore,
    index: Index | None,
    stats: Json,
    failures: Failures,
    extras: Extras,
    assets: str,
    path: str,
) -> None:
    """Write the page of a run to ``path``.

    Args:
        assets: the folder of page.html, page.css, page.js and the chart library.

    Raises:
        IngestError: a file of ``assets`` is missing, or the page can't be written.
    """
    buckets = index.size_histogram() if index is not None else []
    width, series = throughput(store)
    charts = chart_data(stats, buckets, width, series)
    word, mood = _outcome(stats)
    destinations = [bdi(target) for target in stats["destinations"] or []]
    write(
        assets,
        path,
        charts,
        title=escape(f"Ingest {stats['run_id']}: {word}"),
        over="Ingest report",
        name=escape(stats["run_id"]),
        outcome=word,
        mood=mood,
        route=f"{bdi(stats['source'])} {ARROW} {and_more(destinations, 4)}",
        when=escape(_when(stats)),
        notice=_notice(stats, failures),
        tiles="\n".join(_tiles(stats)),
        sections="\n".join(sections(store, stats, failures, extras, charts)),
        made=f"Made by scaleout.ingest {escape(stats['version'])} from the run&rsquo;s plan.db.",
    )


def _outcome(stats: Json) -> tuple[str, str]:
    if stats["check"]:
        return "check only", "calm"
    text = outcome(stats)
    return text, "good" if text == "done" else "bad"


def _when(stats: Json) -> str:
    parts = [
        time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(stats[key]))
        for key in ("started", "finished")
        if isinstance(stats.get(key), (int, float))
    ]
    # The day once, if it is the same.
    if len(parts) == 2 and parts[0][:10] == parts[1][:10]:
        parts = [parts[0][:-4], parts[1][11:]]
    elif len(parts) == 2:
        parts[0] = parts[0][:-4]
    when = [" to ".join(parts)] if parts else []
    return ", ".join([*when, plural(len(stats["hosts"]), "client"), f"method {stats['method']}"])


def _notice(stats: Json, failures: Failures) -> str:
    if stats["check"]:
        expected = escape(Estimate(**stats["estimate"]).sentence()) if stats["estimate"] else ""
        return (
            '<p class="notice calm">This was a check: nothing was written. '
            f"The numbers below are the plan. {expected}</p>"
        )
    parts = []
    if failures.items:
        parts.append(f'{plural(failures.items, "item")} <a href="#failures">failed</a>')
    if unwanted(stats):
        found = plural(stats["extras"], "item")
        parts.append(f'the destination has {found} that the <a href="#extras">source has not</a>')
    shards = stats["shards"]
    left = shards["total"] - shards["done"]
    if left:
        parts.append(
            f"{count(left)} of {count(shards['total'])} shards are not done; run it again to go on"
        )
    for name, host in stats["hosts"].items():
        if host["state"] in ("dead", "failed") and len(parts) < 6:
            why = f": {escape(host['message'])}" if host["message"] else ""
            parts.append(f"{bdi(name)} is {host['state']}{why}")
    return f'<p class="notice bad">{"; ".join(parts)}.</p>' if parts else ""


def _tiles(stats: Json) -> list[str]:
    planned = stats["planned"]
    if stats["check"]:
        return [
            tile("Files", count(planned["files"]), f"in {count(planned['items'])} items"),
            tile("Data", size(planned["bytes"]), _mean(planned)),
            tile("Directories", count(planned["directories"])),
        ]
    right = (
        f"{count(stats['skipped'])} up to date"
        if stats["skipped"]
        else f"in {count(planned['directories'])} directories"
    )
    return [
        tile("Files copied", count(stats["files"]), right),
        tile("Data copied", size(stats["bytes"]), _mean(planned)),
        tile("Time", duration(stats["copy_seconds"]), _other_times(stats)),
        _rate_tile(stats, "Files a second", "files", significant(stats["files_per_second"])),
        _rate_tile(stats, "MB a second", "bytes", megabytes(stats["bytes_per_second"])),
        tile("Failed", count(stats["failed"]), _checked(stats), "wrong" if stats["failed"] else ""),
    ]


def _other_times(stats: Json) -> str:
    if stats["check_seconds"]:
        return f"copying; checking took {duration(stats['check_seconds'])}"
    return "copying, all clients at once"


def _rate_tile(stats: Json, label: str, key: str, value: str) -> str:
    if stats["bound"] == key:
        return tile(label, value, "the rate that matters here", "main")
    return tile(label, value)


def _mean(planned: Json) -> str:
    if not planned["files"]:
        return ""
    return f"{size(planned['bytes'] / planned['files'])} a file on average"


def _checked(stats: Json) -> str:
    verify = stats["verify"]
    if "files" in verify:
        return f"{count(verify['files'])} checked afterwards"
    return "not checked afterwards" if verify["mode"] == "none" else ""
