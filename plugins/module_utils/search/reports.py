# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ready-made views of a tree: its sizes, ages, users, … as rows, and as a table with bars."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

from ..core.paths import display
from ..core.units import count, size

_DAY = 86_400
_K = 1024
_BANDS = [("0 B", 1), ("< 1 KiB", _K), ("< 4 KiB", 4 * _K), ("< 16 KiB", 16 * _K)]
_BANDS += [("< 64 KiB", 64 * _K), ("< 256 KiB", 256 * _K), ("< 1 MiB", _K**2)]
_BANDS += [("< 4 MiB", 4 * _K**2), ("< 16 MiB", 16 * _K**2), ("< 64 MiB", 64 * _K**2)]
_BANDS += [("< 256 MiB", 256 * _K**2), ("< 1 GiB", _K**3), ("< 4 GiB", 4 * _K**3)]
_BANDS += [("< 16 GiB", 16 * _K**3), ("< 64 GiB", 64 * _K**3), ("< 1 TiB", _K**4)]
_AGES = [("in the future", 0), ("< 1 day", 1), ("< 1 week", 7), ("< 1 month", 30)]
_AGES += [("< 3 months", 90), ("< 6 months", 180), ("< 1 year", 365), ("< 2 years", 730)]
_AGES += [("< 5 years", 1825), ("< 10 years", 3650)]
_FULL = "path() || '/' || name"


class Report(NamedTuple):
    """``query`` is SQL, with ``{limit}`` where the number of rows goes. Its columns are ``names``;
    ``bars`` is the number of the one that bars are drawn of, ``sizes`` and ``times`` are those that
    hold bytes and seconds. Labels are the names of the first column's numbers."""

    title: str
    query: str
    names: tuple[str, ...]
    bars: int
    sizes: tuple[int, ...] = ()
    times: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()


def _bands(value: str, limits: list[int]) -> str:
    cases = " ".join(f"WHEN {value} < {limit} THEN {n}" for n, limit in enumerate(limits))
    return f"CASE {cases} ELSE {len(limits)} END"


_OF_FILES = "count(*), sum(size) FROM pentries WHERE type = 'f' GROUP BY 1 ORDER BY"
REPORTS = {
    "sizes": Report(
        "Sizes of files",
        f"SELECT {_bands('size', [limit for name, limit in _BANDS])}, {_OF_FILES} 1",
        ("size", "files", "bytes"),
        1,
        (2,),
        labels=(*[name for name, limit in _BANDS], "from 1 TiB"),
    ),
    "ages": Report(
        "Ages of files, by mtime",
        f"SELECT {_bands('age(mtime)', [days * _DAY for name, days in _AGES])}, {_OF_FILES} 1",
        ("age", "files", "bytes"),
        2,
        (2,),
        labels=(*[name for name, days in _AGES], "from 10 years"),
    ),
    "users": Report(
        "Files of users",
        f"SELECT user(uid), {_OF_FILES} 3 DESC, 1 LIMIT {{limit}}",
        ("user", "files", "bytes"),
        2,
        (2,),
    ),
    "types": Report(
        "Files by what follows the last dot of their names, and all else by its type",
        "SELECT CASE type WHEN 'f' THEN '.' || extension(name) WHEN 'l' THEN 'links'"
        " ELSE 'others' END, count(*), sum(size) FROM pentries GROUP BY 1"
        " ORDER BY 3 DESC, 2 DESC, 1 LIMIT {limit}",
        ("type", "files", "bytes"),
        2,
        (2,),
    ),
    "largest": Report(
        "Largest files",
        f"SELECT size, blocks * 512, {_FULL} FROM pentries WHERE type = 'f'"
        " ORDER BY size DESC, path, name LIMIT {limit}",
        ("size", "allocated", "path"),
        0,
        (0, 1),
    ),
    "newest": Report(
        "Files that were changed last",
        f"SELECT mtime, size, {_FULL} FROM pentries WHERE type = 'f'"
        " ORDER BY mtime_ns DESC, path, name LIMIT {limit}",
        ("mtime", "size", "path"),
        1,
        (1,),
        (0,),
    ),
    "duplicates": Report(
        "Files that may be the same: of one name and one size",
        "SELECT count(*), size, count(*) * size - size, name FROM pentries WHERE type = 'f'"
        " AND nlink = 1 AND size > 0 GROUP BY name, size HAVING count(*) > 1"
        " ORDER BY 3 DESC, name LIMIT {limit}",
        ("files", "size", "wasted", "name"),
        2,
        (1, 2),
    ),
}


def labelled(report: Report, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, with the names of bands."""
    if not report.labels:
        return rows
    return [(report.labels[int(row[0])].encode(), *row[1:]) for row in rows]


def table(report: Report, rows: list[tuple[Any, ...]], width: int) -> str:
    """The rows as text, with bars in what room is left."""
    names = [*report.names]
    texts = [[_text(report, n, value) for n, value in enumerate(row)] for row in rows]
    right = [n for n, row in enumerate(zip(*rows)) if not isinstance(row[0], bytes)]
    last_is_name = bool(rows) and isinstance(rows[0][-1], bytes)
    wide = [max(map(len, column)) for column in zip(names, *texts)]
    room = 0 if last_is_name else min(40, max(0, width - sum(wide) - 2 * len(wide)))
    if last_is_name:  # names can be long: the bar comes first
        room = 10
    most = max((row[report.bars] or 0 for row in rows), default=0)
    said = [report.title, ""]
    for number, row in enumerate([names, *texts]):
        cells = [
            cell.rjust(wide[n]) if n in right else cell.ljust(wide[n]) for n, cell in enumerate(row)
        ]
        drawn = _bar(rows[number - 1][report.bars], most, room) if number else ""
        cells.insert(len(cells) - last_is_name, drawn.ljust(room))
        said.append("  ".join(cells).rstrip())
    return "\n".join(said) + "\n"


def _bar(value: float | None, most: float, room: int) -> str:
    if not most or not value or value < 0:
        return ""
    return "#" * max(1, round(room * value / most))


def _text(report: Report, number: int, value: Any) -> str:
    if isinstance(value, bytes):
        return display(value)
    if number in report.times:
        return _date(value)
    return size(value or 0) if number in report.sizes else count(value or 0)


def _date(seconds: int) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return str(seconds)
