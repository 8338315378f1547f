# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the copy: who may do which shard now, and what came of it.

Every decision is a transaction on plan.db, so any number of hosts can be served by any number
of processes, in any order.
"""

from __future__ import annotations

import time
from itertools import chain
from typing import Any, Iterable, Iterator, NamedTuple

from ..core.clock import boot, elapsed
from ..core.outcome import Closing, Counts, Failure, ShardResult, SlowDirectory
from ..core.paths import to_text
from ..core.vocabulary import HostState, Kind, Phase, ShardState
from .shards import Header
from .store import PlanStore


def _insert(table: str, *columns: str) -> str:
    return f"INSERT INTO {table}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_RESULT = _insert("results", "shard", "host", "mount", *Counts._fields, "seconds")
_FAILURE = _insert("failures", "shard", "host", "mount", "phase", *Failure._fields)
_SLOW = _insert("slow", "host", *SlowDirectory._fields)
_LOSS = _insert("losses", "host", "kind", "count", "path", "message")


class Claimed(NamedTuple):
    """A shard that now belongs to one host."""

    header: Header
    payload: bytes


class Work(NamedTuple):
    """What there is for a host: shards to do now; and whose work may come its way later
    (``running``: hosts at work, ``planned``: only hosts that have not started, ``""``: none)."""

    claimed: list[Claimed]
    later: str


class Dispatcher:
    """Gives out the shards of one plan to one host, and records what it did."""

    def __init__(self, store: PlanStore, host: str, patience: float) -> None:
        """``patience``: seconds after which a host that was not heard of counts as dead."""
        self._store = store
        self._db = store.db
        self._host = host
        self._patience = patience

    def start(self) -> None:
        """This host takes part from now on."""
        now = time.time()
        self._db.execute(
            "UPDATE hosts SET state=?, heartbeat=?, started=coalesce(started, ?), "
            "message=NULL, heard=?, boot=? WHERE name=?",
            (HostState.RUNNING, now, now, elapsed(), boot(), self._host),
        )

    def beat(self) -> None:
        """This host is alive."""
        self._db.execute(
            "UPDATE hosts SET heartbeat=?, heard=? WHERE name=?",
            (time.time(), elapsed(), self._host),
        )

    def end(self, state: str, message: str | None = None) -> None:
        """This host takes part no longer: ``done``, ``failed`` or ``dead``. What it had claimed
        and not finished is free again: its client has stopped, or its lease has run out."""
        self._db.execute(
            "UPDATE hosts SET state=?, finished=?, message=? WHERE name=?",
            (state, time.time(), message, self._host),
        )
        self._db.execute(
            "UPDATE shards SET state=?, claimed_by=NULL WHERE state=? AND claimed_by=?",
            (ShardState.PENDING, ShardState.CLAIMED, self._host),
        )

    # -- out ---------------------------------------------------------------------------------

    def claim(self, size: int, absent: bool = False) -> Work:
        """Claim shards of at most ``size`` bytes of payload together (one at least).

        Only the earliest phase that is not finished is open. In it come first the host's own
        shards; when there is none left, a part of those of nobody, or of hosts that are done,
        failed or dead, or, if ``absent``, that never started.
        """
        with self._store.transaction() as db:
            (phase,) = db.execute(
                "SELECT min(phase) FROM shards WHERE state<>?", (ShardState.DONE,)
            ).fetchone()
            if phase is None:
                return Work([], "")
            self._bury()
            claimed: list[Claimed] = []
            total = 0
            broken = self._broken() if phase in (Phase.FINISH, Phase.LINKS) else ()
            for shard, kind, of, mount, amount, data in self._open_shards(phase, absent):
                if claimed and total + len(data) > size:
                    break
                total += len(data)
                claimed.append(Claimed(Header(shard, kind, of, mount, broken, amount), data))
            now = time.time()
            db.executemany(
                "UPDATE shards SET state=?, claimed_by=?, claimed=? WHERE id=?",
                [(ShardState.CLAIMED, self._host, now, entry.header.id) for entry in claimed],
            )
            return Work(claimed, self._later(phase))

    def _open_shards(self, phase: int, absent: bool) -> Iterator[tuple[Any, ...]]:
        select = (
            "SELECT s.id, s.kind, coalesce(o.kind, ''), s.mount, s.cost, "
            "coalesce(s.payload, o.payload) "
            "FROM shards s LEFT JOIN shards o ON o.id=s.of WHERE s.state=? AND s.phase=? "
        )
        pending = [ShardState.PENDING, phase]
        own = self._db.execute(select + "AND s.host=? ORDER BY s.id", [*pending, self._host])
        first = own.fetchone()
        if first:
            return chain([first], own)
        helped = [HostState.FAILED, HostState.DEAD, HostState.DONE]
        if absent:
            helped.append(HostState.PLANNED)
        free = (
            "AND (s.host IS NULL OR s.host IN "
            f"(SELECT name FROM hosts WHERE state IN ({', '.join('?' * len(helped))}))) "
        )
        count, running = self._db.execute(
            "SELECT count(*), (SELECT count(*) FROM hosts WHERE state=?) FROM shards s "
            "WHERE s.state=? AND s.phase=? " + free,
            [HostState.RUNNING, *pending, *helped],
        ).fetchone()
        # Large helpings first, single shards at the end (guided self-scheduling, Polychronopoulos
        # and Kuck 1987), so that few requests give all hosts work until the same moment.
        part = max(1, count // (2 * max(1, running)))
        return self._db.execute(select + free + "ORDER BY s.id LIMIT ?", [*pending, *helped, part])

    def _broken(self) -> tuple[str, ...]:
        """Large files that are not complete, as a part of them failed."""
        return tuple(
            to_text(bytes(path))
            for (path,) in self._db.execute(
                "SELECT DISTINCT f.path FROM failures f JOIN shards s ON s.id=f.shard "
                "WHERE s.kind IN (?, ?, ?)",
                (Kind.PREPARE, Kind.RANGE, Kind.FINISH),
            )
        )

    def _bury(self) -> None:
        """Hosts whose controller process ended without a word."""
        for (name,) in self._db.execute(
            "SELECT name FROM hosts WHERE state=? AND name<>? AND (boot<>? OR heard<?)",
            (HostState.RUNNING, self._host, boot(), elapsed() - self._patience),
        ).fetchall():
            other = Dispatcher(self._store, name, self._patience)
            other.end(HostState.DEAD, "was not heard of any more")

    def _later(self, phase: int) -> str:
        """The state of the other hosts that have a part of the open phase. One that runs, but
        has none, waits as well: to wait for it would be to wait for ever."""
        states = {
            state
            for (state,) in self._db.execute(
                "SELECT DISTINCT h.state FROM shards s JOIN hosts h "
                "ON h.name=coalesce(s.claimed_by, s.host) "
                "WHERE s.state<>? AND s.phase=? AND h.name<>?",
                (ShardState.DONE, phase, self._host),
            )
        }
        for state in (HostState.RUNNING, HostState.PLANNED):
            if state in states:
                return state
        return ""

    # -- in ----------------------------------------------------------------------------------

    def record(self, finished: Iterable[ShardResult]) -> None:
        """Store what became of shards."""
        now = time.time()
        with self._store.transaction() as db:
            for result in finished:
                shard = result.shard
                found = db.execute(
                    "SELECT phase FROM shards WHERE id=? AND state=? AND claimed_by=?",
                    (shard, ShardState.CLAIMED, self._host),
                ).fetchone()
                if found is None:  # taken away from a host that was believed dead
                    continue
                db.execute(
                    "UPDATE shards SET state=?, finished=? WHERE id=?",
                    (ShardState.DONE, now, shard),
                )
                db.executemany(
                    _RESULT,
                    [
                        (shard, self._host, to_text(mount), *counts, seconds)
                        for mount, (counts, seconds) in result.mounts.items()
                    ],
                )
                db.executemany(
                    _FAILURE,
                    [
                        (shard, self._host, to_text(mount), *found, *failure)
                        for mount, failure in result.failures
                    ],
                )

    def record_run(self, closing: Closing) -> None:
        """Store what a client says at the end."""
        with self._store.transaction() as db:
            db.executemany(
                "INSERT INTO samples(host, time, files, bytes) VALUES (?, ?, ?, ?)",
                [(self._host, *entry) for entry in closing.samples],
            )
            db.executemany(_SLOW, [(self._host, *entry) for entry in closing.slow])
            db.executemany(
                _LOSS, [(self._host, kind, *loss) for kind, loss in closing.losses.items()]
            )

    def record_left_out(self, mounts: list[dict[str, str]]) -> None:
        """Store mounts of this host that were left out, as the records of
        :class:`..mounts.left_out.LeftOut` have them."""
        known = {
            mount
            for (mount,) in self._db.execute(
                "SELECT mount FROM left_out WHERE host=?", (self._host,)
            )
        }
        self._db.executemany(
            "INSERT INTO left_out VALUES (?, ?, ?, ?, ?)",
            [
                (self._host, *(mount[name] for name in ("mount", "source", "address", "message")))
                for mount in mounts
                if mount["mount"] not in known
            ],
        )

    def shares(self) -> tuple[int, int, int, int]:
        """(files, bytes) of the data that is this host's by plan, and of that what is done."""
        found = self._db.execute(
            "SELECT sum(files), sum(bytes), sum(CASE state WHEN ?1 THEN files END), "
            "sum(CASE state WHEN ?1 THEN bytes END) FROM shards "
            "WHERE phase<=?2 AND coalesce(claimed_by, host)=?3",
            (ShardState.DONE, Phase.LINKS, self._host),
        ).fetchone()
        return tuple(value or 0 for value in found)  # type: ignore[return-value]
