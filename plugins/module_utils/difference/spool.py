# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found so far, in a SQLite file of its own: memory stays flat whatever has changed."""

from __future__ import annotations

import marshal
import os
import sqlite3
from typing import Any, Iterator, Tuple

from .rows import Plain

_BATCH = 4_096
# Of a directory that is in one tree only, or is another one under the same path: where its
# entries are (see sides.Node).
_DIRECTORY = "key BLOB PRIMARY KEY, device, inode, row BLOB, at BLOB"
# key: the path in the new tree, or that it would have there, with / as NUL; path: the old one.
# pairs: the directory that it was in is in both trees, so what has its key may be its successor.
TABLES = {
    "lost": "key BLOB, path BLOB, pairs INTEGER, device, inode, row BLOB, moved INTEGER",
    "found": "key BLOB, pairs INTEGER, device, inode, row BLOB, moved INTEGER",
    "changed": "key BLOB, path BLOB, old BLOB, new BLOB",
    "moved": "key BLOB, path BLOB, old BLOB, new BLOB",
    "lost_directories": _DIRECTORY,
    "found_directories": _DIRECTORY,
    "pairs": "old BLOB PRIMARY KEY, new BLOB UNIQUE",
}
_RESULTS = ("lost", "found", "changed", "moved")

Pair = Tuple[bytes, bytes, Plain, Plain]  # key, old path, old row, new row


def pack(row: Plain) -> bytes:
    """A row, or where it is, as a blob."""
    return marshal.dumps(row)


def unpack(blob: bytes) -> Plain:
    """What :func:`pack` was given."""
    found: Plain = marshal.loads(blob)
    return found


class Spool:
    """One such file. Its methods raise sqlite3.Error."""

    def __init__(self, path: str) -> None:
        self.path = path
        fresh = not os.path.exists(path)
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
            "PRAGMA cache_size=-16000; PRAGMA temp_store=FILE; PRAGMA page_size=16384;"
        )
        if fresh:
            for name, columns in TABLES.items():
                self.db.execute(f"CREATE TABLE {name}({columns})")
        self.db.execute("BEGIN")
        self._waiting: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}

    def close(self) -> None:
        """Write what waits, and close."""
        self.commit()
        self.db.close()

    def commit(self) -> None:
        """Write what there is, so that another process can read it when this one is gone."""
        self.flush()
        self.db.execute("COMMIT")
        self.db.execute("BEGIN")

    def add(self, table: str, *values: Any) -> None:
        """Add a row to a table."""
        rows = self._waiting[table]
        rows.append(values)
        if len(rows) >= _BATCH:
            self._write(table)

    def flush(self) -> None:
        """Write what waits."""
        for table in TABLES:
            self._write(table)

    def _write(self, table: str) -> None:
        rows = self._waiting[table]
        if rows:
            marks = ",".join("?" * len(rows[0]))
            self.db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            self._waiting[table] = []

    def take(self, path: str) -> None:
        """Add all that another spool holds; it is closed, and removed."""
        self.db.execute("COMMIT")
        self.db.execute("ATTACH ? AS other", (path,))
        self.db.execute("BEGIN")
        for table in TABLES:
            self.db.execute(f"INSERT INTO {table} SELECT * FROM other.{table}")
        self.db.execute("COMMIT")
        self.db.execute("DETACH other")
        self.db.execute("BEGIN")
        os.unlink(path)

    def results(self) -> list[Iterator[tuple[Any, ...]]]:
        """Streams of (key, table, row …) of the four tables of results, each in the keys' order."""
        self.flush()
        return [self._stream(table) for table in _RESULTS]

    def _stream(self, table: str) -> Iterator[tuple[Any, ...]]:
        where = " WHERE NOT moved" if table in ("lost", "found") else ""
        rank = _RESULTS.index(table)
        columns = {"lost": "path, pairs, row", "found": "NULL, pairs, row"}.get(
            table, "path, old, new"
        )
        return iter(
            self.db.execute(f"SELECT key, {rank}, {columns} FROM {table}{where} ORDER BY key")
        )


def key_of(path: bytes) -> bytes:
    """A path with / as NUL: in the keys' order a directory comes right before all below it."""
    return path.replace(b"/", b"\0")


def path_of(key: bytes) -> bytes:
    """The inverse of :func:`key_of`."""
    return key.replace(b"\0", b"/")


def below(key: bytes, name: bytes) -> bytes:
    """The key of a name in a directory."""
    return key + b"\0" + name if key else name


def parted(key: bytes) -> tuple[bytes, bytes]:
    """(the directory's key, the name) of a key."""
    directory, _nul, name = key.rpartition(b"\0")
    return directory, name
