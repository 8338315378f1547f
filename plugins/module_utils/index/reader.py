# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of a source tree: a folder of SQLite shards 0.db, 1.db, …, written by the scan."""

from __future__ import annotations

import heapq
import json
import os
import sqlite3
from operator import attrgetter
from typing import Any, Iterator, NamedTuple

from ..core.errors import IngestError

MAX_SHARDS = 8

SCHEMA = """
CREATE TABLE directories(id INTEGER PRIMARY KEY, parent INTEGER, path BLOB, sort BLOB,
  depth INTEGER, inode INTEGER, device INTEGER, mode INTEGER, uid INTEGER, gid INTEGER,
  nlink INTEGER, blocks INTEGER, atime INTEGER, mtime INTEGER, ctime INTEGER, entries INTEGER,
  files INTEGER, bytes INTEGER, disk INTEGER, subdirectories INTEGER, first INTEGER, last INTEGER);
CREATE TABLE entries(id INTEGER PRIMARY KEY, directory INTEGER, name BLOB, type TEXT,
  inode INTEGER, device INTEGER, mode INTEGER, nlink INTEGER, uid INTEGER, gid INTEGER,
  size INTEGER, blocks INTEGER, rdev INTEGER, atime INTEGER, mtime INTEGER, ctime INTEGER);
CREATE TABLE errors(path BLOB, operation TEXT, errno INTEGER, message TEXT);
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);
"""
# Made when a shard is full: readers walk the directories in pre-order.
ORDER = "CREATE INDEX directories_sort ON directories(sort)"

_UNSIGNED = 1 << 64
_SIGNED = 1 << 63
# SQLite holds 63 bits and a sign. Larger numbers (inodes of some servers, times after 2262) are
# stored less 2^64; a time that far before 1970 was never meant.
_EARLIEST = -(1 << 62)


class Directory(NamedTuple):
    """A directory of the source. Times in ns, ``bytes`` and ``disk`` of its direct regular files.

    ``sort`` is the path with ``/`` as NUL: in its order a directory comes right before all that
    lies below it. Rows ``first`` to ``last`` of its shard hold its entries, maybe among others.
    """

    id: int
    parent: int
    path: bytes
    sort: bytes
    depth: int
    inode: int
    device: int
    mode: int
    uid: int
    gid: int
    nlink: int
    blocks: int
    atime: int
    mtime: int
    ctime: int
    entries: int
    files: int
    bytes: int
    disk: int
    subdirectories: int
    first: int
    last: int
    shard: int = 0


class Entry(NamedTuple):
    """Anything but a directory: type f l p s b c (``d`` only for an empty directory as an item).

    Times in ns, ``size`` in bytes, ``blocks`` of 512 bytes.
    """

    id: int
    directory: int
    name: bytes
    type: str
    inode: int
    device: int
    mode: int
    nlink: int
    uid: int
    gid: int
    size: int
    blocks: int
    rdev: int
    atime: int
    mtime: int
    ctime: int


class ScanError(NamedTuple):
    """What could not be read. ``path`` is relative to the source, ``b""`` is the source."""

    path: bytes
    operation: str
    errno: int
    message: str


class Totals(NamedTuple):
    """Sums over an index: ``directories`` with the root; ``entries`` all that is no directory;
    ``bytes`` and ``disk`` (allocated, in bytes) of the regular files."""

    files: int = 0
    links: int = 0
    specials: int = 0
    directories: int = 0
    entries: int = 0
    bytes: int = 0
    disk: int = 0
    errors: int = 0


def add_totals(totals: list[Totals]) -> Totals:
    """The sum of several totals."""
    return Totals(*map(sum, zip(*totals))) if totals else Totals()


_DIRECTORY = ", ".join(Directory._fields[:-1])
_ENTRY = ", ".join(Entry._fields)


