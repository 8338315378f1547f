# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes an index: each process of a scan its part, and at the end what needs all parts."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from contextlib import contextmanager
from typing import Any, Iterable, Iterator

from ..core.errors import IngestError
from .rows import Extra, Passing, ScanError, Totals, Twin, narrow
from .schema import (
    CHILDREN,
    MAX_PARTS,
    ORDER,
    PASSING,
    SCHEMA,
    SUMS,
    append,
    insert,
    part_path,
    stored,
)
from .sums import fold
from .views import views

FLUSH = 8_192  # rows per executemany
_DIRECTORIES = Totals._fields.index("directories")
MOST_EXTRAS = 100_000  # in a part; the others are only counted
_ERRORS = Totals._fields.index("errors")


@contextmanager
def errors_named(folder: str) -> Iterator[None]:
    """Raises IngestError for what SQLite or the system says of writing an index to ``folder``."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise IngestError(f"the index can't be written to '{folder}': {error}") from error


def clear(folder: str) -> None:
    """Remove an index. Raises IngestError if that can't be."""
    with errors_named(folder):
        for number in range(MAX_PARTS):
            if os.path.lexists(part_path(folder, number)):
                os.unlink(part_path(folder, number))


class PartWriter:
    """One part while it is written. For one thread at a time: its callers share a lock."""

    def __init__(
        self, folder: str, number: int, globs: bool = False, sums: bool = False, listed: int = 0
    ) -> None:
        """``globs``: the scan has some, so directories may be ``passing``. ``sums``: those of each
        directory are wanted. ``listed``: directories whose ids others have given. Raises OSError
        and sqlite3.Error, as all methods do."""
        self.number = number
        self._sums = sums
        last = len(stored("raw_directories"))
        if not sums:
            last -= SUMS
        self._append = {
            "raw_entries": append("raw_entries", len(stored("raw_entries"))),
            "raw_directories": append("raw_directories", last),
        }
        self._db = sqlite3.connect(
            part_path(folder, number), isolation_level=None, check_same_thread=False
        )
        self._db.executescript(
            "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-16000;"
        )
        self._db.executescript(SCHEMA + (PASSING if globs else ""))
        self._db.execute("BEGIN")
        self.extra = 0  # entries of the destination
        self.wide = False  # whether there are numbers beyond 63 bits
        self._entries: list[tuple[Any, ...]] = []
        self._directories: list[tuple[Any, ...]] = []
        self._listed = listed
        self._stored = 0  # entries so far, buffered ones too: the next gets this id + 1
        self._totals = [0] * len(Totals._fields)

    @property
    def totals(self) -> Totals:
        """The sums of what was stored so far."""
        return Totals(*self._totals)

    def next_id(self) -> int:
        """The id for another directory. The part of an id is its remainder by MAX_PARTS."""
        self._listed += 1
        return self._listed * MAX_PARTS + self.number

    def store(self, rows: list[tuple[Any, ...]], totals: Totals) -> tuple[int, int]:
        """Add entries, in the order of ``schema.stored`` with 0 for the id, which add up to
        ``totals``; returns the ids of the first and the last."""
        first = self._stored + 1
        self._stored += len(rows)
        self._entries += rows
        if len(self._entries) >= FLUSH:
            self._flush()
        self._totals = [a + b for a, b in zip(self._totals, totals)]
        return first, self._stored

    def details(self, rows: list[tuple[int, bytes | None, bytes | None]]) -> None:
        """Note of entries, by their ids, the text of links and the names of attributes."""
        self._db.executemany("INSERT INTO raw_details VALUES (?, ?, ?)", rows)

    def record(self, row: tuple[Any, ...], passing: Passing | None) -> None:
        """Add a directory, in the order of ``schema.stored``, without the last columns where the
        scan is one without ``sums``; ``passing`` if it counts only for what a glob finds in it."""
        self._totals[_DIRECTORIES] += 1
        self._directories.append(row)
        if passing is not None:
            self._db.execute(insert("passing"), passing)
        if len(self._directories) >= FLUSH:
            self._flush()

    def error(self, error: ScanError) -> None:
        """Note what could not be read."""
        self._totals[_ERRORS] += 1
        self._db.execute(insert("errors"), error)

    def twins(self, twins: list[Twin]) -> None:
        """Note which files the destination had for names of files with several."""
        self._db.executemany(insert("twins"), [tuple(map(narrow, twin)) for twin in twins])

    def extras(self, extras: list[Extra]) -> None:
        """Note, or at least count, what the destination had and the source had not."""
        left = max(0, MOST_EXTRAS - self.extra)
        self.extra += len(extras)
        self._db.executemany(insert("extras"), extras[:left])

    def finish(self) -> tuple[Totals, bool]:
        """Complete the part; its totals, and whether it holds numbers beyond 63 bits."""
        self._flush()
        if self.extra:
            self._db.execute("INSERT INTO meta VALUES ('extras', ?)", (json.dumps(self.extra),))
        self._db.execute("COMMIT")
        self._db.execute(ORDER)
        if self._sums:
            self._db.execute(CHILDREN)
        self._db.executescript(views(self.wide, self._sums, self.number))
        self._db.close()
        return self.totals, self.wide

    def _flush(self) -> None:
        for table, rows in (("raw_entries", self._entries), ("raw_directories", self._directories)):
            if not rows:
                continue
            try:
                self._db.executemany(self._append[table], _plain(table, rows))
            except OverflowError:
                # Some rows are in already: find where this batch began and replace them.
                self.wide = True
                self._write_wide(table, rows)
        self._entries, self._directories = [], []

    def _write_wide(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        if table == "raw_entries":
            base = self._stored - len(rows)
            rows = [(base + n, *row[1:]) for n, row in enumerate(rows, 1)]
        missing = (None,) * (len(stored(table)) - len(rows[0]))
        narrowed = [(*map(narrow, row), *missing) for row in rows]
        self._db.executemany(insert(table, "OR REPLACE"), narrowed)


def _plain(table: str, rows: list[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
    """Rows of which sqlite3 takes every value as it is: of bytes that is only a bytearray."""
    if table == "raw_entries":
        return ((0, row[1], bytearray(row[2]), *row[3:]) for row in rows)
    # The path, and the path to sort by.
    return ((*row[:2], bytearray(row[2]), bytearray(row[3]), *row[4:]) for row in rows)


class Completion:
    """All parts of an index, written to once more by one process."""

    def __init__(self, folder: str, parts: int) -> None:
        """Raises sqlite3.Error, as all methods do."""
        self.parts = [
            sqlite3.connect(part_path(folder, number), isolation_level=None)
            for number in range(parts)
        ]
        for db in self.parts:
            db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN")

    def lose(self, directory: int, subdirectories: int) -> None:
        """So many subdirectories of a directory have no row."""
        self.parts[directory % MAX_PARTS].execute(
            "UPDATE raw_directories SET subdirectories = subdirectories - ? WHERE id = ?",
            (subdirectories, directory),
        )

    def note(self, errors: list[tuple[Any, ...]]) -> None:
        """Add rows to ``errors``, in the first part."""
        self.parts[0].executemany(insert("errors"), errors)

    def sum_up(self) -> None:
        """Add up what lies below each directory, where the parts were written with ``sums``."""
        fold(self.parts)

    def finish(self, finished: list[tuple[Totals, bool]], meta: dict[str, Any]) -> None:
        """Note what each part came to (totals, and whether it is wide), and ``meta`` in the
        first. From then on the index is complete."""
        scan = secrets.token_hex(16)
        for number, (db, (totals, wide)) in enumerate(zip(self.parts, finished)):
            values: dict[str, Any] = {"totals": totals._asdict(), "wide": wide, "scan": scan}
            if number == 0:
                values.update(meta, parts=len(self.parts))
            db.executemany(
                "INSERT INTO meta VALUES (?, ?)", [(k, json.dumps(v)) for k, v in values.items()]
            )
        for db in reversed(self.parts):
            db.execute("COMMIT")
            db.close()
