# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One directory while it is listed: its rows, and what is to be listed below it."""

from __future__ import annotations

import errno
import os
import stat
from itertools import repeat
from operator import itemgetter
from typing import Any, Iterable, Tuple

from ..core.changes import EQUAL
from ..core.own_names import beside
from ..core.paths import join
from ..core.want import NOT_LISTED, names_digest
from ..fs.listing import Known, Run, listed
from ..index.earlier import LOOK, TIMES, KnownDirectory
from ..index.rows import TYPES, Entry, Extra, Passing, Totals, Twin
from ..index.sums import Direct
from .compare import UNKNOWN, Comparer, Counterpart
from .gathered import Gathered
from .globs import Active
from .messages import Group

RUN = 50_000  # entries of a directory that are held and sorted at once
FEW = 4  # entries that are looked at one by one where a server has them
GROUP = 1_000  # names of subdirectories in one message part

_NO_ATTRIBUTES = (errno.EOPNOTSUPP, errno.ENOSYS)  # the file system has none
_NAME, _SIZE, _BLOCKS = itemgetter(2), itemgetter(10), itemgetter(11)
_STATE = itemgetter(Entry._fields.index("state"))
_Row = Tuple[Any, ...]  # of an entry


class Listing:
    """One directory while it is listed."""

    def __init__(
        self,
        gathered: Gathered,
        comparer: Comparer | None,
        group: Group,
        path: bytes,
        descriptor: int,
    ) -> None:
        """``descriptor``: of the directory; -1 if it is not opened."""
        self.gathered = gathered
        self.task = gathered.task
        self.depth = group.depth
        self.parent = group.parent
        self.parent_inode = group.inode
        self.inode = 0
        self.active = group.active
        self.path = path
        self.descriptor = descriptor
        with self.gathered.lock:
            self.id = self.gathered.part.next_id()
        self.first, self.last = 0, -1
        self.counts = [0, 0, 0, 0]  # entries, files, bytes, disk
        self.whole = 0  # subdirectories that come whole
        self.names = NOT_LISTED
        self.failed = False
        self.files: list[_Row] = []  # still to be stored
        self.others: list[_Row] = []
        self.below: list[bytes] = []  # subdirectories
        self.ways: dict[bytes, Active] = {}  # and those on the way to what a glob may match
        self.direct = Direct() if gathered.task.sums else None
        self.known: KnownDirectory | None = None  # whose entries were taken over
        self.passing = 0  # subdirectories on the way to what a glob may match
        self.different = 0  # entries
        self.there: Counterpart | None = None
        if comparer is not None and descriptor >= 0:
            self.there = comparer.directory(path, group.place, descriptor)

    def run(self, found: os.stat_result, known: KnownDirectory | None) -> None:
        """List, or take over what is known; store."""
        self.inode = found.st_ino
        device = self.gathered.device
        if known is not None and known.stands(found) and self._take_over(known):
            pass
        elif device is None or found.st_dev == device:
            self._list()
            if self.there is not None and not self.failed:
                self._note_extras(self.there)
        self.record(found)

    def close(self) -> None:
        """Close what was opened beside it."""
        if self.there is not None:
            self.there.close()

    def _take_over(self, known: KnownDirectory) -> bool:
        """Do without a listing; whether that could be."""
        below = known.below()
        if below is None or (known.how == LOOK and not self._look(known, below)):
            return False
        if known.how == TIMES:
            self._copy(known, below)
        with self.gathered.lock:
            self.gathered.kept += 1
        return True

    def _look(self, known: KnownDirectory, below: list[bytes]) -> bool:
        """Look at the known entries, unless a listing is cheaper: it brings a hundred looks a
        call from a server."""
        if known.entries > (FEW if self.task.remote else RUN):
            return False
        run = Run([], [(name, None) for name in below], [], [])
        for rows in known.rows():
            for row in rows:
                try:
                    found = os.stat(row[2], dir_fd=self.descriptor, follow_symlinks=False)
                except OSError:
                    return False  # it goes just now
                if stat.S_ISDIR(found.st_mode):
                    return False
                some = run.files if stat.S_ISREG(found.st_mode) else run.others
                some.append((row[2], found))
        self._take(run)
        self.names = self._store()
        return True

    def _copy(self, known: KnownDirectory, below: list[bytes]) -> None:
        """Take over the known entries, unseen."""
        self.known = known
        totals, details = known.totals, known.details()
        for rows in known.rows():
            with self.gathered.lock:
                part = self.gathered.part
                first, self.last = part.store([(0, self.id, *row[2:]) for row in rows], totals)
                more = [
                    (number, *details[row[0]])
                    for number, row in enumerate(rows, first)
                    if row[0] in details
                ]
                if more:
                    part.details(more)
            self.first = self.first or first
            totals = Totals()
        self.counts = [known[name] for name in ("entries", "files", "bytes", "disk")]
        self.names = known["names"]
        self._descend(sorted(below), None)

    def keep(self, known: KnownDirectory, below: list[bytes]) -> None:
        """Take over a directory as it was, with its own row, and nothing looked at."""
        self.inode = known["inode"]
        self._copy(known, below)
        row = known.row_as(
            id=self.id,
            parent=self.parent,
            subdirectories=self.whole,
            first=self.first,
            last=self.last,
        )
        with self.gathered.lock:
            self.gathered.kept += 1
            self.gathered.part.record(row, None)

    def _list(self) -> None:
        remote = self.task.remote
        wanted = self._asked if self.task.filter or self.active is not None else None
        runs = listed(self.descriptor, remote, wanted=wanted)
        several = False
        while True:
            try:
                run = next(runs, None)
            except OSError as error:  # half a listing is better than none, if it is said
                self._fail(self.path, "list", error)
                break
            if run is None:
                break
            self._take(run)
            if len(self.files) + len(self.others) + len(self.below) >= RUN:
                self._store()
                self.gathered.report(False)
                several = True
        names = self._store()
        for name, further in self.ways.items():
            self._descend([name], further)
        if not self.failed:
            self.names = 0 if several else names

    def _take(self, run: Run) -> None:
        """Make rows of what was read."""
        self.below += [name for name, _found in run.directories]
        for name, error in run.failed:
            self._fail(join(self.path, name), "stat", error)
        self.files += self._rows("f", run.files)
        for name, found in run.others:
            kind = TYPES.get(found.st_mode & 0o170000)
            if kind is not None:
                self.others += self._rows(kind, [(name, found)])

    def _rows(self, kind: str, entries: list[Known]) -> list[_Row]:
        states: Iterable[int] = repeat(0)
        if self.there is not None:
            states = self.there.entries(entries)
        return _rows(self.id, kind, entries, states)

    def _store(self) -> int:
        """Store the entries so far, by name, and hand the subdirectories to the coordinator;
        returns the number for the names of both."""
        files, others, below = self.files, self.others, self.below
        self.files, self.others, self.below = [], [], []
        rows = files + others if others else files
        rows.sort(key=_NAME)
        below.sort()
        names = list(map(_NAME, rows))
        if rows:
            size, disk = sum(map(_SIZE, files)), sum(map(_BLOCKS, files)) * 512
            links = sum(row[3] == "l" for row in others)
            totals = Totals(len(files), links, len(others) - links, 0, len(rows), size, disk, 0)
            if self.direct is not None:
                self.direct.add(rows, len(files), links)
            task = self.task
            details = self._details(rows) if task.xattrs or (links and task.links) else []
            with self.gathered.lock:
                first, self.last = self.gathered.part.store(rows, totals)
                if details:
                    self.gathered.part.details([(first + at, *more) for at, *more in details])
                if self.there is not None and self.there.files:
                    self.gathered.part.twins(_twins(rows, first, self.there.files))
            self.first = self.first or first
            self.different += len(rows) - list(map(_STATE, rows)).count(EQUAL)
            for n, number in enumerate((len(rows), len(files), size, disk)):
                self.counts[n] += number
        self._descend(below, None)
        return names_digest(names, below)

    def _fail(self, path: bytes, operation: str, error: OSError) -> None:
        self.failed = True
        self.gathered.error(path, operation, error)

    def _asked(self, name: bytes, is_directory: bool) -> bool:
        """Whether an entry that is read now is taken; a directory on the way to what a glob may
        match is noted."""
        taken, whole, further = self._takes(name, is_directory)
        if whole:
            with self.gathered.lock:
                self.gathered.matched.update(whole)
        elif further:
            self.ways[name] = further
        if not taken and self.there is not None:
            self.there.seen(name)
        return taken

    def _takes(self, name: bytes, is_directory: bool) -> tuple[bool, Active, Active]:
        """Whether an entry of this name is taken, the globs that it fulfils, and those that go on
        below it."""
        task = self.task
        if task.filter and task.filter.excluded(self.path, name, is_directory):
            return False, (), ()
        if self.active is None:
            return True, (), ()
        whole, further = task.globs.step(self.active, self.depth, name, is_directory)
        return bool(whole), whole, further

    def _details(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Where in ``rows`` there is more to tell: the text of a link, the names of attributes."""
        task, found = self.task, []
        for at, row in enumerate(rows):
            name, kind = row[2], row[3]
            text = names = None
            try:
                if kind == "l" and task.links:
                    text = os.readlink(name, dir_fd=self.descriptor)
            except OSError as error:
                self._fail(join(self.path, name), "read link", error)
            if task.xattrs:
                names = self._xattrs(
                    join(self.path, name), b"/proc/self/fd/%d/%s" % (self.descriptor, name)
                )
            if text is not None or names:
                found.append((at, text, names))
        return found

    def _xattrs(self, path: bytes, where: bytes | int) -> bytes | None:
        """The names of an entry's extended attributes, separated by 0x1f."""
        if where == -1:
            return None
        try:
            names = os.listxattr(where, follow_symlinks=isinstance(where, int))
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTES:
                self._fail(path, "list extended attributes", error)
            return None
        return b"\x1f".join(sorted(map(os.fsencode, names))) or None

    def _sums(self) -> tuple[Any, ...]:
        """The directory's last columns; none in a scan without sums."""
        if self.known is not None:
            return (self.known["xattr_names"], *self.known.direct)
        if self.direct is None:
            return ()
        names = self._xattrs(self.path, self.descriptor) if self.task.xattrs else None
        return (names, *self.direct.row())

    def _descend(self, names: list[bytes], active: Active | None) -> None:
        """Hand subdirectories to the coordinator."""
        if active is None:
            self.whole += len(names)
        else:
            self.passing += len(names)
        places: dict[int, list[bytes]] = {UNKNOWN: names}
        if self.there is not None:
            places = {}
            for name in names:
                places.setdefault(self.there.below(name), []).append(name)
        for place, some in places.items():
            for at in range(0, len(some), GROUP):
                part = b"\0".join(some[at : at + GROUP])
                group = Group(self.id, self.path, self.depth + 1, active, part, self.inode, place)
                with self.gathered.lock:
                    self.gathered.found.append(group)

    def _note_extras(self, there: Counterpart) -> None:
        """What is left of the destination's directory when all names of the source's were read."""
        extras = [
            Extra(join(self.path, name), "d" if is_directory else "f")
            for name, is_directory in there.extra
            if not beside(name, not self.path) and self._takes(name, is_directory)[0]
        ]
        if extras:
            with self.gathered.lock:
                self.gathered.part.extras(extras)

    def record(self, found: os.stat_result) -> None:
        """Write the directory's own row."""
        sort = self.path.replace(b"/", b"\0")
        row = (
            self.id,
            self.parent,
            self.path,
            sort,
            self.depth,
            found.st_ino,
            found.st_dev,
            found.st_mode,
            found.st_uid,
            found.st_gid,
            found.st_nlink,
            found.st_blocks,
            found.st_atime_ns,
            found.st_mtime_ns,
            found.st_ctime_ns,
            *self.counts,
            self.whole + self.passing,
            self.first,
            self.last,
            self.names,
            self.there.itself(found) if self.there is not None else 0,
            self.different,
            self.path.rpartition(b"/")[2],
            found.st_size,
            found.st_blksize,
            self.parent_inode,
            *self._sums(),
        )
        passing = None
        if self.active is not None:
            passing = Passing(self.id, sort, self.depth, self.counts[0], self.whole)
        with self.gathered.lock:
            self.gathered.part.record(row, passing)


def _twins(rows: list[_Row], first: int, files: dict[bytes, tuple[int, int]]) -> list[Twin]:
    return [
        Twin(number, *files[row[2]]) for number, row in enumerate(rows, first) if row[2] in files
    ]


def _rows(directory: int, kind: str, entries: list[Known], states: Iterable[int]) -> list[_Row]:
    return [
        (
            0,
            directory,
            name,
            kind,
            found.st_ino,
            found.st_dev,
            found.st_mode,
            found.st_nlink,
            found.st_uid,
            found.st_gid,
            found.st_size,
            found.st_blocks,
            found.st_rdev,
            found.st_atime_ns,
            found.st_mtime_ns,
            found.st_ctime_ns,
            state,
            found.st_blksize,
        )
        for (name, found), state in zip(entries, states)
    ]
