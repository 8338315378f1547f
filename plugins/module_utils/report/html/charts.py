# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report's charts show: the data for the page's script."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from ...core.paths import display, to_bytes
from ...index.rows import Bucket
from ..series import Series
from ..summary import by_destination

Json = Dict[str, Any]
# As many as a reader can tell apart; the last colour is for all others together.
COLORS = 8
SMOOTHED = 10.0  # seconds that a rate is the mean of


def chart_data(stats: Json, buckets: Sequence[Bucket], width: float, series: list[Series]) -> Json:
    """Throughput by client, shares of clients and destinations, sizes of the source's files.

    Args:
        width: seconds between two values of ``series``.
    """
    key = stats["bound"]
    clients = list(stats["hosts"])
    mounts = _largest(
        [
            (mount, sums[key])
            for mount, sums in by_destination(stats).items()
            if sums["files"] or sums["bytes"]
        ]
    )
    return {
        "throughput": _throughput(key, width, series),
        "share": {
            "key": key,
            "clients": [display(to_bytes(name)) for name in clients],
            "mounts": [
                {
                    "name": label,
                    "amounts": [
                        sum(
                            stats["hosts"][name]["mounts"].get(mount, {}).get(key, 0)
                            for mount in members
                        )
                        for name in clients
                    ],
                }
                for label, members in mounts
            ],
        },
        "histogram": buckets_data(buckets),
    }


def buckets_data(buckets: Sequence[Bucket]) -> list[Json]:
    """Bars of files by their sizes."""
    return [
        {
            "label": _binary(bucket.low),
            "title": _range(bucket),
            "files": bucket.files,
            "bytes": bucket.bytes,
        }
        for bucket in buckets
    ]


def _throughput(key: str, width: float, series: list[Series]) -> Json:
    groups = _largest([(found.host, sum(getattr(found, key))) for found in series])
    by_host = {found.host: found for found in series}
    steps = max((len(found.files) for found in series), default=0)
    # What is reported at once was moved in the seconds before.
    window = max(1, min(round(SMOOTHED / width) if width else 1, steps // 5))
    return {
        "seconds": [step * width for step in range(steps)],
        "workers": [sum(step) for step in zip(*(found.workers for found in series))],
        "series": [
            {
                "name": label,
                "files": smooth(_sum([by_host[host].files for host in hosts], width), window),
                "bytes": smooth(_sum([by_host[host].bytes for host in hosts], width * 1e6), window),
            }
            for label, hosts in groups
        ],
    }


def _largest(amounts: list[tuple[str, int]]) -> list[tuple[str, list[str]]]:
    """Labels with their members: each by itself or, of too many, the largest and then the rest."""
    names = [name for name, dummy in amounts]
    if len(names) <= COLORS:
        return [(display(to_bytes(name)), [name]) for name in names]
    ranked = sorted(amounts, key=lambda item: -item[1])
    chosen = {name for name, dummy in ranked[: COLORS - 1]}
    rest = [name for name in names if name not in chosen]
    return [(display(to_bytes(name)), [name]) for name in names if name in chosen] + [
        (f"{len(rest)} others", rest)
    ]


def smooth(rates: list[float], window: int) -> list[float]:
    """The mean of each rate and its neighbours, ``window`` of them together; at the ends of those
    that there are."""
    before, after = window // 2, (window + 1) // 2
    parts = [rates[max(0, at - before) : at + after] for at in range(len(rates))]
    return [round(sum(part) / len(part), 4) for part in parts]


def _sum(rows: list[list[float]], divisor: float) -> list[float]:
    return [round(sum(step) / divisor, 4) for step in zip(*rows)]


def _binary(number: int) -> str:
    """A power of two: ``64 KiB``."""
    power = max(0, number.bit_length() - 1) // 10
    unit = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")[power]
    return f"{number >> 10 * power} {unit}" if number else "0"


def _range(bucket: Bucket) -> str:
    if bucket.high <= 2:
        return "1 byte" if bucket.low else "empty"
    return f"{_binary(bucket.low)} to less than {_binary(bucket.high)}"
