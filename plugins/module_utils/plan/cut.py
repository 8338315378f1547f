# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shard that is more than a host should have now is cut in two, between lines of its payload.

The payload stays where it is: each piece has its lines from ``low`` to ``high``. So has its check,
which is cut with it.
"""

from __future__ import annotations

import sqlite3
import stat
from typing import NamedTuple

from ..core.vocabulary import Kind
from .cost import cost_of
from .needs import share_needs
from .shards import lines_of, read_line

_COPIED = (
    "phase, kind, host, mount, state, waits, turn, claimed_by",  # as the whole has it
    "items, files, bytes, cost, low, high, payload_of, of",
)


class _Amount(NamedTuple):
    """What is in some lines."""

    items: int
    files: int
    bytes: int
    cost: float


def cut(db: sqlite3.Connection, shard: int, most: float) -> bool:
    """Leave in a pending shard what costs about ``most`` (at least a line); the rest becomes a new
    one, pending as well. Whether there was a rest."""
    kind, of, payload_of, low, high, items, files, size, amount, payload = db.execute(
        "SELECT coalesce(o.kind, s.kind), s.of, p.shard, coalesce(s.low, 0), s.high, s.items, "
        "s.files, s.bytes, s.cost, p.payload FROM shards s LEFT JOIN shards o ON o.id=s.of "
        "JOIN payloads p ON p.shard=coalesce(s.payload_of, s.of, s.id) WHERE s.id=?",
        (shard,),
    ).fetchone()
    lines = lines_of(payload)[low:high]
    count, kept = _first(kind, lines, most)
    if count == len(lines):
        return False
    rest = _Amount(
        items - kept.items, files - kept.files, size - kept.bytes, max(0.0, amount - kept.cost)
    )
    place = low, low + count, low + len(lines), payload_of
    piece = _divide(db, shard, kept, rest, place, of)
    share_needs(db, shard, piece)
    for (check,) in db.execute("SELECT id FROM shards WHERE of=?", (shard,)).fetchall():
        _divide(db, check, kept, rest, place, piece)
    return True


def _first(kind: str, lines: list[bytes], most: float) -> tuple[int, _Amount]:
    """How many lines cost about ``most``, and what is in them."""
    items = files = size = count = 0
    for line in lines:
        rows, length, body = line.split(b" ", 2)
        if count and cost_of(items + int(rows), size + int(length)) > most:
            break
        count += 1
        items += int(rows)
        size += int(length)
        files += _files(kind, int(rows), body)
    return count, _Amount(items, files, size, cost_of(items, size))


def _files(kind: str, rows: int, body: bytes) -> int:
    """How many entries other than directories a line counts for; a large file counts where it is
    finished."""
    if kind in (Kind.LINK, Kind.FINISH):
        return rows
    if kind != Kind.COPY:
        return 0
    return sum(not stat.S_ISDIR(row.want.mode) for row in read_line(kind, body)[1])


def _divide(
    db: sqlite3.Connection,
    shard: int,
    kept: _Amount,
    rest: _Amount,
    place: tuple[int, int, int, int],
    of: int | None,
) -> int:
    """Make a shard of the rest, a check ``of`` another one perhaps; returns its number."""
    low, middle, high, payload_of = place
    same, other = _COPIED
    made = db.execute(
        f"INSERT INTO shards({same}, {other}) "
        f"SELECT {same}, ?, ?, ?, ?, ?, ?, ?, ? FROM shards WHERE id=?",
        (*rest, middle, high, payload_of, of, shard),
    )
    # The state is named for the sums in ``parts``, which are taken when it is set.
    db.execute(
        "UPDATE shards SET items=?, files=?, bytes=?, cost=?, low=?, high=?, state=state "
        "WHERE id=?",
        (*kept, low, middle, shard),
    )
    return int(made.lastrowid or 0)
