# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier index knows of a directory, and whether that still holds.

A name that comes, goes or changes moves the mtime and the ctime of the directory that it is in. So
of a directory whose times stand the names are known; but not what has become of their files, as
writing to a file moves the file's own times only.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from typing import Any, FrozenSet, Iterator, NamedTuple, Tuple

from ..core.want import NOT_LISTED
from .parts import complete, open_part
from .rows import Totals
from .schema import stored
from .sums import DIRECT

FULL, CHANGED, DIRECTORIES = "full", "changed", "directories"
MODES = (FULL, CHANGED, DIRECTORIES)
# What is done with a directory: list it; look at its known entries if its times stand; take these
# over, unseen, if its times stand; take over all, unseen.
LIST, LOOK, TIMES, KEEP = range(4)
TURNS = 10  # a settled directory is looked at once in so many generations
MOST_ERRORS = 100_000  # of an index that is taken over
_RUN = 50_000  # rows that are held at once
_STEP = 2_000_000_000  # ns: a change so soon before a scan may hide one right after it
_UNSIGNED = 1 << 64

_COLUMNS = stored("raw_directories")
_AT = {name: number for number, name in enumerate(_COLUMNS)}
_DIRECT = slice(_AT[DIRECT[0]], _AT[DIRECT[-1]] + 1)


class Earlier(NamedTuple):
    """What may be taken over from an index.

    ``mode``: one of MODES. ``looked``: when its scan began (epoch s); times from two seconds before
    that count as changed.
    ``subtrees``: only these are looked at (none: all is). ``settled``: of directories in which
    nothing has changed since then (epoch ns) the entries are taken over unseen; ``turn``: except
    in these. ``suspects``: paths that the index may be wrong about.
    """

    folder: str
    mode: str
    looked: float
    subtrees: Tuple[bytes, ...] = ()
    settled: int | None = None
    turn: int = 0
    suspects: FrozenSet[bytes] = frozenset()

    @classmethod
    def of(
        cls, folder: str, mode: str, subtrees: Tuple[bytes, ...], settled: float
    ) -> Earlier | None:
        """Those of the index in ``folder``; None: it can't be relied on. ``settled`` in s; 0: no
        directory is. Raises IngestError: the index can't be read."""
        found = complete(folder)
        looked = float(found.meta["looked"])
        suspects: set[bytes] = set()
        for file in found.files:
            db = open_part(file)
            for (path,) in db.execute("SELECT path FROM errors"):
                suspects.update((path, path.rpartition(b"/")[0]))
            db.close()
            if len(suspects) > MOST_ERRORS:
                return None
        since = int((looked - settled) * 1e9) if settled else None
        turn = int(found.meta["scans"]) + 1
        return cls(folder, mode, looked, subtrees, since, turn, frozenset(suspects))

    def within(self, path: bytes) -> bool:
        """Whether a directory is looked at at all."""
        return not self.subtrees or any(
            path == each or not each or path.startswith(each + b"/") for each in self.subtrees
        )


class KnownDirectory:
    """A directory as an earlier index has it."""

    def __init__(self, index: EarlierIndex, part: int, row: tuple[Any, ...], how: int) -> None:
        self._index = index
        self._part = part
        self.row = row
        self.how = how
        self.subdirectories: int = row[_AT["subdirectories"]]
        self.entries: int = row[_AT["entries"]]

    def __getitem__(self, column: str) -> Any:
        return self.row[_AT[column]]

    def row_as(self, **changed: Any) -> tuple[Any, ...]:
        """Its row with other values in some columns."""
        row = list(self.row)
        for name, value in changed.items():
            row[_AT[name]] = value
        return tuple(row)

    @property
    def direct(self) -> tuple[Any, ...]:
        """Its columns DIRECT."""
        return self.row[_DIRECT]

    @property
    def totals(self) -> Totals:
        """Of its entries."""
        files, links = self["files"], self["links"]
        others = self.entries - files - links
        size = self["bytes"] % _UNSIGNED
        return Totals(files, links, others, 0, self.entries, size, self["disk"], 0)

    def stands(self, found: os.stat_result) -> bool:
        """Whether it has the same names in it as then."""
        before = self._index.earlier.looked * 1e9 - _STEP
        return (
            found.st_mtime_ns == self["mtime"]
            and found.st_ctime_ns == self["ctime"]
            and found.st_mtime_ns < before
            and found.st_ctime_ns < before
            and found.st_ino == self["inode"] % _UNSIGNED
            and found.st_dev == self["device"] % _UNSIGNED
        )

    def below(self) -> list[bytes] | None:
        """The names of its subdirectories; None if not all are known."""
        if not self.subdirectories:
            return []
        names = self._index.children(self["id"])
        return names if len(names) == self.subdirectories else None

    def rows(self) -> Iterator[list[tuple[Any, ...]]]:
        """Its entries as they are stored, in lists that memory can hold."""
        return self._index.rows(self._part, self)

    def details(self) -> dict[int, tuple[Any, ...]]:
        """What the index has in raw_details, by id."""
        return self._index.details(self._part, self)


