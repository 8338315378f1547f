# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index as one side of a difference: its directories in order, and the rows of each."""

from __future__ import annotations

import heapq
import sqlite3
from typing import Any, Iterator, Optional, Protocol, Tuple

from ..index.generations import find
from ..index.parts import complete, open_part
from .rows import Compared, Plain, Row

CHUNK = 20_000  # rows of a directory that are held at once
_LEAST = 10_000  # entries of a stretch
_SECOND = 1_000_000_000
_WIDTH = len(Row._fields)

# key, the fields of Row (without a name), and last where its entries are
Node = Tuple[Any, ...]
# What a remount changed: (device in the new index, the same one's number in the old index)
Renumbered = Tuple[Tuple[int, int], ...]


class Rows(Protocol):
    """A cursor over rows."""

    def fetchmany(self, size: int) -> list[Plain]:
        """The next rows, at most ``size``; fewer only if there are no more."""


class Side(Protocol):
    """What a difference asks of an index."""

    def directories(self, low: bytes, high: Optional[bytes]) -> Iterator[Node]:
        """All directories with keys from ``low`` to below ``high``, in the keys' order."""

    def rows(self, at: Plain) -> Rows:
        """The entries of a directory, given the last of its Node: in the order of their names, at
        least where there are more than CHUNK."""

    def bounds(self, count: int) -> list[bytes]:
        """Keys that cut it into at most ``count`` stretches of equal work."""

    def devices(self) -> dict[int, bytes]:
        """The devices that directories are on, each with the least key there."""

    def close(self) -> None:
        """Close its files."""


def row_of(node: Node) -> Plain:
    """A Node's Row."""
    return (b"", *node[1:_WIDTH])


def place_of(node: Node) -> Plain:
    """Where a Node's entries are."""
    return tuple(node[_WIDTH:])


class IndexSide:
    """A side that is an index of this collection."""

    def __init__(self, folder: str, compared: Compared, renumbered: Renumbered = ()) -> None:
        """``renumbered``: devices that are to be read as others. Raises IngestError."""
        self._parts: list[sqlite3.Connection] = []
        try:
            for file in complete(find(folder)).files:
                self._parts.append(open_part(file))
        except BaseException:
            self.close()
            raise
        self._cursors = [db.cursor() for db in self._parts]
        columns = _columns(compared, renumbered)
        self._entries = (
            f"SELECT {', '.join(columns)} FROM raw_entries WHERE id BETWEEN ? AND ?"
            " AND directory = ? ORDER BY "
        )
        columns[1:2] = ["'d'"]
        fixed = {"size": "0", "rdev": "0", "linkname": "NULL"}
        columns = [fixed.get(name, column) for name, column in zip(Row._fields, columns)]
        if "xattr_names" in compared.read:
            columns[-1] = "xattr_names"
        self._directories = f"SELECT sort, {', '.join(columns[1:])}, %d, id, first, last, entries"
        self._directories += " FROM raw_directories WHERE sort >= ?%s ORDER BY sort"

    def close(self) -> None:
        """Close its files."""
        while self._parts:
            self._parts.pop().close()

    def bounds(self, count: int) -> list[bytes]:
        """Keys that cut the index into about ``count`` stretches of equal numbers of entries."""
        streams = [
            db.execute("SELECT sort, entries + 1 FROM raw_directories ORDER BY sort")
            for db in self._parts
        ]
        totals = [
            db.execute("SELECT total(entries + 1) FROM raw_directories").fetchone()[0]
            for db in self._parts
        ]
        share = max(sum(totals) / count, _LEAST)
        found, sofar = [], 0
        for key, entries in heapq.merge(*streams):
            if sofar >= share:
                found.append(key)
                sofar = 0
            sofar += entries
        return found

    def devices(self) -> dict[int, bytes]:
        """The devices that directories are on, each with the least key."""
        found: dict[int, bytes] = {}
        for db in self._parts:
            for device, key in db.execute(
                "SELECT device, min(sort) FROM raw_directories GROUP BY device"
            ):
                found[device] = min(key, found.get(device, key))
        return found

    def directories(self, low: bytes, high: bytes | None) -> Iterator[Node]:
        """See Side."""
        until = "" if high is None else " AND sort < ?"
        bounds = (low,) if high is None else (low, high)
        streams = [
            db.execute(self._directories % (number, until), bounds)
            for number, db in enumerate(self._parts)
        ]
        return iter(streams[0]) if len(streams) == 1 else heapq.merge(*streams)

    def rows(self, at: Plain) -> sqlite3.Cursor:
        """See Side. Only what was not listed at once is not in the order of its names."""
        part, number, first, last, entries = at
        order = "name" if entries > CHUNK else "id"
        return self._cursors[part].execute(self._entries + order, (first, last, number))


def _columns(compared: Compared, renumbered: Renumbered) -> list[str]:
    """The SQL for each field of a Row, NULL for what is not needed."""
    special = {
        "crtime": "0",
        "linkname": (
            "CASE WHEN type = 'l' THEN (SELECT linkname FROM raw_details x"
            " WHERE x.id = raw_entries.id) END"
        ),
        "xattr_names": "(SELECT xattr_names FROM raw_details x WHERE x.id = raw_entries.id)",
    }
    if renumbered:
        cases = " ".join(f"WHEN {new} THEN {old}" for new, old in renumbered)
        special["device"] = f"CASE device {cases} ELSE device END"
    if compared.seconds:
        for name in ("mtime", "ctime", "atime"):
            floor = f"({name} - {_SECOND - 1} * ({name} < 0)) / {_SECOND}"
            special[name] = f"{floor} * {_SECOND}"
    read = compared.read
    return [special.get(name, name) if name in read else "NULL" for name in Row._fields]
