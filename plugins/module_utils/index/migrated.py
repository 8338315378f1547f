# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was moved is remembered beside the indexes: in which pool a file is since which run.

Pools with trees of their own tell that themselves. Where pools share one tree, no scan can. And a
difference of two scans takes what was moved for a change, if it does not know.
"""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any, Iterable, Iterator, NamedTuple

from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..core.sqlite import read_only
from .rows import narrow

NAME = "migrated.db"
_VERSION = 1
_SCHEMA = f"""
PRAGMA user_version={_VERSION};
CREATE TABLE migrated(path BLOB PRIMARY KEY, pool TEXT, run TEXT, time REAL, device INTEGER,
  inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER) WITHOUT ROWID;
"""


class Migrated:
    """The memory of the indexes in ``folder``; empty if nothing was moved yet.

    Raises:
        IngestError: it can't be read, or is of another version.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, NAME)
        try:
            if not os.path.exists(self._path):
                # Names are nobody else's business.
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(self._path, isolation_level=None)
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise IngestError(f"{self._path} can't be used: {error}") from error
        if version not in (0, _VERSION):
            raise IngestError(f"{self._path} was written by another version of scaleout.ingest")

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def pool_of(self, path: bytes, device: int, inode: int) -> str:
        """The pool that a file was moved to, "" if it was not, or is another by now."""
        row = self._db.execute(
            "SELECT pool FROM migrated WHERE path=? AND device=? AND inode=?",
            (path, narrow(device), narrow(inode)),
        ).fetchone()
        return str(row[0]) if row else ""

    def fold(self, results: str, pool: str, run: str, now: float) -> int:
        """Add what a mover's results (a JSON object a line) say was moved; returns how many names.

        Raises:
            IngestError: the results can't be read, or the memory can't be written.
        """
        try:
            with open(results, encoding="ascii") as lines:
                rows = list(_moved(results, lines, pool, run, now))
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR REPLACE INTO migrated VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            self._db.execute("COMMIT")
        except (OSError, UnicodeError, sqlite3.Error) as error:
            raise IngestError(f"{results} can't be folded into {self._path}: {error}") from error
        return len(rows)


class Moved(NamedTuple):
    """A file that was moved: to which pool, when (Unix time), and what it was then: its inode, size
    in bytes and modification time in ns, as an index has them."""

    pool: str
    time: float
    inode: int
    size: int
    mtime: int


class Memory:
    """The memory beside an index, to be asked only. Raises IngestError: it can't be read."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._db = read_only(path)
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            raise IngestError(f"{path} can't be read: {error}") from error
        if version != _VERSION:
            self._db.close()
            raise IngestError(f"{path} was written by another version of scaleout.ingest")

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def of(self, path: bytes) -> Moved | None:
        """What is remembered of a path. Raises IngestError."""
        query = "SELECT pool, time, inode, size, mtime FROM migrated WHERE path=?"
        row = self._asked(query, (path,))
        return Moved(*row) if row else None

    def below(self, directory: bytes, since: float) -> bool:
        """Whether something below a directory was moved at that time (Unix time) or later. Raises
        IngestError."""
        low, high = (directory + b"/", directory + b"0") if directory else (b"", b"\xff" * 8)
        query = "SELECT 1 FROM migrated WHERE path>=? AND path<? AND time>=? LIMIT 1"
        return self._asked(query, (low, high, since)) is not None

    def _asked(self, query: str, values: tuple[Any, ...]) -> Any:
        try:
            return self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise IngestError(f"{self._path} can't be read: {error}") from error


def memory_beside(index: str) -> str | None:
    """The memory beside the generations of which ``index`` is one; None if there is none."""
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(index))), NAME)
    return path if os.path.isfile(path) else None


def _moved(
    name: str, lines: Iterable[str], pool: str, run: str, now: float
) -> Iterator[tuple[Any, ...]]:
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if record["outcome"] != "moved":
                continue
            known = [narrow(int(value)) for value in record["known"]]
            paths = [to_bytes(path) for path in record["paths"]]
        except (ValueError, KeyError, TypeError) as error:
            raise IngestError(f"{name}, line {number}: is no result of a move") from error
        for path in paths:
            yield (path, pool, run, now, *known)
