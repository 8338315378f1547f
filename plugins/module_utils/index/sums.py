# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums over directories, for the view ``summary``: of what lies right in one, which the scan adds
up as it lists it, and of all below, which is folded over all parts at the end."""

from __future__ import annotations

import heapq
import sqlite3
from functools import lru_cache
from operator import itemgetter
from typing import Any, Iterator, Sequence

from .rows import Entry

FEW = 8  # owners or groups that are listed; of more only the smallest and the largest are known
# Smallest and largest: ``size`` in bytes of regular files, the others of all but directories.
PAIRS = ("size", "atime", "mtime", "ctime", "uid", "gid")

# Columns of raw_directories, beside those of its rows: of what lies right in a directory.
BOUNDS = tuple(f"{act}{name}" for name in PAIRS for act in ("min", "max"))
DIRECT = ("links", "allblocks", *BOUNDS, "owners", "groups")
# Of all that lies below a directory, for those with subdirectories; of others it is the same.
BELOW = ("files", "links", "others", "dirs", "size", "blocks", *BOUNDS, "owners", "groups")
TABLE = (
    "CREATE TABLE raw_below(id INTEGER PRIMARY KEY,"
    f" {', '.join(f'{name} INTEGER' for name in BELOW[:-2])}, owners TEXT, groups TEXT)"
)
_BATCH = 4_096  # rows that are written at once
_LARGEST = (1 << 63) - 1
_UNSIGNED = 1 << 64
_END = _LARGEST  # smallest and largest of nothing are this and its negative
_HIGH = str(_END)
_NONE = [_END, -_END]
_EMPTY = _NONE * len(PAIRS)
_ACTS = (min, max) * len(PAIRS)

_TYPE, _SIZE, _BLOCKS, _UID, _GID = map(
    Entry._fields.index, ("type", "size", "blocks", "uid", "gid")
)
_ATIME, _MTIME, _CTIME = map(Entry._fields.index, ("atime", "mtime", "ctime"))
# In a row of the fold.
_FIRST = 4
_DIRS, _BYTES = BELOW.index("dirs"), _FIRST + BELOW.index("size")
_LEAST = _FIRST + BELOW.index(BOUNDS[0])
_SETS = _LEAST + len(BOUNDS)


class Direct:
    """The sums of what lies right in one directory, as it is listed."""

    def __init__(self) -> None:
        self._links = self._blocks = 0
        self._bounds: list[int] = []
        self._owners: set[int] = set()
        self._groups: set[int] = set()

    def add(self, rows: list[tuple[Any, ...]], files: int, links: int) -> None:
        """Add entries, in the order of Entry's fields: so many regular files and links."""
        columns = list(zip(*rows))
        sizes: Any = columns[_SIZE]
        if files < len(rows):
            sizes = [size for size, kind in zip(sizes, columns[_TYPE]) if kind == "f"]
        least, most = (min(sizes), max(sizes)) if sizes else _NONE
        atimes, mtimes, ctimes = columns[_ATIME], columns[_MTIME], columns[_CTIME]
        owners, groups = columns[_UID], columns[_GID]
        bounds = [
            least,
            most,
            min(atimes),
            max(atimes),
            min(mtimes),
            max(mtimes),
            min(ctimes),
            max(ctimes),
            min(owners),
            max(owners),
            min(groups),
            max(groups),
        ]
        if self._bounds:
            bounds = [act(pair) for act, pair in zip(_ACTS, zip(self._bounds, bounds))]
        self._bounds = bounds
        self._links += links
        self._blocks += sum(columns[_BLOCKS])
        # Most often there is one.
        self._owners.update(owners if bounds[8] < bounds[9] else owners[:1])
        self._groups.update(groups if bounds[10] < bounds[11] else groups[:1])

    def row(self) -> tuple[Any, ...]:
        """The columns DIRECT."""
        return (
            self._links,
            self._blocks,
            *_shown(self._bounds or _EMPTY),
            _listed(self._owners),
            _listed(self._groups),
        )


def fold(parts: Sequence[sqlite3.Connection]) -> None:
    """Add up what lies below each directory, over all parts, all scanned with sums.

    Goes through the directories against pre-order, so that what lies below one comes just before
    it; memory grows with the depth only. Raises sqlite3.Error.
    """
    writers = [_Writer(db) for db in parts]
    below: list[list[tuple[Any, ...]]] = [[]]  # per depth: seen since the last less deep directory
    streams = [_rows(db, number) for number, db in enumerate(parts)]
    for row in streams[0] if len(parts) == 1 else heapq.merge(*streams, reverse=True):
        depth = row[3]
        while len(below) < depth + 2:
            below.append([])
        if below[depth + 1]:
            row = _sum([row, *below[depth + 1]])
            below[depth + 1].clear()
            writers[row[1]].add(row)
        beside = below[depth]
        beside.append(row)
        if len(beside) >= _BATCH:
            beside[:] = [_sum(beside)]
    for writer in writers:
        writer.flush()


def _rows(db: sqlite3.Connection, part: int) -> Iterator[tuple[Any, ...]]:
    """Sort, part, id and depth of a directory, and then what it adds to the one that it is in, in
    the order of BELOW; itself, too."""
    bounds = ", ".join(
        f"ifnull({name}, {_HIGH if name[:3] == 'min' else '-' + _HIGH})" for name in BOUNDS
    )
    return db.execute(
        f"SELECT sort, {part}, id, depth, files, links, entries - files - links, 1, bytes,"
        f" allblocks, {bounds}, owners, groups FROM raw_directories ORDER BY sort DESC"
    )


def _sum(rows: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Several rows of :func:`_rows` as one, for the first's directory."""
    columns = list(zip(*rows))
    if min(columns[_BYTES]) < 0:
        columns[_BYTES] = tuple(size % _UNSIGNED for size in columns[_BYTES])
    return (
        *rows[0][:_FIRST],
        *map(sum, columns[_FIRST:_LEAST]),
        *[act(column) for act, column in zip(_ACTS, columns[_LEAST:_SETS])],
        *[_union(frozenset(column)) for column in columns[_SETS:]],
    )


@lru_cache(maxsize=1024)
def _union(texts: frozenset[str | None]) -> str | None:
    """All owners that some lists of them have; None: too many."""
    if None in texts:
        return None
    found = {int(number) for text in texts for number in (text or "").split()}
    return _listed(found)


def _listed(numbers: set[int]) -> str | None:
    if len(numbers) == 1:
        return str(*numbers)
    return None if len(numbers) > FEW else " ".join(map(str, sorted(numbers)))


def _shown(bounds: Sequence[int]) -> list[int | None]:
    """Smallest and largest: of nothing None; what SQLite can't hold counts as the last it can."""
    return [None if bound == _END or bound == -_END else min(bound, _END - 1) for bound in bounds]


class _Writer:
    """Writes the sums of one part's directories."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._rows: list[tuple[Any, ...]] = []
        db.execute(TABLE)
        self._insert = f"INSERT INTO raw_below VALUES ({','.join('?' * (1 + len(BELOW)))})"

    def add(self, row: tuple[Any, ...]) -> None:
        """That of one directory."""
        numbers = list(row[_FIRST:_LEAST])
        numbers[_DIRS] -= 1  # not itself
        numbers = [min(number, _LARGEST) for number in numbers]
        self._rows.append((row[2], *numbers, *_shown(row[_LEAST:_SETS]), *row[_SETS:]))
        if len(self._rows) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in the order of the table."""
        self._rows.sort(key=itemgetter(0))
        self._db.executemany(self._insert, self._rows)
        self._rows = []
