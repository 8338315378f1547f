# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the index of a source tree."""

from __future__ import annotations

import heapq
import random
import sqlite3
from operator import attrgetter
from typing import Any, Iterable, Iterator

from ..core.errors import IngestError
from .parts import complete, meta_of, open_part
from .rows import Bucket, Directory, Entry, Extra, ScanError, Totals, add_totals, widened
from .schema import MAX_PARTS, columns

_DIRECTORY = ", ".join(columns("raw_directories"))
_ENTRY = ", ".join(columns("raw_entries"))
_EXTRA = ", ".join(columns("extras"))
_ERROR = ", ".join(columns("errors"))


_AT_ONCE = 50_000  # entries of a directory that are read in one go
_RUN = 32  # neighbours in a sample


class _Part:
    """A part, whose damage is said in a sentence. Its methods raise IngestError."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._db = open_part(file)
        self.meta = meta_of(self._db, file)
        self.close, self.create_function = self._db.close, self._db.create_function

    def damaged(self, why: object) -> IngestError:
        """What is said of it."""
        return IngestError(f"{self._file} is damaged ({why}): scan again")

    def rows(self, query: str, parameters: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """What a query answers. Streams."""
        try:
            yield from self._db.execute(query, parameters)
        except sqlite3.Error as error:
            raise self.damaged(error) from error

    def every(self, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The same, at once."""
        try:
            return self._db.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise self.damaged(error) from error

    def one(self, query: str, parameters: tuple[Any, ...] = ()) -> Any:
        """Its first row, or None."""
        return next(iter(self.every(query, parameters)), None)

    def so_many(self, rows: Iterator[tuple[Any, ...]], count: int) -> Iterator[tuple[Any, ...]]:
        """Rows that must be so many."""
        found = 0
        for found, row in enumerate(rows, 1):  # noqa: B007
            yield row
        if found != count:
            raise self.damaged(f"{found} rows where there should be {count}")