class EarlierIndex:
    """Asks an earlier index; for one thread."""

    def __init__(self, earlier: Earlier) -> None:
        """Raises IngestError: the index can't be read."""
        self.earlier = earlier
        found = complete(earlier.folder)
        self.wide = any(found.wide)
        self._parts = [open_part(file) for file in found.files]

    def find(self, path: bytes) -> KnownDirectory | None:
        """What is known of a directory; None: nothing that may be relied on."""
        for part, db in enumerate(self._parts):
            row = db.execute(_FIND, (path.replace(b"/", b"\0"),)).fetchone()
            if row is not None:
                how = self._how(path, row)
                return None if how == LIST else KnownDirectory(self, part, row, how)
        return None

    def _how(self, path: bytes, row: tuple[Any, ...]) -> int:
        earlier = self.earlier
        if not earlier.within(path):
            return KEEP
        if (
            earlier.mode == FULL
            or path in earlier.suspects
            or row[_AT["names"]] == NOT_LISTED
            or row[_AT["links"]] is None
        ):
            return LIST
        if earlier.mode == DIRECTORIES:
            return TIMES
        if earlier.settled is None or (zlib.crc32(path) + earlier.turn) % TURNS == 0:
            return LOOK
        last = max(row[_AT["maxctime"]] or 0, row[_AT["maxmtime"]] or 0, row[_AT["ctime"]])
        return TIMES if last < earlier.settled else LOOK

    def children(self, number: int) -> list[bytes]:
        """The names of a directory's subdirectories."""
        return [
            name
            for db in self._parts
            for (name,) in db.execute(
                "SELECT name FROM raw_directories WHERE parent = ? AND depth > 0", (number,)
            )
        ]

    def rows(self, part: int, directory: KnownDirectory) -> Iterator[list[tuple[Any, ...]]]:
        """Those of a directory's rows, in the order of the scan."""
        if not directory.entries:
            return
        cursor = self._parts[part].execute(
            _ENTRIES, (directory["first"], directory["last"], directory["id"])
        )
        while True:
            found = cursor.fetchmany(_RUN)
            if not found:
                return
            yield found

    def details(self, part: int, directory: KnownDirectory) -> dict[int, tuple[Any, ...]]:
        """See :meth:`KnownDirectory.details`."""
        found = self._parts[part].execute(
            "SELECT id, linkname, xattr_names FROM raw_details WHERE id BETWEEN ? AND ?",
            (directory["first"], directory["last"]),
        )
        return {number: more for number, *more in found}


_ENTRIES = (
    f"SELECT {', '.join(stored('raw_entries'))} FROM raw_entries"
    " WHERE id BETWEEN ? AND ? AND directory = ? ORDER BY id"
)
_FIND = f"SELECT {', '.join(_COLUMNS)} FROM raw_directories WHERE sort = ?"


def errors_outside(earlier: Earlier) -> list[tuple[Any, ...]]:
    """The rows of ``errors`` of what is not looked at. Raises IngestError and sqlite3.Error."""
    rows: list[tuple[Any, ...]] = []
    if not earlier.subtrees:
        return rows
    for file in complete(earlier.folder).files:
        db: sqlite3.Connection = open_part(file)
        rows += [row for row in db.execute("SELECT * FROM errors") if not earlier.within(row[0])]
        db.close()
    return rows