class Index:
    """An index, read-only.

    Raises:
        IngestError: there is no complete index in ``folder``.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._shards: list[sqlite3.Connection] = []
        self._wide: list[bool] = []
        try:
            self._open_shards()
        except BaseException:
            self.close()
            raise

    def _open_shards(self) -> None:
        while True:
            path = shard_path(self.folder, len(self._shards))
            if not os.path.isfile(path):
                break
            self._shards.append(_open(path))
        if not self._shards:
            raise IngestError(f"there is no index in {self.folder}: run the manifest module first")
        meta = self.meta()
        if "finished" not in meta or meta.get("shards", len(self._shards)) != len(self._shards):
            raise IngestError(f"the index in {self.folder} is not complete: scan the source again")
        self._wide = [bool(_meta(db).get("wide")) for db in self._shards]

    def close(self) -> None:
        """Close the shards."""
        while self._shards:
            self._shards.pop().close()

    def meta(self) -> dict[str, Any]:
        """What the scan was told and how it went: source, include, exclude, globs, started,
        finished (epoch s), unmatched_globs, … (paths as text of ``paths.to_text``)."""
        return _meta(self._shards[0])

    def totals(self) -> Totals:
        """The sums, from what the scan noted, or counted if it did not."""
        noted = [_meta(db).get("totals") for db in self._shards]
        return add_totals(
            [Totals(**known) if known else count(db) for known, db in zip(noted, self._shards)]
        )

    def directories(self) -> Iterator[Directory]:
        """All directories in pre-order, the root first; names by their bytes. Streams."""
        streams = [self._directories(shard) for shard in range(len(self._shards))]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=attrgetter("sort"))

    def _directories(self, shard: int) -> Iterator[Directory]:
        query = "SELECT %s, %d FROM directories ORDER BY sort" % (_DIRECTORY, shard)
        rows = map(Directory._make, self._shards[shard].execute(query))
        return map(_wide_directory, rows) if self._wide[shard] else rows

    def entries(self, directory: Directory) -> Iterator[Entry]:
        """The entries of a directory that :meth:`directories` gave, in the order of the scan:
        names by their bytes (in runs of 50,000 where there are more). Streams."""
        return self.entries_where(directory, "1")

    def entries_where(self, directory: Directory, condition: str) -> Iterator[Entry]:
        """Those entries of a directory for which an SQL condition on the columns holds."""
        if not directory.entries:
            return iter(())
        rows = map(
            Entry._make,
            self._shards[directory.shard].execute(
                f"SELECT {_ENTRY} FROM entries WHERE id BETWEEN ? AND ? AND directory = ? AND ({condition}) ORDER BY id",
                (directory.first, directory.last, directory.id),
            ),
        )
        return map(_wide_entry, rows) if self._wide[directory.shard] else rows

    def function(self, name: str, act: Any) -> None:
        """Let SQL conditions call ``act``, a function of one argument."""
        for db in self._shards:
            db.create_function(name, 1, act)

    def sums(self, columns: str, condition: str = "1") -> list[float]:
        """The totals of SQL expressions over all entries."""
        rows = [
            db.execute(f"SELECT {columns} FROM entries WHERE {condition}").fetchone()
            for db in self._shards
        ]
        return [sum(column) for column in zip(*rows)]

    def matching(self, condition: str, table: str = "entries") -> tuple[int, bytes]:
        """How many rows of ``entries`` or ``directories`` an SQL condition holds for, and the path
        of one of them (b"" for none, too)."""
        many, example = 0, b""
        for db in self._shards:
            count, row = db.execute(
                f"SELECT count(*), min(id) FROM {table} WHERE {condition}"
            ).fetchone()
            if count and not many:
                query = (
                    "SELECT path, '' FROM directories WHERE id=?"
                    if table == "directories"
                    else (
                        "SELECT (SELECT path FROM directories d WHERE d.id=e.directory), name"
                        " FROM entries e WHERE id=?"
                    )
                )
                path, name = map(bytes_of, db.execute(query, (row,)).fetchone())
                example = b"/".join(filter(None, (path, name)))
            many += count
        return many, example

    def paths(self) -> Iterator[bytes]:
        """The paths of everything but the root, in no particular order. Streams."""
        for db in self._shards:
            for (path,) in db.execute("SELECT path FROM directories WHERE depth>0"):
                yield bytes_of(path)
            for folder, name in db.execute(
                "SELECT d.path, e.name FROM directories d JOIN entries e"
                " ON e.id BETWEEN d.first AND d.last AND e.directory=d.id"
            ):
                yield b"/".join(filter(None, (bytes_of(folder), bytes_of(name))))

    def errors(self) -> Iterator[ScanError]:
        """All that could not be read."""
        for db in self._shards:
            for row in db.execute("SELECT path, operation, errno, message FROM errors"):
                yield ScanError(*row)


def bytes_of(value: Any) -> bytes:
    """A column's value, which SQLite may hold as text."""
    return value if isinstance(value, bytes) else str(value).encode()


