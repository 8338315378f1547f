# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.db: the run's plan and, as it goes, its results. Lives on the controller.

All SQL on it is in this room: what a plan is made of in planner, the claims and results in
dispatch, what others read in queries. With ten million shards a question costs what it costs with
a thousand: what is asked often is counted in ``parts``, by the transactions that change it.

A plan appears whole, under its name, when it is published. From then on it survives the loss of
power. On a local disk that takes a write-ahead log, which costs less than a journal without any
promise does; the last transactions before may be lost, the last ones first, and what they say was
done is done again. A network file system can't have such a log: there a journal is written, and
each transaction waits for the server.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from typing import Any, Callable, Iterator

from ..core.errors import IngestError
from ..core.outcome import Counts
from ..core.sqlite import read_only_uri

VERSION = 5
_COUNTS = ", ".join(f"{name} INTEGER" for name in Counts._fields)
# Times are the wall clock's, for the report; but what a host's lease is judged by, ``heard``, is
# in seconds since the controller's start, whose id is ``boot``. Of a shard of which something
# failed on ``tries`` hosts, as may pass, ``lines`` say what is to be done again. ``waits``: see
# :mod:`.needs`; ``payload_of``, ``low``, ``high``: :mod:`.cut`; ``turn``: what is claimed first;
# ``rate`` of a host: :mod:`.speed`.
_SCHEMA = f"""
PRAGMA user_version={VERSION};
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE hosts(name TEXT PRIMARY KEY, number INTEGER, state TEXT, heartbeat REAL,
  started REAL, finished REAL, message TEXT, heard REAL, boot TEXT, rate REAL,
  processors REAL);
CREATE TABLE shards(id INTEGER PRIMARY KEY, phase INTEGER, kind TEXT, host TEXT, mount INTEGER,
  claimed_by TEXT, items INTEGER, files INTEGER, bytes INTEGER, cost REAL, state TEXT,
  claimed REAL, finished REAL, first TEXT, last TEXT, of INTEGER,
  lost TEXT, lines TEXT, tries INTEGER NOT NULL DEFAULT 0,
  turn INTEGER NOT NULL DEFAULT 0, waits INTEGER NOT NULL DEFAULT 0,
  payload_of INTEGER, low INTEGER, high INTEGER);
CREATE TABLE payloads(shard INTEGER PRIMARY KEY, payload BLOB);
CREATE TABLE needs(needed INTEGER, shard INTEGER, PRIMARY KEY(needed, shard)) WITHOUT ROWID;
CREATE TABLE gates(id INTEGER PRIMARY KEY, waits INTEGER);
CREATE TABLE parts(phase INTEGER, host TEXT, waiting INTEGER, pending INTEGER, claimed INTEGER,
  cost REAL, files INTEGER, bytes INTEGER, done_files INTEGER, done_bytes INTEGER,
  PRIMARY KEY(phase, host)) WITHOUT ROWID;
CREATE TABLE phases(phase INTEGER PRIMARY KEY, waiting INTEGER, pending INTEGER, claimed INTEGER,
  cost REAL);
CREATE TABLE broken(path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE results(shard INTEGER, host TEXT, mount TEXT, {_COUNTS}, seconds REAL);
CREATE TABLE failures(shard INTEGER, host TEXT, mount TEXT, phase INTEGER, path BLOB,
  operation TEXT, errno INTEGER, message TEXT);
CREATE TABLE samples(host TEXT, time REAL, files INTEGER, bytes INTEGER, workers INTEGER);
CREATE TABLE slow(host TEXT, path BLOB, seconds REAL, files INTEGER, bytes INTEGER);
CREATE TABLE left_out(host TEXT, mount TEXT, source TEXT, address TEXT, message TEXT);
CREATE TABLE extras(shard INTEGER, path BLOB, type TEXT);
CREATE TABLE touched_before(directory INTEGER PRIMARY KEY);
CREATE TABLE vanished(directory INTEGER);
CREATE TABLE losses(host TEXT, kind TEXT, count INTEGER, path BLOB, message TEXT);
"""

