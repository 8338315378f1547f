# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that grows while the source is scanned.

It begins with one shard: list the source. A host that claims a scan shard lists for a bounded time,
plans what it found as every plan is made, into a small plan of its own (:func:`plan_piece`), and
hands back what it did not get to as further scan shards. All of that comes into plan.db in the
transaction that ends its shard: a host that dies before has left nothing, and its shard is free.

What needs all names is planned at the end, of the whole index (:func:`plan_rest`): files with
several names, metadata of directories, and what became empty as it vanished meanwhile.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from contextlib import contextmanager
from typing import Any, Collection, Iterator, NamedTuple, Sequence

from ..core.errors import IngestError
from ..core.vocabulary import HostState, Kind, Phase, ShardState
from ..index.assemble import Scanned, moved
from ..index.reader import Index
from ..index.rows import Totals, add_totals
from .planner import SELECTION, Limits, Planner, Portion, check
from .shards import Header
from .store import PlanStore

_SHORT, _LONG = 0.3, 2.0  # s that a piece may take while there are few, and then
_PIECES_PER_HOST = 4  # as many as that are wanted
FOLDER = "scanned"  # in the run folder: the pieces of the index
# Of each table of a small plan, the columns with numbers of shards, or of gates (below 0).
_TABLES: dict[str, tuple[str, ...]] = {
    "shards": ("id", "of", "payload_of", "again"),
    "payloads": ("shard",),
    "needs": ("needed", "shard"),
    "gates": ("id",),
    "touched_before": (),
    "vanished": (),
}
_SUMS = ("items", "files", "directories", "bytes")
# What of a plan's meta a host must know to scan and plan a piece.
GROWS = (
    "scan", "kept", "hosts", "split", "limits", "mounts", "verify", "verify_all", "min_depth",
    "max_depth", "compared",
)  # fmt: skip


class PieceOptions(NamedTuple):
    """How a piece is planned: as :func:`.planner.plan` has it."""

    hosts: Sequence[str]
    split: str
    limits: Limits
    mounts: int
    links: bool
    verify: str
    verify_all: bool
    min_depth: int | None
    max_depth: int | None
    leave_out: bool

    @classmethod
    def of(cls, meta: dict[str, Any]) -> PieceOptions:
        """Those of a plan that grows."""
        return cls(
            meta["hosts"],
            meta["split"],
            Limits(*meta["limits"]),
            meta["mounts"],
            "links" in meta["kept"],
            meta["verify"],
            meta["verify_all"],
            meta["min_depth"],
            meta["max_depth"],
            bool(meta["compared"]),
        )


def begin(
    path: str,
    hosts: Sequence[str],
    split: str,
    limits: Limits,
    mounts: int,
    verify: str,
    verify_all: bool,
    extra: str,
    min_depth: int | None,
    max_depth: int | None,
    scan: dict[str, Any],
    network: bool = False,
    **meta: Any,
) -> None:
    """A new plan.db with one shard, the scan of the source; ``scan`` are the scan's options, as
    JSON has them, ``kept`` in ``meta`` is what is preserved. ``network``: plan.db is on a network
    file system.

    Raises:
        IngestError: no hosts, an unknown split, a plan that can't be written.
    """
    check(hosts, split, verify, extra)
    store = PlanStore.create(path + ".part")
    try:
        with store.transaction():
            _add_scan(store.db, b"")
            store.db.executemany(
                "INSERT INTO hosts(name, number, state) VALUES (?, ?, ?)",
                [(name, number, HostState.PLANNED) for number, name in enumerate(hosts)],
            )
            store.set_meta(
                hosts=list(hosts),
                split=split,
                limits=list(limits.fitting(meta["kept"])),
                mounts=mounts,
                verify=verify,
                verify_all=verify_all,
                extra=extra,
                min_depth=min_depth,
                max_depth=max_depth,
                selection={name: scan.get(name) for name in SELECTION},
                scan=scan,
                grows=True,
                # Until somebody has looked whether there is something to compare with.
                compared=bool(scan["compare"]),
                right={"files": 0, "directories": 0, "bytes": 0},
                plan_seconds=0.0,
                **dict.fromkeys(_SUMS, 0),
                **meta,
            )
            store.count_parts()
        store.publish(path, network)
    except (OSError, sqlite3.Error) as error:
        raise IngestError(f"the plan {path} can't be written: {error}") from error
    finally:
        if store.path != path:
            store.discard()


def _add_scan(db: sqlite3.Connection, payload: bytes) -> None:
    made = db.execute(
        "INSERT INTO shards(phase, kind, mount, items, files, bytes, cost, state, first, last) "
        "VALUES (?, ?, 0, 0, 0, 0, 0.0, ?, '', '')",
        (Phase.SCAN, Kind.SCAN, ShardState.PENDING),
    )
    db.execute("INSERT INTO payloads VALUES (?, ?)", (made.lastrowid, payload))


