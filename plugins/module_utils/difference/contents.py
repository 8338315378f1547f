# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What directories hold, compared into a spool: of those that are in both trees, and of the
others."""

from __future__ import annotations

from itertools import islice
from typing import Iterator

from .join import differing, paired
from .rows import DEVICE, INODE, Compared, Plain, Row, same_identity
from .sides import Node, Side, place_of, row_of
from .spool import Spool, below, pack

_WIDTH = len(Row._fields)


class Contents:
    """Compares two sides into a spool."""

    def __init__(self, old: Side, new: Side, compared: Compared, spool: Spool) -> None:
        self._old = old
        self._new = new
        self._moves = compared.moves
        self._places = [place for _name, place in compared.places]
        self._spool = spool

    def differ(self, old: Plain, new: Plain) -> bool:
        """Whether a field that counts differs between two rows, or Nodes."""
        return any(old[place] != new[place] for place in self._places)

    def stretch(self, low: bytes, high: bytes | None) -> None:
        """Compare all directories with keys from ``low`` to below ``high``. Those that are in one
        tree only, or have another identity, are left for later, with what they hold."""
        old_side, new_side = self._old, self._new
        for old, new in paired(old_side.directories(low, high), new_side.directories(low, high)):
            if old is None or new is None or not self._one(old, new):
                self._later("lost_directories", old)
                self._later("found_directories", new)
                continue
            if old[1:_WIDTH] != new[1:_WIDTH] and self.differ(old, new):
                key = old[0]
                self._spool.add("changed", key, key, pack(row_of(old)), pack(row_of(new)))
            if old[-1] or new[-1]:
                self.both(place_of(old), place_of(new), old[0], old[0])

    def _one(self, old: Node, new: Node) -> bool:
        """Whether two directories of one path are one; the roots always are."""
        return not self._moves or not old[0] or same_identity(old, new)

    def _later(self, table: str, node: Node | None) -> None:
        if node is not None:
            row, place = row_of(node), place_of(node)
            self._spool.add(table, node[0], node[DEVICE], node[INODE], pack(row), pack(place))

    def both(self, old: Plain, new: Plain, key: bytes, old_key: bytes) -> None:
        """Compare the entries of two directories that are one, now at ``key``, then at
        ``old_key``."""
        add = self._spool.add
        for before, after in differing(self._old.rows(old), self._new.rows(new)):
            if (
                before is None
                or after is None
                or (self._moves and not same_identity(before, after))
            ):
                if before is not None:
                    self.lost(before, below(key, before[0]), below(old_key, before[0]), True)
                if after is not None:
                    self.found(after, below(key, after[0]), True)
            elif self.differ(before, after):
                name = before[0]
                paths = below(key, name), below(old_key, name)
                add("changed", *paths, pack(before), pack(after))

    def lost(self, row: Plain, key: bytes, old_key: bytes, pairs: bool) -> None:
        """Note what is not there any more."""
        self._spool.add("lost", key, old_key, pairs, row[DEVICE], row[INODE], pack(row), 0)

    def found(self, row: Plain, key: bytes, pairs: bool) -> None:
        """Note what was not there before."""
        self._spool.add("found", key, pairs, row[DEVICE], row[INODE], pack(row), 0)

    def all_lost(self, at: Plain, key: bytes) -> None:
        """Note all entries of a directory that is gone."""
        for row in _all(self._old, at):
            path = below(key, row[0])
            self.lost(row, path, path, False)

    def all_found(self, at: Plain, key: bytes) -> None:
        """Note all entries of a directory that is new."""
        for row in _all(self._new, at):
            self.found(row, below(key, row[0]), False)

    def share(self, old: Plain, new: Plain, old_key: bytes, key: bytes) -> bool:
        """Whether two directories have something in common: a name, its inode and its times."""
        seen = {_trace(row) for row in self._old.rows(old).fetchmany(_LOOK)}
        if any(_trace(row) in seen for row in self._new.rows(new).fetchmany(_LOOK)):
            return True
        seen = {_trace(node, old_key) for node in islice(children(self._old, old_key), _LOOK)}
        return any(_trace(node, key) in seen for node in islice(children(self._new, key), _LOOK))


def children(side: Side, key: bytes) -> Iterator[Node]:
    """The directories in a directory, not those below them."""
    low = key + b"\0"
    for node in side.directories(low, key + b"\1"):
        if b"\0" not in node[0][len(low) :]:
            yield node


_LOOK = 10_000  # entries of a directory that may show that it is the same one
_TRACE = tuple(
    Row._fields.index(name) for name in ("type", "inode", "device", "ctime", "mtime", "size")
)


def _trace(row: Plain, key: bytes | None = None) -> Plain:
    """What shows that an entry is the same; ``key``: of the directory that a Node is in."""
    name = row[0] if key is None else row[0][len(key) + 1 :]
    return (name, *(row[place] for place in _TRACE))


def _all(side: Side, at: Plain) -> Iterator[Plain]:
    rows = side.rows(at)
    while True:
        some = rows.fetchmany(1000)
        if not some:
            return
        yield from some
