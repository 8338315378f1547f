# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that compares runs, from their stats.json."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Sequence

from ...core.units import count, duration, megabytes, significant, size
from ..prometheus import succeeded
from ..summary import outcome, plural
from .frame import tile, write
from .markup import bdi, code, escape, meter, row, section, table

Json = Dict[str, Any]
# Of a run's parameters these differ in any case, or are said elsewhere.
_OWN = ("token", "run_dir", "version", "selection")


def write_runs_page(runs: Sequence[Json], assets: str, path: str, version: str = "") -> None:
    """Write the page of some runs to ``path``, the first to begin first.

    Args:
        runs: their stats.json, one at least.
        assets: the folder of page.html, page.css, page.js and the chart library.

    Raises:
        IngestError: a file of ``assets`` is missing, or the page can't be written.
    """
    runs = sorted(runs, key=lambda run: run.get("started") or 0)
    bad = [run for run in runs if not _good(run)]
    write(
        assets,
        path,
        {},
        title="Runs compared",
        over="Ingests",
        name=f"{plural(len(runs), 'run')} compared",
        outcome="all done" if not bad else f"{len(bad)} not without failures",
        mood="good" if not bad else "bad",
        route=", ".join(sorted({bdi(run["source"]) for run in runs})[:4]),
        when=f"{_time(runs[0])} to {_time(runs[-1])}",
        notice="",
        tiles="\n".join(_tiles(runs)),
        sections="\n".join(filter(None, (_rates(runs), _times(runs), _said(runs), _failed(runs)))),
        made=f"Made by scaleout.ingest {escape(version)} from the runs' stats.json.",
    )


def _good(run: Json) -> bool:
    return bool(run["check"]) or succeeded(run)


def _time(run: Json) -> str:
    started = run.get("started")
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(started)) if started else "-"


def _tiles(runs: Sequence[Json]) -> list[str]:
    fastest = max(runs, key=lambda run: run["files_per_second"])
    broadest = max(runs, key=lambda run: run["bytes_per_second"])
    return [
        tile("Runs", count(len(runs))),
        tile("Files copied", count(sum(run["files"] for run in runs)), "by all of them"),
        tile("Data copied", size(sum(run["bytes"] for run in runs)), "by all of them"),
        tile("Most files a second", significant(fastest["files_per_second"]), fastest["run_id"]),
        tile("Most MB a second", megabytes(broadest["bytes_per_second"]), broadest["run_id"]),
    ]


def _rates(runs: Sequence[Json]) -> str:
    most = {key: max(run[key] for run in runs) for key in ("files_per_second", "bytes_per_second")}
    rows = [
        row(
            bdi(run["run_id"]),
            (
                escape(run["method"]),
                escape(run["split"]),
                count(len(run["hosts"])),
                count(run["files"]),
                size(run["bytes"]),
                significant(run["files_per_second"]),
                megabytes(run["bytes_per_second"]),
            ),
            meter(run[f"{run['bound']}_per_second"], most[f"{run['bound']}_per_second"]),
        )
        for run in runs
    ]
    head = ("Run", "Method", "Split", "Clients", "Files", "Data", "Files/s", "MB/s", "Of the best")
    return section(
        "rates",
        "How fast",
        "What each run copied, and the rate that matters for it as a part of the best one.",
        table("Rates", head, rows, range(1, 8), cards=True),
    )


def _times(runs: Sequence[Json]) -> str:
    steps = ("scan", "plan", "copy", "check")
    rows = [
        row(bdi(run["run_id"]), [_time(run), *(duration(run[f"{step}_seconds"]) for step in steps)])
        for run in runs
    ]
    head = ("Run", "Began", *(step.capitalize() for step in steps))
    return section(
        "times",
        "How long",
        "The steps of each run.",
        table("Times", head, rows, range(1, 6), cards=True),
    )


def _said(runs: Sequence[Json]) -> str:
    """What was asked for differently."""
    asked = [_asked(run) for run in runs]
    names = sorted({name for each in asked for name in each})
    differ = [name for name in names if len({json.dumps(each.get(name)) for each in asked}) > 1]
    if not differ:
        return ""
    rows = [
        row(
            bdi(run["run_id"]), (), "".join(f"<td>{_value(each.get(name))}</td>" for name in differ)
        )
        for run, each in zip(runs, asked)
    ]
    head = ("Run", *(escape(name) for name in differ))
    return section(
        "parameters",
        "What was different",
        "Parameters that are not the same in all of them.",
        table("Parameters", head, rows, cards=True),
    )


def _asked(run: Json) -> Json:
    found = {key: value for key, value in run["parameters"].items() if key not in _OWN}
    found.update(
        source=run["source"], destinations=run["destinations"], verify=run["verify"].get("mode")
    )
    return found


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(code(each) for each in value)
    return "" if value is None else code(value)


def _failed(runs: Sequence[Json]) -> str:
    rows = [
        row(
            bdi(run["run_id"]),
            (count(run["failed"]), count(run["repaired"]), count(len(run["dead_addresses"]))),
            f"<td>{escape('check only' if run['check'] else outcome(run))}</td>",
        )
        for run in runs
    ]
    head = ("Run", "Failed", "Copied again", "Addresses lost", "Ended")
    return section(
        "ends", "How they ended", "Items, addresses, and the whole.",
        table("Ends", head, rows, (1, 2, 3), cards=True),
    )  # fmt: skip
