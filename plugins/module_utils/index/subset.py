# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of an index as an index of its own: chosen paths, with the directories on the way to them.

::

    with Chosen(folder) as chosen:
        for path in …:
            chosen.add(path)
        write(index, chosen, folder)
"""

from __future__ import annotations

import os
import sqlite3
from itertools import islice
from typing import Any, Iterator

from ..core.changes import EQUAL
from ..core.errors import IngestError
from ..core.paths import display, join
from ..core.want import NOT_LISTED
from .reader import Index
from .rows import Directory, Entry, Totals, add_totals
from .schema import stored
from .writer import Completion, PartWriter, clear, errors_named

_BATCH = 8_192  # paths, or entries of a directory, at once
_PART = 0
# Of an entry what only queries ask for.
_MORE = (0,) * (len(stored("raw_entries")) - len(Entry._fields))


class Chosen:
    """Paths, each once, in a file of their own: they need no memory."""

    def __init__(self, folder: str) -> None:
        """``folder`` is to hold the file. Raises IngestError, as all methods do."""
        self._path = os.path.join(folder, "chosen.part")
        self._folder = folder
        self._waiting: list[tuple[bytes, bytes]] = []
        with errors_named(folder):
            os.makedirs(folder, exist_ok=True)
            if os.path.lexists(self._path):
                os.unlink(self._path)
            self.db = sqlite3.connect(self._path, isolation_level=None)
            self.db.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000;"
                # Those directly in each directory; the directories on the way to them.
                "CREATE TABLE names(parent BLOB, name BLOB, PRIMARY KEY(parent, name))"
                " WITHOUT ROWID;"
                "CREATE TABLE ways(key BLOB PRIMARY KEY) WITHOUT ROWID;"
                "CREATE TABLE missing(parent BLOB, name BLOB, PRIMARY KEY(parent, name))"
                " WITHOUT ROWID; BEGIN;"
            )

    def __enter__(self) -> Chosen:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.db.close()
        os.unlink(self._path)

    def add(self, path: bytes) -> None:
        """Choose an entry, or a directory without what it holds."""
        if path:  # the root comes with everything
            parent, _slash, name = path.rpartition(b"/")
            self._waiting.append((parent.replace(b"/", b"\0"), name))
            if len(self._waiting) >= _BATCH:
                self._write()

    def add_twins(self, index: Index) -> None:
        """Choose the other names of the files that were chosen. Reads all of the index if one of
        them has some."""
        self._write()
        inodes: set[tuple[int, int]] = set()
        for every in (False, True):
            for directory in index.directories():
                if not every and not self._holds(directory.sort):
                    continue
                for entry in index.entries(directory):
                    if entry.nlink < 2 or entry.type == "d":
                        continue
                    if every and (entry.device, entry.inode) in inodes:
                        self.add(join(directory.path, entry.name))
                    elif not every and self.has(directory.sort, entry.name):
                        inodes.add((entry.device, entry.inode))
            if not inodes:
                return

    def _holds(self, parent: bytes) -> bool:
        found = self.db.execute("SELECT 1 FROM names WHERE parent=? LIMIT 1", (parent,))
        return found.fetchone() is not None

    def _write(self) -> None:
        with errors_named(self._folder):
            self.db.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", self._waiting)
        self._waiting = []

    def complete(self) -> int:
        """Note the directories on the way; returns how many paths there are."""
        self._write()
        with errors_named(self._folder):
            for (key,) in self.db.execute("SELECT DISTINCT parent FROM names ORDER BY parent"):
                while self._way(key) and key:
                    key = key.rpartition(b"\0")[0]
            self.db.execute("INSERT OR IGNORE INTO ways VALUES (X'')")
            (count,) = self.db.execute("SELECT count(*) FROM names").fetchone()
        return int(count)

    def _way(self, key: bytes) -> bool:
        """Note a directory; whether it was not noted before."""
        done = self.db.execute("INSERT OR IGNORE INTO ways VALUES (?)", (key,))
        return done.rowcount > 0

    def has(self, parent: bytes, name: bytes) -> bool:
        """Whether a name in a directory was chosen."""
        row = (parent, name)
        found = self.db.execute("SELECT 1 FROM names WHERE parent=? AND name=?", row).fetchone()
        return found is not None

    def ways(self) -> Iterator[bytes]:
        """The keys of all directories that something was chosen in, or below, in order."""
        for (key,) in self.db.execute("SELECT key FROM ways ORDER BY key"):
            yield key

    def among(self, parent: bytes, names: list[bytes]) -> set[bytes]:
        """Those of some names of a directory, at most about a thousand, that were chosen."""
        found = self.db.execute(
            "SELECT name FROM names WHERE parent=? AND name BETWEEN ? AND ?",
            (parent, min(names), max(names)),
        )
        return {name for (name,) in found}.intersection(names)


class _Open:
    """A directory of the part while what lies below it is read."""

    def __init__(self, directory: Directory, identity: int, parent: int, inode: int) -> None:
        self.directory = directory
        self.id = identity
        self.parent = parent
        self.parent_inode = inode
        self.subdirectories = 0
        self.first, self.last = 0, -1
        self.totals = Totals()
        self.different = 0

    def row(self, names: int) -> tuple[Any, ...]:
        """As it is stored."""
        found, totals = self.directory, self.totals
        changed = found._replace(
            id=self.id,
            parent=self.parent,
            entries=totals.entries,
            files=totals.files,
            bytes=totals.bytes,
            disk=totals.disk,
            subdirectories=self.subdirectories,
            first=self.first,
            last=self.last,
            names=names,
            different=self.different,
        )
        more = (found.path.rpartition(b"/")[2], 0, 0, self.parent_inode)
        return (*changed[:-1], *more)


def write(index: Index, chosen: Chosen, folder: str, all_known: bool) -> Totals:
    """Write what was chosen of an index as an index to ``folder``; returns its sums.

    ``all_known``: what was not chosen is at the destination already, so that a directory is known
    to hold all that the scan saw there; else nothing is said of what else it holds.

    Raises:
        IngestError: a path is not in the index, or the part can't be written.
    """
    clear(folder)
    count = chosen.complete()
    with errors_named(folder):
        writer = PartWriter(folder, _PART)
        _Writing(index, chosen, writer, all_known).run()
        finished = writer.finish()
        meta = {
            key: value
            for key, value in index.meta().items()
            if key not in ("totals", "wide", "parts", "sums")
        }
        Completion(folder, 1).finish([finished], meta)
        lost = chosen.db.execute("SELECT parent, name FROM missing LIMIT 1").fetchone()
    if lost is not None:
        example = b"/".join(filter(None, (lost[0].replace(b"\0", b"/"), lost[1])))
        raise IngestError(
            f"of {count} chosen paths some are not in the index, such as '{display(example)}'"
        )
    return finished[0]


class _Writing:
    """The walk over the whole index."""

    def __init__(self, index: Index, chosen: Chosen, writer: PartWriter, all_known: bool) -> None:
        self._index = index
        self._chosen = chosen
        self._writer = writer
        self._all_known = all_known
        self._open: list[_Open] = []

    def run(self) -> None:
        """Store what was chosen."""
        ways = self._chosen.ways()
        way = next(ways, None)
        for directory in self._index.directories():
            key = directory.sort
            while way is not None and way < key:  # it is not in the index
                self._miss(way)
                way = next(ways, None)
            leads = way == key
            if leads:
                way = next(ways, None)
            parent, _nul, name = key.rpartition(b"\0")
            itself = bool(key) and self._chosen.has(parent, name)
            if leads or itself:
                self._enter(directory)
                if itself:
                    self._found(parent, name)
                if leads:
                    self._entries(directory)
        while way is not None:
            self._miss(way)
            way = next(ways, None)
        while self._open:
            self._leave()

    def _enter(self, directory: Directory) -> None:
        key = directory.sort
        while self._open and not self._below(key):
            self._leave()
        above = self._open[-1] if self._open else None
        if above is not None:
            above.subdirectories += 1
        parent, inode = (above.id, above.directory.inode) if above else (0, 0)
        self._open.append(_Open(directory, self._writer.next_id(), parent, inode))

    def _below(self, key: bytes) -> bool:
        top = self._open[-1].directory.sort
        return not top or key.startswith(top + b"\0")

    def _leave(self) -> None:
        done = self._open.pop()
        names = done.directory.names if self._all_known else NOT_LISTED
        self._writer.record(done.row(names), None)

    def _entries(self, directory: Directory) -> None:
        """Store the chosen entries of a directory; other names may be those of subdirectories."""
        key, here = directory.sort, self._open[-1]
        db = self._chosen.db
        db.execute(
            "INSERT OR IGNORE INTO missing SELECT parent, name FROM names WHERE parent=?", (key,)
        )
        entries = self._index.entries(directory)
        while True:
            some = list(islice(entries, _BATCH))
            if not some:
                return
            wanted = self._chosen.among(key, [entry.name for entry in some])
            taken = [entry for entry in some if entry.name in wanted]
            if not taken:
                continue
            totals = _sums(taken)
            rows = [(0, here.id, *entry[2:], *_MORE) for entry in taken]
            first, here.last = self._writer.store(rows, totals)
            here.first = here.first or first
            here.totals = add_totals([here.totals, totals])
            here.different += sum(entry.state != EQUAL for entry in taken)
            db.executemany(
                "DELETE FROM missing WHERE parent=? AND name=?",
                [(key, entry.name) for entry in taken],
            )

    def _found(self, parent: bytes, name: bytes) -> None:
        self._chosen.db.execute("DELETE FROM missing WHERE parent=? AND name=?", (parent, name))

    def _miss(self, way: bytes) -> None:
        self._chosen.db.execute(
            "INSERT OR IGNORE INTO missing SELECT parent, name FROM names WHERE parent=?", (way,)
        )


def _sums(entries: list[Entry]) -> Totals:
    files = [entry for entry in entries if entry.type == "f"]
    links = sum(entry.type == "l" for entry in entries)
    return Totals(
        files=len(files),
        links=links,
        specials=len(entries) - len(files) - links,
        entries=len(entries),
        bytes=sum(entry.size for entry in files),
        disk=sum(entry.blocks for entry in files) * 512,
    )