def shard_path(folder: str, number: int) -> str:
    """The file of a shard."""
    return os.path.join(folder, "%d.db" % number)


def count(db: sqlite3.Connection) -> Totals:
    """The sums over one shard, counted."""
    kinds = dict(db.execute("SELECT type, count(*) FROM entries GROUP BY type"))
    directories, size, disk = db.execute(
        "SELECT count(*), ifnull(sum(bytes), 0), ifnull(sum(disk), 0) FROM directories"
    ).fetchone()
    files, links, everything = kinds.get("f", 0), kinds.get("l", 0), sum(kinds.values())
    (errors,) = db.execute("SELECT count(*) FROM errors").fetchone()
    return Totals(
        files, links, everything - files - links, directories, everything, size, disk, errors
    )


def narrow(number: Any) -> Any:
    """A number as SQLite can hold it (the readers undo it); anything else as it is."""
    if isinstance(number, int) and not -_SIGNED <= number < _SIGNED:
        number %= _UNSIGNED
        return number - _UNSIGNED if number >= _SIGNED else number
    return number


def _open(path: str) -> sqlite3.Connection:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    db: sqlite3.Connection | None = None
    try:
        db = sqlite3.connect(
            f"file:{quoted}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        db.execute("SELECT 1 FROM directories, entries, errors, meta LIMIT 1")
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        raise IngestError(f"{path} is not a part of an index: {error}") from error
    return db


def _meta(db: sqlite3.Connection) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta")}


def _unsigned(number: int) -> int:
    return number % _UNSIGNED


def _time(number: int) -> int:
    return number + _UNSIGNED if number < _EARLIEST else number


def _times(row: Any) -> tuple[int, int, int]:
    return _time(row.atime), _time(row.mtime), _time(row.ctime)


def _wide_directory(row: Directory) -> Directory:
    atime, mtime, ctime = _times(row)
    return row._replace(
        inode=_unsigned(row.inode),
        device=_unsigned(row.device),
        atime=atime,
        mtime=mtime,
        ctime=ctime,
    )


def _wide_entry(row: Entry) -> Entry:
    atime, mtime, ctime = _times(row)
    return row._replace(
        inode=_unsigned(row.inode),
        device=_unsigned(row.device),
        rdev=_unsigned(row.rdev),
        atime=atime,
        mtime=mtime,
        ctime=ctime,
    )


def item_entry(directory: Directory) -> Entry:
    """An empty directory as an item of its own: an Entry of type ``d``."""
    return Entry(
        directory.id,
        directory.parent,
        directory.path.rpartition(b"/")[2],
        "d",
        directory.inode,
        directory.device,
        directory.mode,
        directory.nlink,
        directory.uid,
        directory.gid,
        0,
        directory.blocks,
        0,
        directory.atime,
        directory.mtime,
        directory.ctime,
    )
