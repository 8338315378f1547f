# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a calibration: what was found, and the rates that say so."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Sequence

from ...core.units import count, duration, megabytes, percent, significant, size
from .frame import ARROW, tile, write
from .markup import bdi, code, details, escape, figure, row, section, table

Json = Dict[str, Any]
_STEPS = (
    ("workers", "Workers", "How many workers on one mount", "workers on one mount"),
    ("mounts", "Mounts", "How many mounts of one client", "mounts of one client"),
    ("clients", "Clients", "How many clients", "clients"),
)


def write_calibration_page(
    found: Json, said: Sequence[str], when: float, assets: str, path: str, version: str = ""
) -> None:
    """Write the page of a calibration to ``path``.

    Args:
        found: what :func:`...calibrate.advice.result` returns, with ``source`` and ``destination``.
        said: the same in sentences.
        when: the time (epoch s).
        assets: the folder of page.html, page.css, page.js and the chart library.

    Raises:
        IngestError: a file of ``assets`` is missing, or the page can't be written.
    """
    write(
        assets,
        path,
        {"curves": _charts(found)},
        title="Calibration",
        over="Calibration",
        name=f"Limited by: {escape(found['limit'])}",
        outcome="complete" if found["complete"] else "not all was tried",
        mood="good" if found["complete"] else "calm",
        route=f"{bdi(found['source'])} {ARROW} {bdi(found['destination'])}",
        when=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))
        + f", {duration(found['seconds'])}, {size(found['written'])} written and removed",
        notice="",
        tiles="\n".join(_tiles(found)),
        sections="\n".join(filter(None, (_said(said), *_curves(found), _ways(found), _set(found)))),
        made=f"Made by scaleout.ingest {escape(version)} from the trials of a calibration.",
    )


def _rate(rate: float, bound: str) -> str:
    return significant(rate) if bound == "files" else megabytes(rate)


def _unit(bound: str) -> str:
    return "files/s" if bound == "files" else "MB/s"


def _tiles(found: Json) -> list[str]:
    bound = found["bound"]
    low, high = (_rate(found[key], bound) for key in ("rate_low", "rate_high"))
    tiles = [
        tile(_unit(bound), f"{low} to {high}", "with all of it", "main"),
        tile("Workers", count(found["workers_per_mount"]), "are enough on one mount"),
        tile("Mounts", count(found["mounts"]), f"help, of {found['mounts_tried']}"),
        tile("Clients", count(found["clients"]), f"help, of {found['clients_tried']}"),
    ]
    if found["range_size"]:
        tiles.append(tile("Ranges", f"{found['range_size'] >> 20} MiB", "of large files"))
    expected = found["estimate"]
    if expected:
        text = f"{duration(expected['low'])} to {duration(expected['high'])}"
        tiles.append(tile("The copy", text, "without scan and second pass"))
    return tiles


def _said(said: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in said)
    return section("said", "What was found", "In words.", f"<ul>{items}</ul>")


def _charts(found: Json) -> list[Json]:
    scale = 1.0 if found["bound"] == "files" else 1e6
    charts = []
    for name, dummy, dummy, label in _STEPS:
        points = found["curves"][name]
        if len(points) > 1:
            charts.append(
                {
                    "name": name,
                    "label": label,
                    "unit": _unit(found["bound"]),
                    "points": [
                        [number, round(rate / scale, 4), min(rates) / scale, max(rates) / scale]
                        for number, rate, rates in points
                    ],
                }
            )
    return charts


def _curves(found: Json) -> list[str]:
    bound = found["bound"]
    parts = []
    for name, title, lead, label in _STEPS:
        points = found["curves"][name]
        if not points:
            continue
        rows = [
            row(
                count(number),
                (
                    _rate(rate, bound),
                    _rate(min(rates), bound),
                    _rate(max(rates), bound),
                    count(len(rates)),
                ),
            )
            for number, rate, rates in points
        ]
        head = (title, f"Mean {_unit(bound)}", "Lowest", "Highest", "Trials")
        numbers = table(f"Rates by {label}", head, rows, range(1, 5))
        chart = figure(name, f"{_unit(bound)} by {label}", f"Rates by the number of {label}")
        shown = (chart, details(numbers)) if len(points) > 1 else (numbers,)
        parts.append(
            section(name, title, f"{lead}: the rate of each number that was tried.", *shown)
        )
    return parts


def _ways(found: Json) -> str:
    bound = found["bound"]
    rows = [
        row("One client copies", (_rate(found["rate_of_one"], bound),)),
        *(
            row(label, (_rate(found[key], bound),))
            for key, label in (
                ("read", "One client only reads the source"),
                ("write", "One client only writes what lies in its memory"),
                ("read_together", "All clients only read the source"),
            )
            if found[key]
        ),
        *(
            row(f"In ranges of {length >> 20} MiB", (_rate(rate, bound),))
            for length, rate in found["ranges"]
        ),
    ]
    if found["over"]:
        over = found["over"]
        rows.append(row(f"{over['workers']} workers on one mount", (_rate(over["rate"], bound),)))
    rows.append(row("Of the client's processors in use", (percent(found["busy"], 1),)))
    shares = [each[0 if bound == "files" else 1] for each in found["mount_shares"]]
    if len(shares) > 1:
        rows += [
            row(f"Over mount {at}", (percent(share, sum(shares)),))
            for at, share in enumerate(shares, 1)
        ]
    return section(
        "ways",
        "Where the limit is",
        escape(f"{found['limit'].capitalize()}: {'; '.join(found['because'])}."),
        table("Measured", ("", _unit(bound)), rows, (1,)),
    )


def _set(found: Json) -> str:
    rows = [
        row(code(name), (), f"<td>{code(json.dumps(value))}</td>")
        for name, value in found["variables"].items()
    ]
    return section(
        "variables",
        "What to set",
        "As the file of variables has it, for <code>-e @calibrated.yml</code>.",
        table("Variables", ("Variable", "Value"), rows),
    )
