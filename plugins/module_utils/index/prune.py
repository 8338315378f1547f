# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a scan with globs: forget the directories that led to no match."""

from __future__ import annotations

import heapq
import sqlite3
from array import array
from typing import Iterator


def drop_fruitless(parts: list[sqlite3.Connection]) -> list[int]:
    """Delete the directories on the way to a glob below which nothing matched; count the
    subdirectories of the others anew. Returns how many each part lost.

    Reads the table ``passing`` of each part against pre-order, so that what lies below a
    directory comes just before it, and drops it. The source itself stays.
    """
    doomed = [array("q") for dummy in parts]
    kept = [array("q") for dummy in parts]
    alive: list[int] = []  # per depth: directories kept since the last one less deep
    streams = [_rows(db, number) for number, db in enumerate(parts)]
    for _sort, part, identity, depth, entries, whole in heapq.merge(*streams, reverse=True):
        while len(alive) < depth + 2:
            alive.append(0)
        below, alive[depth + 1] = alive[depth + 1], 0
        if entries or whole or below or not depth:
            alive[depth] += 1
            kept[part].extend((whole + below, identity))
        else:
            doomed[part].append(identity)
    for db, gone, counts in zip(parts, doomed, kept):
        db.executemany(
            "DELETE FROM raw_directories WHERE id = ?", ((identity,) for identity in gone)
        )
        db.executemany(
            "UPDATE raw_directories SET subdirectories = ? WHERE id = ?",
            zip(counts[::2], counts[1::2]),
        )
        db.execute("DROP TABLE passing")
    return [len(gone) for gone in doomed]


def _rows(db: sqlite3.Connection, part: int) -> Iterator[tuple[bytes, int, int, int, int, int]]:
    yield from db.execute(
        "SELECT sort, ?, id, depth, entries, whole FROM passing ORDER BY sort DESC", (part,)
    )


def passing(part: sqlite3.Connection) -> list[int]:
    """The ids of the directories that count only for what a glob finds below them."""
    return [number for (number,) in part.execute("SELECT id FROM passing")]