class Index:
    """An index, read-only.

    Raises:
        IngestError: there is no complete index in ``folder``, or one of another version; so do all
            methods where a part is damaged.
    """

    def __init__(self, folder: str) -> None:
        found = complete(folder)
        self.folder = folder
        self._meta = found.meta
        self._wide = found.wide
        self._parts = [_Part(file) for file in found.files]

    def close(self) -> None:
        """Close its parts."""
        while self._parts:
            self._parts.pop().close()

    def meta(self) -> dict[str, Any]:
        """What the scan was told and how it went: source, include, exclude, globs, started,
        finished (epoch s), unmatched_globs, … (paths as text of ``paths.to_text``)."""
        return dict(self._meta)

    def totals(self) -> Totals:
        """The sums, from what the scan noted, or counted if it did not."""
        noted = [db.meta.get("totals") for db in self._parts]
        return add_totals(
            [Totals(**known) if known else _count(db) for known, db in zip(noted, self._parts)]
        )

    def directories(self) -> Iterator[Directory]:
        """All directories in pre-order, the root first; names by their bytes. Streams."""
        streams = [self._directories(part) for part in range(len(self._parts))]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=attrgetter("sort"))

    def has_directory(self, path: bytes) -> bool:
        """Whether there is a directory of this path."""
        sort = path.replace(b"/", b"\0")
        query = "SELECT 1 FROM raw_directories WHERE sort = ?"
        return any(db.one(query, (sort,)) for db in self._parts)

    def _directories(self, part: int) -> Iterator[Directory]:
        query = f"SELECT {_DIRECTORY}, {part} FROM raw_directories ORDER BY sort"
        db = self._parts[part]
        found, known = db.rows(query), db.meta.get("totals")
        if known:
            found = db.so_many(found, known["directories"])
        rows = map(Directory._make, found)
        return map(widened, rows) if self._wide[part] else rows

    def entries(self, directory: Directory) -> Iterator[Entry]:
        """The entries of a directory that :meth:`directories` gave, in the order of the scan:
        names by their bytes (in runs of 50,000 where there are more). Streams."""
        return self._entries(directory, "1", directory.entries)

    def entries_where(self, directory: Directory, condition: str) -> Iterator[Entry]:
        """Those entries of a directory for which an SQL condition on the columns holds."""
        return self._entries(directory, condition, None)

    def _entries(self, directory: Directory, condition: str, count: int | None) -> Iterator[Entry]:
        """``count``: how many there must be, if that is known."""
        if not directory.entries:
            return iter(())
        db = self._parts[directory.part]
        query = (
            f"SELECT {_ENTRY} FROM raw_entries WHERE id BETWEEN ? AND ? AND directory = ?"
            f" AND ({condition}) ORDER BY id"
        )
        where = (directory.first, directory.last, directory.id)
        found: Iterable[tuple[Any, ...]]
        if directory.entries > _AT_ONCE:
            found = db.rows(query, where)
            if count is not None:
                found = db.so_many(found, count)
        else:
            found = db.every(query, where)
            if count is not None and len(found) != count:
                raise db.damaged(f"{len(found)} rows where there should be {count}")
        rows = map(Entry._make, found)
        return map(widened, rows) if self._wide[directory.part] else rows

    def sample(self, count: int, seed: int = 0) -> Iterator[tuple[bytes, Entry]]:
        """About ``count`` regular files, each with its directory's path: all if there are no more,
        otherwise runs of neighbours that chance picks, in their order."""
        chance = random.Random(seed)
        query = (
            f"SELECT d.path, {', '.join(f'e.{name}' for name in columns('raw_entries'))}"
            " FROM raw_entries e JOIN raw_directories d ON d.id = e.directory"
            " WHERE e.id >= ? AND e.id < ? AND e.type = 'f' ORDER BY e.id"
        )
        ends = [db.one("SELECT min(id), max(id) FROM raw_entries") for db in self._parts]
        spans = [(low, high + 1) if high is not None else (0, 0) for low, high in ends]
        every = sum(high - low for low, high in spans)
        for number, (low, high) in enumerate(spans):
            runs = range(low, high, _RUN)
            wanted = -(-len(runs) * count // max(every, 1))
            chosen = runs if wanted >= len(runs) else sorted(chance.sample(runs, wanted))
            for first in chosen:
                for path, *row in self._parts[number].every(query, (first, first + _RUN)):
                    entry = Entry._make(row)
                    yield _bytes_of(path), widened(entry) if self._wide[number] else entry

    def twin(self, entry: Entry) -> tuple[int, int] | None:
        """The file (device, inode, as the index holds them) that the destination had for an entry
        whose state has LINKS; None in an index that is a part of another."""
        part = self._parts[entry.directory % MAX_PARTS]
        query = "SELECT device, inode FROM twins WHERE id=?"
        found: tuple[int, int] | None = part.one(query, (entry.id,))
        return found

    def parents(self, condition: str) -> Iterator[int]:
        """The ids of directories with a subdirectory for which an SQL condition holds, some more
        than once."""
        for db in self._parts:
            for (parent,) in db.rows(f"SELECT parent FROM raw_directories WHERE {condition}"):
                yield parent

    def extras(self) -> tuple[int, Iterator[Extra]]:
        """How many entries the destination had and the source had not (what was in such a directory
        is not counted), and the first of them."""
        count = sum(db.meta.get("extras", 0) for db in self._parts)
        rows = (db.rows(f"SELECT {_EXTRA} FROM extras") for db in self._parts)
        return count, (Extra(_bytes_of(path), kind) for part in rows for path, kind in part)

    def function(self, name: str, act: Any) -> None:
        """Let SQL conditions call ``act``, a function of one argument."""
        for db in self._parts:
            db.create_function(name, 1, act)

    def sums(self, columns: str, condition: str = "1") -> list[float]:
        """The totals of SQL expressions over all entries."""
        rows = [
            db.one(f"SELECT {columns} FROM raw_entries WHERE {condition}") for db in self._parts
        ]
        return [sum(column) for column in zip(*rows)]

    def matching(self, condition: str, table: str = "entries") -> tuple[int, bytes]:
        """How many rows of ``entries`` or ``directories`` an SQL condition holds for, and the path
        of one of them (b"" for none, too)."""
        many, example = 0, b""
        for db in self._parts:
            count, row = db.one(f"SELECT count(*), min(id) FROM raw_{table} WHERE {condition}")
            if count and not many:
                query = (
                    "SELECT path, '' FROM raw_directories WHERE id=?"
                    if table == "directories"
                    else (
                        "SELECT (SELECT path FROM raw_directories d WHERE d.id=e.directory), name"
                        " FROM raw_entries e WHERE id=?"
                    )
                )
                path, name = map(_bytes_of, db.one(query, (row,)))
                example = b"/".join(filter(None, (path, name)))
            many += count
        return many, example

    def paths(self) -> Iterator[bytes]:
        """The paths of everything but the root, in no particular order. Streams."""
        for db in self._parts:
            for (path,) in db.rows("SELECT path FROM raw_directories WHERE depth>0"):
                yield _bytes_of(path)
            for folder, name in db.rows(
                "SELECT d.path, e.name FROM raw_directories d JOIN raw_entries e"
                " ON e.id BETWEEN d.first AND d.last AND e.directory=d.id"
            ):
                yield b"/".join(filter(None, (_bytes_of(folder), _bytes_of(name))))

    def size_histogram(self) -> list[Bucket]:
        """The sizes of the regular files in powers of two, from the smallest bucket in use to the
        largest; empty files have a bucket of their own."""
        found: dict[int, tuple[int, int]] = {}
        cases = " ".join(f"WHEN size < {1 << power} THEN {power}" for power in range(63))
        query = (
            f"SELECT CASE {cases} ELSE 63 END AS bucket, count(*), total(size) FROM raw_entries"
            " WHERE type = 'f' GROUP BY bucket"
        )
        for db in self._parts:
            for bucket, files, size in db.rows(query):
                before = found.get(bucket, (0, 0))
                found[bucket] = before[0] + files, before[1] + int(size)
        return [
            Bucket(1 << power >> 1, 1 << power, *found.get(power, (0, 0)))
            for power in (range(min(found), max(found) + 1) if found else ())
        ]

    def errors(self) -> Iterator[ScanError]:
        """All that could not be read."""
        for db in self._parts:
            for row in db.rows(f"SELECT {_ERROR} FROM errors"):
                yield ScanError(*row)


def _bytes_of(value: Any) -> bytes:
    """A column's value, which SQLite may hold as text."""
    return value if isinstance(value, bytes) else str(value).encode()


def _count(db: _Part) -> Totals:
    """The sums over one part, counted."""
    kinds = dict(db.every("SELECT type, count(*) FROM raw_entries GROUP BY type"))
    directories, size, disk = db.one(
        "SELECT count(*), ifnull(sum(bytes), 0), ifnull(sum(disk), 0) FROM raw_directories"
    )
    files, links, everything = kinds.get("f", 0), kinds.get("l", 0), sum(kinds.values())
    (errors,) = db.one("SELECT count(*) FROM errors")
    return Totals(
        files, links, everything - files - links, directories, everything, size, disk, errors
    )
