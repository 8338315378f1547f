# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.db: the run's plan and, as it goes, its results. Lives on the controller.

All SQL on it is in this room: what a plan is made of in planner, the claims and results in
dispatch, what others read in queries. With ten million shards a question costs what it costs with
a thousand: what is asked often is counted in ``parts``, by the transactions that change it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from ..core.errors import IngestError
from ..core.outcome import Counts
from ..core.sqlite import read_only_uri

VERSION = 3
_COUNTS = ", ".join(f"{name} INTEGER" for name in Counts._fields)
# Times are the wall clock's, for the report; but what a host's lease is judged by, ``heard``, is
# in seconds since the controller's start, whose id is ``boot``.
_SCHEMA = f"""
PRAGMA user_version={VERSION};
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE hosts(name TEXT PRIMARY KEY, number INTEGER, state TEXT, heartbeat REAL,
  started REAL, finished REAL, message TEXT, heard REAL, boot TEXT);
CREATE TABLE shards(id INTEGER PRIMARY KEY, phase INTEGER, kind TEXT, host TEXT, mount INTEGER,
  claimed_by TEXT, items INTEGER, files INTEGER, bytes INTEGER, cost REAL, state TEXT,
  claimed REAL, finished REAL, first TEXT, last TEXT, of INTEGER,
  lost TEXT, lines TEXT);
CREATE TABLE payloads(shard INTEGER PRIMARY KEY, payload BLOB);
CREATE TABLE parts(phase INTEGER, host TEXT, pending INTEGER, claimed INTEGER, files INTEGER,
  bytes INTEGER, done_files INTEGER, done_bytes INTEGER, PRIMARY KEY(phase, host)) WITHOUT ROWID;
CREATE TABLE broken(path BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE results(shard INTEGER, host TEXT, mount TEXT, {_COUNTS}, seconds REAL);
CREATE TABLE failures(shard INTEGER, host TEXT, mount TEXT, phase INTEGER, path BLOB,
  operation TEXT, errno INTEGER, message TEXT);
CREATE TABLE samples(host TEXT, time REAL, files INTEGER, bytes INTEGER);
CREATE TABLE slow(host TEXT, path BLOB, seconds REAL, files INTEGER, bytes INTEGER);
CREATE TABLE left_out(host TEXT, mount TEXT, source TEXT, address TEXT, message TEXT);
CREATE TABLE extras(shard INTEGER, path BLOB, type TEXT);
CREATE TABLE losses(host TEXT, kind TEXT, count INTEGER, path BLOB, message TEXT);
"""

# A host's part of a phase: the shards that it has claimed or done, and those planned for it that
# nobody has claimed; the host "" has those that are for whoever is free.
_COUNTED = """
CREATE INDEX shards_pending ON shards(phase, host, id) WHERE state='pending';
CREATE INDEX shards_claimed ON shards(claimed_by) WHERE state='claimed';
CREATE INDEX shards_checks ON shards(of) WHERE of IS NOT NULL;
INSERT INTO parts SELECT phase, coalesce(claimed_by, host, ''), sum(state='pending'),
  sum(state='claimed'), sum(files), sum(bytes), sum(files*(state='done')), sum(bytes*(state='done'))
  FROM shards GROUP BY 1, 2;
CREATE TRIGGER shards_counted AFTER UPDATE OF state, claimed_by ON shards BEGIN
  UPDATE parts SET
    pending=pending-(OLD.state='pending'), claimed=claimed-(OLD.state='claimed'),
    files=files-OLD.files, bytes=bytes-OLD.bytes,
    done_files=done_files-OLD.files*(OLD.state='done'),
    done_bytes=done_bytes-OLD.bytes*(OLD.state='done')
    WHERE phase=OLD.phase AND host=coalesce(OLD.claimed_by, OLD.host, '');
  INSERT OR IGNORE INTO parts
    VALUES (NEW.phase, coalesce(NEW.claimed_by, NEW.host, ''), 0, 0, 0, 0, 0, 0);
  UPDATE parts SET
    pending=pending+(NEW.state='pending'), claimed=claimed+(NEW.state='claimed'),
    files=files+NEW.files, bytes=bytes+NEW.bytes,
    done_files=done_files+NEW.files*(NEW.state='done'),
    done_bytes=done_bytes+NEW.bytes*(NEW.state='done')
    WHERE phase=NEW.phase AND host=coalesce(NEW.claimed_by, NEW.host, '');
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
        """A new, empty plan.db in place of any old one. Raises IngestError if it can't be made."""
        try:
            for old in (path, path + "-journal"):
                if os.path.lexists(old):
                    os.unlink(old)
            db = _connect(path)
            db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise IngestError(f"the plan {path} can't be written: {error}") from error
        return cls(path, db)

    @classmethod
    def open(cls, path: str, readonly: bool = False) -> PlanStore:
        """The plan at ``path``. Raises IngestError if there is none, or one of another version."""
        if not os.path.isfile(path):
            raise IngestError(f"there is no run in {os.path.dirname(path)}: it has no plan.db")
        try:
            db = _connect(read_only_uri(path), uri=True) if readonly else _connect(path)
            db.execute("SELECT 1 FROM shards LIMIT 1")
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

    def close(self) -> None:
        """Close it."""
        self.db.close()

    def __enter__(self) -> PlanStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
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
    db = sqlite3.connect(path, timeout=_PATIENCE, uri=uri, isolation_level=None)
    # A lost plan is made again by the next run, so no write waits for the disk.
    db.execute("PRAGMA synchronous=OFF")
    return db
