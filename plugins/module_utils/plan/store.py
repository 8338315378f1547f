# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.db: the run's plan and, as it goes, its results. Lives on the controller."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from typing import Any

from ..core.errors import IngestError

PREPARE, DATA, LINKS, DIRECTORIES, LAST_DIRECTORIES, VERIFY = range(6)

SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE hosts(name TEXT PRIMARY KEY, number INTEGER, state TEXT, heartbeat REAL,
  started REAL, finished REAL, message TEXT);
CREATE TABLE shards(id INTEGER PRIMARY KEY, phase INTEGER, op TEXT, host TEXT, mount INTEGER,
  runner TEXT, items INTEGER, files INTEGER, bytes INTEGER, cost REAL, state TEXT, claimed REAL,
  finished REAL, first TEXT, last TEXT, of INTEGER, payload BLOB);
CREATE TABLE results(shard INTEGER, host TEXT, mount TEXT, files INTEGER, directories INTEGER,
  bytes INTEGER, skipped INTEGER, changed INTEGER, failed INTEGER, repaired INTEGER, seconds REAL);
CREATE TABLE failures(shard INTEGER, host TEXT, mount TEXT, phase INTEGER, path BLOB,
  operation TEXT, errno INTEGER, message TEXT);
CREATE TABLE samples(host TEXT, time REAL, files INTEGER, bytes INTEGER);
CREATE TABLE slow(host TEXT, path BLOB, seconds REAL, files INTEGER, bytes INTEGER);
CREATE TABLE silent(host TEXT, mount TEXT, source TEXT, address TEXT, message TEXT);
CREATE TABLE losses(host TEXT, kind TEXT, count INTEGER, path BLOB, message TEXT);
"""


def create_plan(path: str) -> sqlite3.Connection:
    """A new, empty plan.db in place of any old one. Raises IngestError if it can't be made."""
    try:
        for old in (path, path + "-journal"):
            if os.path.lexists(old):
                os.unlink(old)
        db = _connect(path)
        db.executescript(SCHEMA)
    except (OSError, sqlite3.Error) as error:
        raise IngestError(f"the plan {path} can't be written: {error}") from error
    return db


def open_plan(path: str, readonly: bool = False) -> sqlite3.Connection:
    """The plan at ``path``. Raises IngestError if there is none."""
    if not os.path.isfile(path):
        raise IngestError(f"there is no plan at {path}: run the plan module first")
    try:
        db = _connect(f"file:{_quote(path)}?mode=ro", uri=True) if readonly else _connect(path)
        db.execute("SELECT 1 FROM shards LIMIT 1")
    except sqlite3.Error as error:
        raise IngestError(f"{path} is not a plan: {error}") from error
    return db


def _connect(path: str, uri: bool = False) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=120, uri=uri, isolation_level=None)
    # A lost plan is made again by the next run, so no write waits for the disk.
    db.execute("PRAGMA synchronous=OFF")
    return db


def _quote(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def get_meta(db: sqlite3.Connection) -> dict[str, Any]:
    """All of the meta table, values decoded."""
    return {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta")}


def set_meta(db: sqlite3.Connection, **values: Any) -> None:
    """Store values that JSON can hold."""
    db.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        [(key, json.dumps(value)) for key, value in values.items()],
    )


def check_idle(path: str, patience: float = 90.0) -> None:
    """Raises IngestError if another run is at work on the plan at ``path``."""
    if not os.path.isfile(path):
        return
    try:
        db = _connect(path)
        try:
            found = db.execute(
                "SELECT name FROM hosts WHERE state='running' AND heartbeat>?",
                (time.time() - patience,),
            ).fetchone()
        finally:
            db.close()
    except sqlite3.Error:
        return  # whatever it is, it will be replaced
    if found:
        raise IngestError(
            f"another run is at work in {os.path.dirname(path)} (host {found[0]}): wait for it, or use another run_dir"
        )