def plan_piece(
    index_folder: str,
    path: str,
    number: int,
    options: PieceOptions,
    passing: Collection[int],
    rest: Sequence[bytes],
    said: dict[str, Any],
    vanished: Sequence[int],
) -> None:
    """Plan the index of the piece ``number`` into a small plan at ``path``, with ``rest`` as the
    texts of further pieces. ``passing`` directories count only for what is below them;
    ``vanished`` are directories of other pieces, once for each subdirectory that has no row; what
    is ``said`` to :meth:`Scans.record` goes along.

    Raises:
        IngestError: it can't be written, or the index not be read.
    """
    index = Index(index_folder)
    on_the_way = frozenset(passing)
    portion = Portion(
        number,
        "nlink=1" if options.links else "1",
        lambda entry: entry.id not in on_the_way,
        directories=False,
        whole=False,
    )
    try:
        with _planned(path, index, options, portion) as store, store.transaction() as db:
            for payload in rest:
                _add_scan(db, payload)
            db.executemany("INSERT INTO vanished VALUES (?)", [(each,) for each in vanished])
            store.set_meta(**said)
    finally:
        index.close()


@contextmanager
def _planned(
    path: str, index: Index, options: PieceOptions, portion: Portion
) -> Iterator[PlanStore]:
    """A small plan of a portion of an index, with its sums. Raises IngestError, also for what
    SQLite says in the block."""
    store = PlanStore.create(path)
    try:
        planner = Planner(store, options.hosts, options.split, options.limits, options.mounts)
        planner.run(
            index,
            options.min_depth,
            options.max_depth,
            options.links,
            options.verify,
            options.leave_out,
            options.verify_all,
            portion,
        )
        sums = {name: getattr(planner, name) for name in _SUMS}
        store.set_meta(**sums, scanned=index.totals()._asdict())
        yield store
    except sqlite3.Error as error:
        raise IngestError(f"the plan {path} can't be written: {error}") from error
    finally:
        store.close()


