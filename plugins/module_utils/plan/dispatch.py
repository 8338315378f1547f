# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the copy: who may do which shard now, and what came of it.

Every decision is a transaction on plan.db, so any number of hosts can be served by any number
of processes, in any order.
"""

from __future__ import annotations

import json
import time
from typing import Any, Callable, Generator, Iterable, Iterator, NamedTuple, Sequence

from ..core.clock import boot, elapsed
from ..core.outcome import Closing, Counts, Extra, Failure, ShardResult, SlowDirectory
from ..core.paths import to_text
from ..core.vocabulary import HostState, Kind, LineState, Phase, ShardState
from .cut import cut
from .needs import fulfil, open_checks
from .shards import Header, path_of, piece_of, read_line, unpack
from .speed import Speed
from .store import PlanStore


def _insert(table: str, *columns: str) -> str:
    return f"INSERT INTO {table}({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_RESULT = _insert("results", "shard", "host", "mount", *Counts._fields, "seconds")
_FAILURE = _insert("failures", "shard", "host", "mount", "phase", *Failure._fields)
_SLOW = _insert("slow", "host", *SlowDirectory._fields)
# As the indexes have it: a parameter would not find them.
_PENDING, _CLAIMED = f"state='{ShardState.PENDING}'", f"state='{ShardState.CLAIMED}'"
_NEED_WHOLE_FILES = (Kind.FINISH, Kind.LINK)
_EXTRA = _insert("extras", "shard", *Extra._fields)
_OPEN = (
    "SELECT s.id, s.kind, coalesce(o.kind, ''), s.mount, s.cost, p.payload, o.lost, o.lines, "
    "s.tries, s.lost, s.lines, s.low, s.high, coalesce(o.low, 0) "
    "FROM shards s LEFT JOIN shards o ON o.id=s.of "
    "JOIN payloads p ON p.shard=coalesce(s.payload_of, s.of, s.id) WHERE "
)
_MOST = 2000  # shards of one owner that are claimed at once
_LOOKED_AT = 200  # checks
_VICTIMS = 8  # hosts whose shards are looked at
_LARGER = 1.5  # times what a host should have: a shard that is cut

# What can be done at the same time; and in this order, so that there are checks to be done while
# the last of a copy is under way.
_STAGES = (
    (Phase.PREPARE, Phase.FINISH, Phase.LINKS, Phase.DATA),
    (Phase.DIRECTORIES,),
    (Phase.LAST_DIRECTORIES,),
    (Phase.CHECK, Phase.CHECK_DIRECTORIES),
)
# A phase of which nothing may begin as long as one before another phase is unfinished: what is made
# in a directory changes its times.
_AFTER_ALL_BEFORE: dict[int, int] = {
    Phase.DIRECTORIES: Phase.DIRECTORIES,
    Phase.LAST_DIRECTORIES: Phase.LAST_DIRECTORIES,
    Phase.CHECK_DIRECTORIES: Phase.CHECK,
}
_CHECKS = (Phase.CHECK, Phase.CHECK_DIRECTORIES)
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
    """What there is for a host: shards to do now; if there are none, whose work may come its way
    later (``running``: hosts at work, ``planned``: only hosts that have not started, ``""``: none).
    """

    claimed: list[Claimed]
    later: str


class Dispatcher:
    """Gives out the shards of one plan to one host, and records what it did."""

    def __init__(
        self,
        store: PlanStore,
        host: str,
        patience: float,
        repairs: bool = False,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        """``patience``: seconds after which a host that was not heard of counts as dead.
        ``repairs``: the second pass writes, so it begins when all else is done."""
        self._store = store
        self._db = store.db
        self._host = host
        self._patience = patience
        self._after: dict[int, int] = {
            **_AFTER_ALL_BEFORE,
            **({Phase.CHECK: Phase.CHECK} if repairs else {}),
        }
        self._clock = clock
        self._speed = Speed(store, host, clock)
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
                "message=NULL, heard=?, boot=?, rate=NULL WHERE name=?",
                (HostState.RUNNING, now, now, self._clock(), boot(), self._host),
            )
            self._free(self._host)

    def beat(self) -> None:
        """This host is alive."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE hosts SET heartbeat=?, heard=? WHERE name=?",
                (time.time(), self._clock(), self._host),
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
        """Claim shards of at most ``size`` bytes of payload together (one at least), and of no more
        than a part of what is left: large helpings first, small ones at the end (guided
        self-scheduling, Polychronopoulos and Kuck 1987, by the hosts' speeds), so that all hosts
        have work until the same moment.

        First come the host's own shards and those for whoever is free; when there is none, those of
        the host with the most left, if that has begun or is done, failed or dead; if ``absent``, of
        any. To hear that there is nothing keeps nobody else from writing.
        """
        self._bury()
        look = self._open_shards(absent)
        nothing = next(look, None) is None
        look.close()
        if nothing:
            return Work([], self._later())
        with self._store.transaction() as db:
            claimed = self._take(size, absent)
            now = time.time()
            db.executemany(
                "UPDATE shards SET state=?, claimed_by=?, claimed=? WHERE id=?",
                [(ShardState.CLAIMED, self._host, now, entry.header.id) for entry in claimed],
            )
            if claimed:
                self._speed.claimed(len(claimed))
                return Work(claimed, "")
        return Work([], self._later())

    def _take(self, size: int, absent: bool) -> list[Claimed]:
        """What this host claims now; the last of it may be a piece of a shard."""
        claimed: list[Claimed] = []
        most = self._speed.helping(0.0)
        total = spent = 0.0
        look = self._open_shards(absent)
        for left, row in look:
            if not claimed:
                most = self._speed.helping(left)
            amount, data = row[4], row[5]
            if claimed and (total + len(data) > size or spent + amount > most):
                break
            if amount > most * _LARGER:
                look.close()
                # What is tried again is known by the numbers of its lines.
                if not row[8] and cut(self._db, row[0], most):
                    row = self._db.execute(_OPEN + "s.id=?", (row[0],)).fetchone()
                claimed.append(self._claimed(row))
                break
            claimed.append(self._claimed(row))
            total += len(data)
            spent += amount
        look.close()
        return claimed

    def _claimed(self, row: tuple[Any, ...]) -> Claimed:
        shard, kind, of, mount, amount, data, lost, lines, *before, low, high, first = row
        if low is not None:
            data = piece_of(data, low, high)
            lines = lines and lines[low - first : high - first]
        broken = self._broken(of or kind, data) if kind in _NEED_WHOLE_FILES else ()
        lost, lines = _said(of, lost, lines, *before)
        said = tuple(json.loads(lost or "[]")), lines or ""
        return Claimed(Header(shard, kind, of, mount, broken, amount, *said), data)

    def _open_shards(self, absent: bool) -> Generator[tuple[float, tuple[Any, ...]], None, None]:
        """The shards that this host may claim, in their order; and with each what is left to be
        done of its kind by all hosts, as a cost."""
        costs = self._open()
        for stage in _STAGES:
            phases = [phase for phase in stage if phase in costs]
            left = sum(costs[phase] for phase in phases)
            found = False
            for row in self._of_stage(phases, absent):
                found = True
                yield left, row
            if found:
                return

    def _open(self) -> dict[int, float]:
        """The phases in which something may be done, and what of them nobody has begun."""
        unfinished = self._db.execute(
            "SELECT phase, cost FROM phases WHERE waiting + pending + claimed > 0"
        ).fetchall()
        earliest = min((phase for phase, dummy in unfinished), default=0)
        return {
            phase: amount for phase, amount in unfinished if earliest >= self._after.get(phase, -1)
        }

    def _of_stage(self, phases: Sequence[int], absent: bool) -> Iterator[tuple[Any, ...]]:
        found = False
        for phase in phases:
            for owner in (self._host, None):
                for row in self._of(phase, owner):
                    found = True
                    yield row
        if found:
            return
        for phase in phases:
            for owner, runs in self._helped(phase, absent):
                yield from self._of(phase, owner, not runs)

    def _helped(self, phase: int, absent: bool) -> list[tuple[str, bool]]:
        """Other hosts that have shards to be claimed, and whether they run; those first that would
        be last. One that has not begun may be about to."""
        helped = [HostState.FAILED, HostState.DEAD, HostState.DONE]
        if absent:
            helped += [HostState.PLANNED, HostState.RUNNING]
        found = self._db.execute(
            "SELECT p.host, h.state FROM parts p JOIN hosts h ON h.name=p.host WHERE p.phase=? "
            "AND p.pending > 0 AND p.host NOT IN ('', ?) AND (h.state IN "
            f"({', '.join('?' * len(helped))}) OR (h.state=? AND h.rate IS NOT NULL)) "
            "ORDER BY p.cost / CASE WHEN h.state=? AND h.rate > 0 THEN h.rate ELSE 1e-9 END DESC "
            "LIMIT ?",
            (phase, self._host, *helped, HostState.RUNNING, HostState.RUNNING, _VICTIMS),
        )
        return [(name, state == HostState.RUNNING) for name, state in found]

    def _of(self, phase: int, owner: str | None, again: bool = True) -> Iterator[tuple[Any, ...]]:
        """An owner's shards; not those that are tried ``again``: they were given to just this
        host."""
        where = (
            f"s.{_PENDING} AND s.phase=? AND s.host IS ? AND (s.tries=0 OR ?) "
            "ORDER BY s.turn, s.id LIMIT ?"
        )
        if phase not in _CHECKS:
            yield from self._db.execute(_OPEN + where, (phase, owner, again, _MOST))
            return
        # What this host has copied is another one's to check, as far as one look can tell; unless
        # that one has failed to.
        looked = self._db.execute(
            "SELECT o.claimed_by IS ? AND s.tries=0, s.turn, s.id "
            "FROM shards s JOIN shards o ON o.id=s.of WHERE " + where,
            (self._host, phase, owner, again, _LOOKED_AT),
        ).fetchall()
        alone = owner is None or self._is_alone()
        for mine, dummy, shard in sorted(looked):
            if alone or not mine:
                yield from self._db.execute(_OPEN + "s.id=?", (shard,))

    def _is_alone(self) -> bool:
        query = "SELECT 1 FROM hosts WHERE state=? AND name<>? LIMIT 1"
        return self._db.execute(query, (HostState.RUNNING, self._host)).fetchone() is None

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
        values = (HostState.RUNNING, self._host, boot(), self._clock() - self._patience)
        if self._db.execute(query, values).fetchone() is None:
            return
        with self._store.transaction() as db:
            for (name,) in db.execute(query, values).fetchall():
                self._end(name, HostState.DEAD, "was not heard of any more")

    def _later(self) -> str:
        """The state of the other hosts that have something to do: one that runs, or else one that
        has not begun. One that runs, but has nothing, waits as well: to wait for it would be to
        wait for ever."""
        phases = ", ".join(map(str, self._open()))
        query = (
            "SELECT 1 FROM hosts h JOIN parts p ON p.host=h.name WHERE h.state=? AND h.name<>? "
            f"AND p.phase IN ({phases}) AND p.pending + p.claimed > 0 LIMIT 1"
        )
        for state in (HostState.RUNNING, HostState.PLANNED):
            if self._db.execute(query, (state, self._host)).fetchone():
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
                    "SELECT phase, kind, tries, host, cost FROM shards "
                    "WHERE id=? AND state=? AND claimed_by=?",
                    (shard, ShardState.CLAIMED, self._host),
                ).fetchone()
                if found is None:  # taken away from a host that was believed dead
                    continue
                phase, kind, tries, planned, amount = found
                self._speed.done(amount)
                other = self._other(result, tries)
                if other is None:
                    result = result._replace(lines=result.lines.translate(_SETTLED))
                    db.execute(
                        "UPDATE shards SET state=?, finished=?, lost=?, lines=? WHERE id=?",
                        (ShardState.DONE, now, json.dumps(result.lost), result.lines, shard),
                    )
                    fulfil(db, shard)
                    open_checks(db, shard, self._host, planned)
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
            self._speed.store()

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
            db.execute(
                "UPDATE hosts SET processors=? WHERE name=?", (closing.processors, self._host)
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
