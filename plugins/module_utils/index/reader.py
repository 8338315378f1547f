# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the index of a source tree."""

from __future__ import annotations

import heapq
import sqlite3
from operator import attrgetter
from typing import Any, Iterator

from .parts import complete, meta_of, open_part
from .rows import Bucket, Directory, Entry, Extra, ScanError, Totals, add_totals, widened
from .schema import MAX_PARTS, columns

_DIRECTORY = ", ".join(columns("raw_directories"))
_ENTRY = ", ".join(columns("raw_entries"))
_EXTRA = ", ".join(columns("extras"))
_ERROR = ", ".join(columns("errors"))


class Index:
    """An index, read-only.

    Raises:
        IngestError: there is no complete index in ``folder``, or one of another version.
    """

    def __init__(self, folder: str) -> None:
        found = complete(folder)
        self.folder = folder
        self._meta = found.meta
        self._wide = found.wide
        self._parts = [open_part(file) for file in found.files]

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
        noted = [meta_of(db, self.folder).get("totals") for db in self._parts]
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
        return any(db.execute(query, (sort,)).fetchone() for db in self._parts)

    def _directories(self, part: int) -> Iterator[Directory]:
        query = f"SELECT {_DIRECTORY}, {part} FROM raw_directories ORDER BY sort"
        rows = map(Directory._make, self._parts[part].execute(query))
        return map(widened, rows) if self._wide[part] else rows

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
            self._parts[directory.part].execute(
                f"SELECT {_ENTRY} FROM raw_entries WHERE id BETWEEN ? AND ? AND directory = ?"
                f" AND ({condition}) ORDER BY id",
                (directory.first, directory.last, directory.id),
            ),
        )
        return map(widened, rows) if self._wide[directory.part] else rows

    def twin(self, entry: Entry) -> tuple[int, int] | None:
        """The file (device, inode, as the index holds them) that the destination had for an entry
        whose state has LINKS; None in an index that is a part of another."""
        part = self._parts[entry.directory % MAX_PARTS]
        query = "SELECT device, inode FROM twins WHERE id=?"
        found: tuple[int, int] | None = part.execute(query, (entry.id,)).fetchone()
        return found

    def parents(self, condition: str) -> Iterator[int]:
        """The ids of directories with a subdirectory for which an SQL condition holds, some more
        than once."""
        for db in self._parts:
            for (parent,) in db.execute(f"SELECT parent FROM raw_directories WHERE {condition}"):
                yield parent

    def extras(self) -> tuple[int, Iterator[Extra]]:
        """How many entries the destination had and the source had not (what was in such a directory
        is not counted), and the first of them."""
        count = sum(meta_of(db, self.folder).get("extras", 0) for db in self._parts)
        rows = (db.execute(f"SELECT {_EXTRA} FROM extras") for db in self._parts)
        return count, (Extra(_bytes_of(path), kind) for part in rows for path, kind in part)

    def function(self, name: str, act: Any) -> None:
        """Let SQL conditions call ``act``, a function of one argument."""
        for db in self._parts:
            db.create_function(name, 1, act)

    def sums(self, columns: str, condition: str = "1") -> list[float]:
        """The totals of SQL expressions over all entries."""
        rows = [
            db.execute(f"SELECT {columns} FROM raw_entries WHERE {condition}").fetchone()
            for db in self._parts
        ]
        return [sum(column) for column in zip(*rows)]

    def matching(self, condition: str, table: str = "entries") -> tuple[int, bytes]:
        """How many rows of ``entries`` or ``directories`` an SQL condition holds for, and the path
        of one of them (b"" for none, too)."""
        many, example = 0, b""
        for db in self._parts:
            count, row = db.execute(
                f"SELECT count(*), min(id) FROM raw_{table} WHERE {condition}"
            ).fetchone()
            if count and not many:
                query = (
                    "SELECT path, '' FROM raw_directories WHERE id=?"
                    if table == "directories"
                    else (
                        "SELECT (SELECT path FROM raw_directories d WHERE d.id=e.directory), name"
                        " FROM raw_entries e WHERE id=?"
                    )
                )
                path, name = map(_bytes_of, db.execute(query, (row,)).fetchone())
                example = b"/".join(filter(None, (path, name)))
            many += count
        return many, example

    def paths(self) -> Iterator[bytes]:
        """The paths of everything but the root, in no particular order. Streams."""
        for db in self._parts:
            for (path,) in db.execute("SELECT path FROM raw_directories WHERE depth>0"):
                yield _bytes_of(path)
            for folder, name in db.execute(
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
            for bucket, files, size in db.execute(query):
                before = found.get(bucket, (0, 0))
                found[bucket] = before[0] + files, before[1] + int(size)
        return [
            Bucket(1 << power >> 1, 1 << power, *found.get(power, (0, 0)))
            for power in (range(min(found), max(found) + 1) if found else ())
        ]

    def errors(self) -> Iterator[ScanError]:
        """All that could not be read."""
        for db in self._parts:
            for row in db.execute(f"SELECT {_ERROR} FROM errors"):
                yield ScanError(*row)


def _bytes_of(value: Any) -> bytes:
    """A column's value, which SQLite may hold as text."""
    return value if isinstance(value, bytes) else str(value).encode()


def _count(db: sqlite3.Connection) -> Totals:
    """The sums over one part, counted."""
    kinds = dict(db.execute("SELECT type, count(*) FROM raw_entries GROUP BY type"))
    directories, size, disk = db.execute(
        "SELECT count(*), ifnull(sum(bytes), 0), ifnull(sum(disk), 0) FROM raw_directories"
    ).fetchone()
    files, links, everything = kinds.get("f", 0), kinds.get("l", 0), sum(kinds.values())
    (errors,) = db.execute("SELECT count(*) FROM errors").fetchone()
    return Totals(
        files, links, everything - files - links, directories, everything, size, disk, errors
    )