class Scans:
    """The scan shards of a plan that grows, for one host. Every method is one transaction."""

    def __init__(self, store: PlanStore, host: str) -> None:
        self._store = store
        self._db = store.db
        self._host = host
        self._hosts = len(store.meta()["hosts"])

    def left(self) -> int:
        """How many shards are still to be scanned or gathered, by whomever."""
        query = "SELECT coalesce(sum(pending + claimed), 0) FROM phases WHERE phase=?"
        return int(self._db.execute(query, (Phase.SCAN,)).fetchone()[0])

    def claim(self, most: int) -> list[tuple[Header, bytes]]:
        """Claim up to so many scan shards: each with its options, and what is to be listed."""
        if most < 1 or not self._pending(Kind.SCAN, 1):
            return []
        with self._store.transaction():
            left = self.left()
            enough = _PIECES_PER_HOST * self._hosts
            told = {
                "seconds": _LONG if left >= enough else _SHORT,
                "pieces": max(1, -(-enough // max(1, left))),
                "compared": self._store.meta()["compared"],
            }
            claimed = []
            for shard, payload in self._pending(Kind.SCAN, most):
                self._take(shard)
                options = json.dumps(told).encode("ascii")
                claimed.append((Header(shard, Kind.SCAN, "", 0), options + b"\n" + payload))
            return claimed

    def claim_gathering(self) -> int | None:
        """Claim the shard that makes the index and the rest of the plan, once all is scanned."""
        if not self._pending(Kind.GATHER, 1):
            return None
        with self._store.transaction():
            for shard, _payload in self._pending(Kind.GATHER, 1):
                self._take(shard)
                return shard
        return None

    def _pending(self, kind: str, most: int) -> list[tuple[int, bytes]]:
        query = (
            "SELECT s.id, p.payload FROM shards s JOIN payloads p ON p.shard=s.id WHERE "
            f"s.state='{ShardState.PENDING}' AND s.phase=? AND s.host IS NULL AND s.kind=? "
            "ORDER BY s.id LIMIT ?"
        )
        return self._db.execute(query, (Phase.SCAN, kind, most)).fetchall()

    def _take(self, shard: int) -> None:
        self._db.execute(
            "UPDATE shards SET state=?, claimed_by=?, claimed=? WHERE id=?",
            (ShardState.CLAIMED, self._host, time.time(), shard),
        )

    def _mine(self, shard: int) -> bool:
        query = "SELECT 1 FROM shards WHERE id=? AND state=? AND claimed_by=?"
        values = (shard, ShardState.CLAIMED, self._host)
        return self._db.execute(query, values).fetchone() is not None

    def _done(self, shard: int, file: str = "") -> None:
        self._db.execute(
            "UPDATE shards SET state=?, finished=?, lines=? WHERE id=?",
            (ShardState.DONE, time.time(), file, shard),
        )

    def record(self, shard: int, plan: str, index: str) -> bool:
        """A piece was scanned: its small ``plan`` comes into this one, and its ``index`` (a file's
        name in FOLDER) is known from now on. False, and nothing, if the shard was taken away from a
        host that was believed dead."""
        with self._attached(plan), self._store.transaction() as db:
            if not self._mine(shard):
                return False
            said = _meta(db, "piece")
            _merge(db)
            known = self._store.meta()
            sums = {name: known[name] + said[name] for name in _SUMS}
            scanned = [Totals(**known["scanned"])] if "scanned" in known else []
            self._store.set_meta(
                **sums,
                scanned=add_totals([*scanned, Totals(**said["scanned"])])._asdict(),
                matched=sorted({*known.get("matched", ()), *said["matched"]}),
                compared=said["compared"],
                threads=said["threads"],
            )
            self._done(shard, index)
            if not self.left():
                made = db.execute(
                    "INSERT INTO shards(phase, kind, mount, items, files, bytes, cost, state, "
                    "first, last) VALUES (?, ?, 0, 0, 0, 0, 0.0, ?, '', '')",
                    (Phase.SCAN, Kind.GATHER, ShardState.PENDING),
                )
                db.execute("INSERT INTO payloads VALUES (?, ?)", (made.lastrowid, b""))
            return True

    def record_gathering(self, shard: int, plan: str, seconds: float) -> bool:
        """The rest was planned, in the small ``plan``: from now on this one is whole. False, and
        nothing, if that is another host's by now."""
        with self._attached(plan), self._store.transaction() as db:
            if not self._mine(shard):
                return False
            said = _meta(db, "piece")
            _merge(db)
            known = self._store.meta()
            sums = {name: known[name] + said[name] for name in _SUMS}
            whole = Totals(**said["scanned"])
            self._store.set_meta(
                **sums,
                right={
                    "files": whole.entries - sums["files"],
                    "directories": whole.directories - sums["directories"],
                    "bytes": whole.bytes - sums["bytes"],
                },
                plan_seconds=round(seconds, 3),
                grows=False,
            )
            db.execute("DELETE FROM touched_before")
            self._done(shard)
            return True

    @contextmanager
    def _attached(self, plan: str) -> Iterator[None]:
        self._db.execute("ATTACH ? AS piece", (plan,))
        try:
            yield
        finally:
            self._db.execute("DETACH piece")

    # -- what gathering needs ----------------------------------------------------------------------

    def pieces(self, folder: str) -> list[Scanned]:
        """All pieces of the index, of which the run folder has the files."""
        query = "SELECT id, lines FROM shards WHERE phase=? AND kind=? AND state=? ORDER BY id"
        return [
            Scanned(number, os.path.join(folder, FOLDER, file))
            for number, file in self._db.execute(query, (Phase.SCAN, Kind.SCAN, ShardState.DONE))
        ]

    def vanished(self) -> dict[int, int]:
        """How many subdirectories of which directory (as the pieces number them) have no row."""
        query = "SELECT directory, count(*) FROM vanished GROUP BY directory"
        return dict(self._db.execute(query).fetchall())

    def plan_rest(self, index: Index, plan: str) -> None:
        """Plan into a small ``plan`` what only the whole index tells. Raises IngestError."""
        meta = self._store.meta()
        options = PieceOptions.of(meta)
        empty = frozenset(map(moved, self.vanished()))
        touched = (moved(each) for (each,) in self._db.execute("SELECT * FROM touched_before"))
        portion = Portion(
            0,
            "nlink>1" if options.links else "0",
            lambda entry: entry.id in empty,
            touched=touched,
            whole=False,
        )
        with _planned(plan, index, options, portion):
            pass


def name_of_piece(shard: int) -> str:
    """A new name for a piece's file: of several that are brought for a shard one counts."""
    return f"{shard}-{secrets.token_hex(8)}.db"


def _meta(db: sqlite3.Connection, schema: str) -> dict[str, Any]:
    found = db.execute(f"SELECT key, value FROM {schema}.meta")
    return {key: json.loads(value) for key, value in found}


def _merge(db: sqlite3.Connection) -> None:
    """Add the attached small plan, with other numbers: above all of the shards here, and, of gates,
    below all."""
    (shards,) = db.execute("SELECT coalesce(max(id), 0) FROM main.shards").fetchone()
    (gates,) = db.execute("SELECT coalesce(min(id), 0) FROM main.gates").fetchone()
    for table, numbers in _TABLES.items():
        names = [row[1] for row in db.execute(f"PRAGMA piece.table_info({table})")]
        values = [
            f"{name} + CASE WHEN {name} < 0 THEN {gates} ELSE {shards} END"
            if name in numbers
            else name
            for name in names
        ]
        db.execute(
            f"INSERT {'OR IGNORE ' if not numbers else ''}INTO main.{table}({', '.join(names)}) "
            f"SELECT {', '.join(values)} FROM piece.{table}"
        )
