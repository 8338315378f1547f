# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the copy: who may do which shard now, and what came of it.

Every decision is a transaction on plan.db, so any number of hosts can be served by any number
of processes, in any order.
"""

from __future__ import annotations

import json
import time
from typing import Any, Callable, Iterable, Iterator, NamedTuple

from ..core.clock import boot, elapsed
from ..core.outcome import Closing, Counts, Extra, Failure, ShardResult, SlowDirectory
from ..core.paths import to_text
from ..core.vocabulary import HostState, Kind, LineState, Phase, ShardState
from .shards import Header, path_of, read_line, unpack
from .store import PlanStore


def _insert(table: str, *columns: str) -> str:
    return f"INSERT INTO {table}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_RESULT = _insert("results", "shard", "host", "mount", *Counts._fields, "seconds")
_FAILURE = _insert("failures", "shard", "host", "mount", "phase", *Failure._fields)
_SLOW = _insert("slow", "host", *SlowDirectory._fields)
# As the indexes have it: a parameter would not find them.
_PENDING, _CLAIMED = f"state='{ShardState.PENDING}'", f"state='{ShardState.CLAIMED}'"
_NEED_WHOLE_FILES = (Phase.FINISH, Phase.LINKS)
_EXTRA = _insert("extras", "shard", *Extra._fields)
_OPEN = (
    "SELECT s.id, s.kind, coalesce(o.kind, ''), s.mount, s.cost, p.payload, o.lost, o.lines, "
    "s.tries, s.lost, s.lines "
    "FROM shards s LEFT JOIN shards o ON o.id=s.of "
    "JOIN payloads p ON p.shard=coalesce(s.of, s.id) WHERE "
)
_LOOKED_AT = 500  # shards
MOST_EXTRAS = 1_000_000  # that a plan names; more are counted
_LOSS = _insert("losses", "host", "kind", "count", "path", "message")


# The states of lines, without a word of what is to be done again.
_SETTLED = {ord(str(n)): str(n & ~LineState.AGAIN) for n in range(8)}


def _said(
    of: str, lost: str | None, lines: str | None, tries: int, own_lost: str, own_lines: str
) -> tuple[str | None, str | None]:
    """What is known of a shard's lines, ``of`` a copy or of this shard itself, ``tries`` before."""
    if not tries:
        return lost, lines
    if not of:
        return own_lost, own_lines
    copied = (lines or "").ljust(len(own_lines), str(LineState.ATTRIBUTES))
    both = zip(copied, own_lines)
    again, attributes = LineState.AGAIN, LineState.ATTRIBUTES
    return lost, "".join(str(int(one) & attributes | int(other) & again) for one, other in both)


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
        self.elsewhere = True  # what failed as may pass is tried on another host as well

    def keep_alive_by(self, act: Callable[[], object]) -> None:
        """``act`` is called every few seconds while others write to the plan for long."""
        self._store.while_busy = act

    def start(self) -> None:
        """This host takes part from now on. What it had claimed in a run that was killed is free
        again."""
        now = time.time()
        with self._store.transaction() as db:
            db.execute(
                "UPDATE hosts SET state=?, heartbeat=?, started=coalesce(started, ?), "
                "message=NULL, heard=?, boot=? WHERE name=?",
                (HostState.RUNNING, now, now, elapsed(), boot(), self._host),
            )
            self._free(self._host)

    def beat(self) -> None:
        """This host is alive."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE hosts SET heartbeat=?, heard=? WHERE name=?",
                (time.time(), elapsed(), self._host),
            )

    def end(self, state: str, message: str | None = None) -> None:
        """This host takes part no longer: ``done``, ``failed`` or ``dead``. What it had claimed
        and not finished is free again: its client has stopped, or its lease has run out."""
        with self._store.transaction():
            self._end(self._host, state, message)

    def _end(self, host: str, state: str, message: str | None) -> None:
        self._db.execute(
            "UPDATE hosts SET state=?, finished=?, message=? WHERE name=?",
            (state, time.time(), message, host),
        )
        self._free(host)

    def _free(self, host: str) -> None:
        """Nobody has any more what a host had claimed."""
        self._db.execute(
            f"UPDATE shards SET state=?, claimed_by=NULL WHERE {_CLAIMED} AND claimed_by=?",
            (ShardState.PENDING, host),
        )

    # -- out ---------------------------------------------------------------------------------

    def claim(self, size: int, absent: bool = False) -> Work:
        """Claim shards of at most ``size`` bytes of payload together (one at least).

        Only the earliest phase that is not finished is open. In it come first the host's own
        shards; when there is none left, a part of those of nobody, or of hosts that are done,
        failed or dead, or, if ``absent``, that never started. To hear that there is nothing keeps
        nobody else from writing.
        """
        self._bury()
        phase = self._phase()
        if phase is None:
            return Work([], "")
        if not self._sources(phase, absent):
            return Work([], self._later(phase))
        with self._store.transaction() as db:
            phase = self._phase()
            if phase is None:
                return Work([], "")
            claimed: list[Claimed] = []
            total = 0
            for row in self._open_shards(phase, absent):
                shard, kind, of, mount, amount, data, lost, lines, *before = row
                if claimed and total + len(data) > size:
                    break
                total += len(data)
                broken = self._broken(of or kind, data) if phase in _NEED_WHOLE_FILES else ()
                lost, lines = _said(of, lost, lines, *before)
                said = tuple(json.loads(lost or "[]")), lines or ""
                header = Header(shard, kind, of, mount, broken, amount, *said)
                claimed.append(Claimed(header, data))
            now = time.time()
            db.executemany(
                "UPDATE shards SET state=?, claimed_by=?, claimed=? WHERE id=?",
                [(ShardState.CLAIMED, self._host, now, entry.header.id) for entry in claimed],
            )
            return Work(claimed, self._later(phase))

    def _phase(self) -> int | None:
        """The earliest phase that is not finished."""
        found = self._db.execute(
            "SELECT phase FROM parts WHERE pending + claimed > 0 ORDER BY phase LIMIT 1"
        ).fetchone()
        return None if found is None else int(found[0])

    def _sources(self, phase: int, absent: bool) -> list[tuple[str | None, int]]:
        """Whose shards this host may claim, and how many of each: its own, or else everybody's
        and those of the hosts that need help, of those with the most first."""
        own = self._db.execute(
            "SELECT host, pending FROM parts WHERE phase=? AND host=? AND pending > 0",
            (phase, self._host),
        ).fetchall()
        if own:
            return own
        helped = [HostState.FAILED, HostState.DEAD, HostState.DONE]
        if absent:
            helped.append(HostState.PLANNED)
        return self._db.execute(
            "SELECT nullif(p.host, ''), p.pending FROM parts p LEFT JOIN hosts h ON h.name=p.host "
            "WHERE p.phase=? AND p.pending > 0 AND (p.host='' OR h.state IN "
            f"({', '.join('?' * len(helped))})) ORDER BY p.host<>'', p.pending DESC",
            (phase, *helped),
        ).fetchall()

    def _open_shards(self, phase: int, absent: bool) -> Iterator[tuple[Any, ...]]:
        sources = self._sources(phase, absent)
        part = sum(count for host, count in sources)
        if part and sources[0][0] != self._host:
            (running,) = self._db.execute(
                "SELECT count(*) FROM hosts WHERE state=?", (HostState.RUNNING,)
            ).fetchone()
            # Large helpings first, single shards at the end (guided self-scheduling,
            # Polychronopoulos and Kuck 1987), so that few requests give all hosts work until the
            # same moment.
            part = max(1, part // (2 * max(1, running)))
        for host, count in sources:
            if phase == Phase.CHECK and host is None:
                yield from self._of_others_first(part)
            else:
                where = f"s.{_PENDING} AND s.phase=? AND s.host IS ? ORDER BY s.id LIMIT ?"
                yield from self._db.execute(_OPEN + where, (phase, host, part))
            part -= count
            if part <= 0:
                return

    def _of_others_first(self, part: int) -> Iterator[tuple[Any, ...]]:
        """Of the checks that are for whoever is free, those of what others have copied first, as
        far as one look can tell."""
        found = self._db.execute(
            "SELECT o.claimed_by IS ?, s.id FROM shards s JOIN shards o ON o.id=s.of "
            f"WHERE s.{_PENDING} AND s.phase=? AND s.host IS NULL ORDER BY s.id LIMIT ?",
            (self._host, Phase.CHECK, min(part, _LOOKED_AT) * 4),
        ).fetchall()
        for dummy, shard in sorted(found)[:part]:
            yield from self._db.execute(_OPEN + "s.id=?", (shard,))

    def _broken(self, kind: str, payload: bytes) -> tuple[str, ...]:
        """The large files of a shard, or that its links lead to, that are not complete, as a part
        of them failed."""
        if not self._db.execute("SELECT 1 FROM broken LIMIT 1").fetchone():
            return ()
        files = set()
        for dummy, dummy, body in unpack(payload):
            directory, rows = read_line(kind, body)
            files |= {row.leader if kind == Kind.LINK else path_of(directory, row) for row in rows}
        query = "SELECT 1 FROM broken WHERE path=?"
        return tuple(
            to_text(file) for file in sorted(files) if self._db.execute(query, (file,)).fetchone()
        )

    def _bury(self) -> None:
        """Hosts whose controller process ended without a word."""
        query = "SELECT name FROM hosts WHERE state=? AND name<>? AND (boot<>? OR heard<?)"
        values = (HostState.RUNNING, self._host, boot(), elapsed() - self._patience)
        if self._db.execute(query, values).fetchone() is None:
            return
        with self._store.transaction() as db:
            for (name,) in db.execute(query, values).fetchall():
                self._end(name, HostState.DEAD, "was not heard of any more")

    def _later(self, phase: int) -> str:
        """The state of the other hosts that have a part of the open phase. One that runs, but
        has none, waits as well: to wait for it would be to wait for ever."""
        states = {
            state
            for (state,) in self._db.execute(
                "SELECT DISTINCT h.state FROM parts p JOIN hosts h ON h.name=p.host "
                "WHERE p.phase=? AND p.pending + p.claimed > 0 AND h.name<>?",
                (phase, self._host),
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
                    "SELECT phase, kind, tries FROM shards WHERE id=? AND state=? AND claimed_by=?",
                    (shard, ShardState.CLAIMED, self._host),
                ).fetchone()
                if found is None:  # taken away from a host that was believed dead
                    continue
                phase, kind, tries = found
                other = self._other(result, tries)
                if other is None:
                    result = result._replace(lines=result.lines.translate(_SETTLED))
                    db.execute(
                        "UPDATE shards SET state=?, finished=?, lost=?, lines=? WHERE id=?",
                        (ShardState.DONE, now, json.dumps(result.lost), result.lines, shard),
                    )
                    self._prove(result)
                else:
                    db.execute(
                        "UPDATE shards SET state=?, claimed_by=NULL, host=?, tries=?, lost=?, "
                        "lines=? WHERE id=?",
                        (
                            *(ShardState.PENDING, other, tries + 1),
                            *(json.dumps(result.lost), result.lines, shard),
                        ),
                    )
                    result = result.passed_on()
                self._name(result)
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
                        (shard, self._host, to_text(mount), phase, *failure)
                        for mount, failure in result.failures
                    ],
                )
                if kind in (Kind.PREPARE, Kind.RANGE, Kind.FINISH):
                    db.executemany(
                        "INSERT OR IGNORE INTO broken VALUES (?)",
                        [(failure.path,) for dummy, failure in result.failures],
                    )

    def _other(self, result: ShardResult, tries: int) -> str | None:
        """Another host at work that is to try once more what failed as may pass; None: nobody."""
        if tries or not self.elsewhere or not any(each.may_pass for _m, each in result.failures):
            return None
        found = self._db.execute(
            "SELECT h.name FROM hosts h JOIN hosts me ON me.name=? WHERE h.state=? AND "
            "h.name<>me.name ORDER BY h.number<me.number, h.number LIMIT 1",
            (self._host, HostState.RUNNING),
        ).fetchone()
        return None if found is None else str(found[0])

    def _prove(self, result: ShardResult) -> None:
        """What the destination had already, all of it, needs no second pass: its check is done."""
        if not result.lines or any(not int(line) & LineState.EQUAL for line in result.lines):
            return
        for check, host, items in self._db.execute(
            "SELECT id, host, items FROM shards WHERE of=? AND state=?",
            (result.shard, ShardState.PENDING),
        ).fetchall():
            self._db.execute("UPDATE shards SET state=? WHERE id=?", (ShardState.DONE, check))
            proved = Counts(proved=items)
            self._db.execute(_RESULT, (check, host or self._host, "", *proved, 0.0))

    def _name(self, result: ShardResult) -> None:
        """Name what the destination has and the source has not, as long as it is not too much."""
        (known,) = self._db.execute("SELECT coalesce(max(rowid), 0) FROM extras").fetchone()
        self._db.executemany(
            _EXTRA, [(result.shard, *extra) for extra in result.extras[: MOST_EXTRAS - known]]
        )

    def record_run(self, closing: Closing) -> None:
        """Store what a client says at the end."""
        with self._store.transaction() as db:
            db.executemany(
                "INSERT INTO samples(host, time, files, bytes, workers) VALUES (?, ?, ?, ?, ?)",
                [(self._host, *entry) for entry in closing.samples],
            )
            db.executemany(_SLOW, [(self._host, *entry) for entry in closing.slow])
            db.executemany(
                _LOSS, [(self._host, kind, *loss) for kind, loss in closing.losses.items()]
            )

    def record_left_out(self, mounts: list[dict[str, str]]) -> None:
        """Store mounts of this host that were left out, as the records of
        :class:`..mounts.left_out.LeftOut` have them."""
        with self._store.transaction() as db:
            known = {
                mount
                for (mount,) in db.execute("SELECT mount FROM left_out WHERE host=?", (self._host,))
            }
            db.executemany(
                "INSERT INTO left_out VALUES (?, ?, ?, ?, ?)",
                [
                    (
                        self._host,
                        *(mount[name] for name in ("mount", "source", "address", "message")),
                    )
                    for mount in mounts
                    if mount["mount"] not in known
                ],
            )

    def shares(self) -> tuple[int, int, int, int]:
        """(files, bytes) of the data that is this host's by plan, and of that what is done."""
        phases = [phase for phase in Phase if phase <= Phase.LINKS]
        found = self._db.execute(
            "SELECT sum(files), sum(bytes), sum(done_files), sum(done_bytes) FROM parts "
            f"WHERE host=? AND phase IN ({', '.join('?' * len(phases))})",
            (self._host, *phases),
        ).fetchone()
        return tuple(value or 0 for value in found)  # type: ignore[return-value]
