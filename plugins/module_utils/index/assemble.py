# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of a scan, each an index of one part, become the index of the whole tree.

A piece has given its directories ids of which no other piece gives one: its own number is in them.
Rows go from file to file within SQLite.
"""

from __future__ import annotations

import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Sequence

from .prune import drop_fruitless
from .rows import Totals, add_totals
from .schema import ORDER, PASSING, SCHEMA, columns, part_path, stored
from .views import views
from .writer import Completion, clear, errors_named

DIRECTORIES_EACH = 1 << 24  # ids of directories that a piece may give
_BITS = 6 + 24  # of a directory's id, to the right of its piece's number
_PARTS = 8


class Scanned(NamedTuple):
    """A piece: its number, and the file with its only part."""

    number: int
    file: str


def assemble(
    pieces: Sequence[Scanned], folder: str, lost: dict[int, int], globs: bool, meta: dict[str, Any]
) -> Totals:
    """Write the index in ``folder``, in place of one that was there. ``lost``: how many
    subdirectories of which directory have no row; ``globs``: some directories may have led to
    nothing; ``meta`` is noted.

    Raises:
        IngestError: it can't be written, or a piece can't be read.
    """
    os.makedirs(folder, exist_ok=True)
    clear(folder)
    try:
        with errors_named(folder):
            with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
                finished = list(
                    pool.map(lambda part: _fill(folder, part, pieces, globs), range(_PARTS))
                )
            whole = Completion(folder, _PARTS)
            for directory, times in lost.items():
                whole.lose(moved(directory), times)
            if globs:
                finished = [
                    (totals._replace(directories=totals.directories - dropped), wide)
                    for (totals, wide), dropped in zip(finished, drop_fruitless(whole.parts))
                ]
            whole.finish(finished, meta)
    except BaseException:
        clear(folder)
        raise
    return add_totals([totals for totals, _wide in finished])


def moved(directory: int) -> int:
    """The id in the whole index of a directory that has this one in its piece."""
    return directory + (directory >> _BITS) % _PARTS


def _fill(folder: str, part: int, pieces: Sequence[Scanned], globs: bool) -> tuple[Totals, bool]:
    """Write one part: every so many pieces."""
    db = sqlite3.connect(part_path(folder, part), isolation_level=None)
    try:
        db.executescript(
            "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-16000;"
        )
        db.executescript(SCHEMA + (PASSING if globs else ""))
        sums, wide, extras, rows = Totals(), False, 0, 0
        for piece in pieces:
            if piece.number % _PARTS != part:
                continue
            db.execute("ATTACH ? AS piece", (piece.file,))
            noted = {
                key: json.loads(value) for key, value in db.execute("SELECT * FROM piece.meta")
            }
            rows += _copy(db, rows, globs)
            db.execute("DETACH piece")
            sums = add_totals([sums, Totals(**noted["totals"])])
            wide = wide or noted["wide"]
            extras += noted.get("extras", 0)
        if extras:
            db.execute("INSERT INTO meta VALUES ('extras', ?)", (json.dumps(extras),))
        db.execute(ORDER)
        db.executescript(views(wide, False, part))
    finally:
        db.close()
    return sums, wide


def _copy(db: sqlite3.Connection, before: int, globs: bool) -> int:
    """Add a piece's rows behind the entries ``before``; returns how many entries it has."""
    other = {name: f"{name} + ({name} >> {_BITS}) % {_PARTS}" for name in ("id", "parent")}
    other.update({name: f"{name} + {before} * ({name} > 0)" for name in ("first", "last")})
    names = stored("raw_directories")
    _insert(db, "raw_directories", names, other)
    other = {"id": f"id + {before}", "directory": f"directory + (directory >> {_BITS}) % {_PARTS}"}
    _insert(db, "raw_entries", stored("raw_entries"), other)
    _insert(db, "twins", columns("twins"), {"id": f"id + {before}"})
    for table in ("errors", "extras"):
        _insert(db, table, columns(table), {})
    if globs:
        _insert(db, "passing", columns("passing"), {"id": f"id + (id >> {_BITS}) % {_PARTS}"})
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM piece.raw_entries").fetchone()
    return int(last)


def _insert(db: sqlite3.Connection, table: str, names: list[str], other: dict[str, str]) -> None:
    values = ", ".join(other.get(name, name) for name in names)
    db.execute(f"INSERT INTO {table}({', '.join(names)}) SELECT {values} FROM piece.{table}")
