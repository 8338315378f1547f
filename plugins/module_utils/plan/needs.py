# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shard waits for: other shards, or a gate, which opens when all shards before it are done.

The table ``needs`` has an edge from what is needed to what waits; a gate's number is negative. A
gate between many and many has as many edges as there are shards, not their product. Each that waits
counts in ``waits`` what it still needs. A check needs what it is a check ``of``, without an edge.
"""

from __future__ import annotations

import sqlite3
from typing import Iterable

from ..core.vocabulary import ShardState

# One need less: the last one makes it pending.
_OPENED = (
    f"UPDATE shards SET waits=waits-1, state=CASE waits WHEN 1 THEN '{ShardState.PENDING}' "
    f"ELSE state END{{}} WHERE {{}} AND state='{ShardState.WAITING}'"
)
_WAITING_FOR = "SELECT shard FROM needs WHERE needed=? AND shard"


def add_needs(db: sqlite3.Connection, shard: int, needed: Iterable[int]) -> None:
    """A shard, or a gate, waits for these shards or gates; its ``waits`` is the caller's."""
    db.executemany("INSERT INTO needs VALUES (?, ?)", ((number, shard) for number in needed))


def add_gate(db: sqlite3.Connection, number: int, waits: int) -> None:
    """A gate (below 0) that so many shards hold shut."""
    db.execute("INSERT INTO gates VALUES (?, ?)", (number, waits))


def fulfil(db: sqlite3.Connection, needed: int) -> None:
    """A shard is done, or a gate open: what waited for nothing else may be claimed."""
    db.execute(_OPENED.format("", f"id IN ({_WAITING_FOR}>0)"), (needed,))
    for (gate,) in db.execute(_WAITING_FOR + "<0", (needed,)).fetchall():
        db.execute("UPDATE gates SET waits=waits-1 WHERE id=?", (gate,))
        if db.execute("SELECT waits FROM gates WHERE id=?", (gate,)).fetchone() == (0,):
            fulfil(db, gate)


def open_checks(db: sqlite3.Connection, shard: int, by: str, planned: str | None) -> None:
    """A shard was done ``by`` a host: its checks may be claimed. One that was planned for just this
    host, which has taken the shard over, goes to the host that the shard was ``planned`` for."""
    host = ", host=CASE host WHEN ? THEN ? ELSE host END"
    db.execute(_OPENED.format(host, "of=?"), (by, planned, shard))


def share_needs(db: sqlite3.Connection, shard: int, piece: int) -> None:
    """What waits for a shard waits for a new ``piece`` of it as well."""
    waiting = [number for (number,) in db.execute(_WAITING_FOR, (shard,)).fetchall()]
    db.executemany("INSERT INTO needs VALUES (?, ?)", ((piece, number) for number in waiting))
    for table in ("shards", "gates"):
        db.executemany(
            f"UPDATE {table} SET waits=waits+1 WHERE id=?", ((number,) for number in waiting)
        )