# A host's part of a phase: the shards that it has claimed or done, and those planned for it that
# nobody has claimed; the host "" has those that are for whoever is free. ``cost`` is that of what
# nobody has begun: of a part what may be claimed, of a phase also what waits.
_HOST = "coalesce({0}.claimed_by, {0}.host, '')"
_LEAVE = f"""  UPDATE parts SET
    waiting=waiting-(OLD.state='waiting'), pending=pending-(OLD.state='pending'),
    claimed=claimed-(OLD.state='claimed'), cost=cost-OLD.cost*(OLD.state='pending'),
    files=files-OLD.files, bytes=bytes-OLD.bytes,
    done_files=done_files-OLD.files*(OLD.state='done'),
    done_bytes=done_bytes-OLD.bytes*(OLD.state='done')
    WHERE phase=OLD.phase AND host={_HOST.format("OLD")};
  UPDATE phases SET
    waiting=waiting-(OLD.state='waiting'), pending=pending-(OLD.state='pending'),
    claimed=claimed-(OLD.state='claimed'),
    cost=cost-OLD.cost*(OLD.state IN ('pending', 'waiting'))
    WHERE phase=OLD.phase;"""
_COME = f"""  INSERT OR IGNORE INTO parts
    VALUES (NEW.phase, {_HOST.format("NEW")}, 0, 0, 0, 0.0, 0, 0, 0, 0);
  UPDATE parts SET
    waiting=waiting+(NEW.state='waiting'), pending=pending+(NEW.state='pending'),
    claimed=claimed+(NEW.state='claimed'), cost=cost+NEW.cost*(NEW.state='pending'),
    files=files+NEW.files, bytes=bytes+NEW.bytes,
    done_files=done_files+NEW.files*(NEW.state='done'),
    done_bytes=done_bytes+NEW.bytes*(NEW.state='done')
    WHERE phase=NEW.phase AND host={_HOST.format("NEW")};
  INSERT OR IGNORE INTO phases VALUES (NEW.phase, 0, 0, 0, 0.0);
  UPDATE phases SET
    waiting=waiting+(NEW.state='waiting'), pending=pending+(NEW.state='pending'),
    claimed=claimed+(NEW.state='claimed'),
    cost=cost+NEW.cost*(NEW.state IN ('pending', 'waiting'))
    WHERE phase=NEW.phase;"""
_COUNTED = f"""
CREATE INDEX shards_pending ON shards(phase, host, turn, id) WHERE state='pending';
CREATE INDEX shards_claimed ON shards(claimed_by) WHERE state='claimed';
CREATE INDEX shards_checks ON shards(of) WHERE of IS NOT NULL;
INSERT INTO parts SELECT phase, {_HOST.format("shards")}, sum(state='waiting'),
  sum(state='pending'), sum(state='claimed'), total(cost*(state='pending')), sum(files),
  sum(bytes), sum(files*(state='done')), sum(bytes*(state='done'))
  FROM shards GROUP BY 1, 2;
INSERT INTO phases SELECT phase, sum(state='waiting'), sum(state='pending'), sum(state='claimed'),
  total(cost*(state IN ('pending', 'waiting'))) FROM shards GROUP BY 1;
CREATE TRIGGER shards_counted AFTER UPDATE OF state, claimed_by, host ON shards BEGIN
{_LEAVE}
{_COME}
END;
CREATE TRIGGER shards_added AFTER INSERT ON shards BEGIN
{_COME}
END;
"""
_BUSY = 5.0  # s to wait for others that write, before something else is done meanwhile
_PATIENCE = 120.0  # s to wait for them at all


class PlanStore:
    """One plan.db. ``db`` is for the SQL of this room alone."""

    def __init__(self, path: str, db: sqlite3.Connection) -> None:
        """See :meth:`create` and :meth:`open`."""
        self.path = path
        self.db = db
        # Called every few seconds while others write: a host's lease must not run out over that.
        self.while_busy: Callable[[], object] = lambda: None

    @classmethod
    def create(cls, path: str) -> PlanStore:
        """A new, empty plan.db in place of any old one, to be written and then published: until
        then nothing waits for the disk. Raises IngestError if it can't be made."""
        try:
            _remove(path)
            db = _connect(path)
            db.execute("PRAGMA synchronous=OFF")
            db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise IngestError(f"the plan {path} can't be written: {error}") from error
        return cls(path, db)

    def publish(self, path: str, network: bool = False) -> None:
        """It is complete, and takes the place of any plan at ``path``; this store is closed.
        ``network``: that is on a network file system. Raises OSError and sqlite3.Error."""
        self.keep_safe(network)
        self.db.close()
        with open(self.path, "rb+") as stream:
            os.fsync(stream.fileno())
        _remove(path)
        os.replace(self.path, path)
        folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.path = path

    def keep_safe(self, network: bool) -> None:
        """From now on it survives the loss of power; see above."""
        _promise(self.db, not network)

    def put_away(self) -> None:
        """One plain file is all there is, which can be read where nothing can be written; unless
        somebody else has it open."""
        self.db.execute("PRAGMA busy_timeout=0")
        with contextlib.suppress(sqlite3.OperationalError):
            self.db.execute("PRAGMA journal_mode=DELETE").fetchone()

    @classmethod
    def open(cls, path: str, readonly: bool = False) -> PlanStore:
        """The plan at ``path``. Raises IngestError if there is none, or one of another version."""
        if not os.path.isfile(path):
            raise IngestError(f"there is no run in {os.path.dirname(path)}: it has no plan.db")
        try:
            db = _connect(read_only_uri(path), uri=True) if readonly else _connect(path)
            db.execute("SELECT 1 FROM shards LIMIT 1")
            if not readonly:
                _promise(db, db.execute("PRAGMA journal_mode").fetchone()[0] == "wal")
            (version,) = db.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            raise IngestError(f"{path} is not a plan: {error}") from error
        if version != VERSION:
            db.close()
            raise IngestError(
                f"{path} was written by another version of scaleout.ingest (schema {version or 1}, "
                f"this one reads {VERSION}): use the version that wrote it, or another run_dir"
            )
        return cls(path, db)

    def discard(self) -> None:
        """It was not published, and nothing of it stays."""
        self.db.close()
        with contextlib.suppress(OSError):
            _remove(self.path)

    def close(self) -> None:
        """Close it."""
        self.db.close()

    def __enter__(self) -> PlanStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything in it, or nothing; nobody else writes meanwhile."""
        self._begin()
        try:
            yield self.db
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def _begin(self) -> None:
        until = time.monotonic() + _PATIENCE
        while True:
            self.db.execute("PRAGMA busy_timeout=%d" % (_BUSY * 1000))
            try:
                self.db.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
            finally:
                self.db.execute("PRAGMA busy_timeout=%d" % (_PATIENCE * 1000))
            self.while_busy()

    def count_parts(self) -> None:
        """All shards are there: from now on their parts are counted, and found quickly."""
        for statement in _statements(_COUNTED):
            self.db.execute(statement)

    def meta(self) -> dict[str, Any]:
        """The run's settings and totals."""
        return {
            key: json.loads(value) for key, value in self.db.execute("SELECT key, value FROM meta")
        }

    def set_meta(self, **values: Any) -> None:
        """Store values that JSON can hold."""
        self.db.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            [(key, json.dumps(value)) for key, value in values.items()],
        )


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, for a transaction: executescript() would end it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _connect(path: str, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_PATIENCE, uri=uri, isolation_level=None)


def _promise(db: sqlite3.Connection, log: bool) -> None:
    """Survive the loss of power, with a write-ahead log or without."""
    db.execute(f"PRAGMA journal_mode={'WAL' if log else 'TRUNCATE'}").fetchone()
    db.execute(f"PRAGMA synchronous={'NORMAL' if log else 'FULL'}")


def _remove(path: str) -> None:
    """Remove a plan, that first, and what SQLite may have left beside it. Raises OSError."""
    for name in (path, path + "-wal", path + "-shm", path + "-journal"):
        if os.path.lexists(name):
            os.unlink(name)
