# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files move between two branches of a mergerfs: two file systems, one tree for users.

No rename reaches from one file system to the other, so for a moment both branches have the name,
and the order of the branches says which file users get. The new file is placed where the old one
hides it; when every call has ended that knew the old one only, the order is turned; when every call
has ended that had decided for the old one, it is removed, and the order is turned back. So nobody
ever meets a name that is not there, and whoever opens one of the two files waits for its lease, and
is seen.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import Callable, Iterator

from ..core.paths import display, split
from ..fs.directories import DirCache
from . import directories, handles, leases, renames
from .batch import Batch
from .folder import Folder
from .journal import Journal
from .order import Order
from .outcome import CHANGED, FAILED, Stop
from .under_way import MAKING, UnderWay

_TURN = 0.002  # s between tries to be the one whose turn it is


class Union:
    """The two branches. For one thread of one process."""

    def __init__(self, union: bytes, source: bytes, target: bytes) -> None:
        """Open all. Raises IngestError, OSError."""
        self.order = Order(union)
        self.paths = (union, source, target)
        self.sources, self.targets = DirCache(source), DirCache(target)
        self.source_folder, self.target_folder = Folder(source), Folder(target)
        self.leased = leases.honoured(source) and leases.honoured(target)
        self.device = self.target_folder.fd
        self._lock = Folder(min(self.order.branches()))
        self._made: list[bytes] = []

    # -- before anybody sees it --------------------------------------------------------------------

    def journal(self) -> Journal:
        """See :class:`.batch.Ground`."""
        self.forget()
        union, source, target = self.paths
        first = self.order.first(source, target)
        names = (os.fsdecode(path) for path in (union, source, target, first))
        return Journal(
            self.target_folder,
            {"ground": "union", **dict(zip(("union", "source", "target", "first"), names))},
        )

    def early(self) -> bool:
        """See :class:`.batch.Ground`."""
        return False

    def open_directory(self, path: bytes) -> int:
        """See :class:`.batch.Ground`."""
        return self.sources.get(path).fd

    def create(self, one: UnderWay, journal: Journal) -> None:
        """See :class:`.batch.Ground`."""
        name = journal.new_name()
        for path in one.candidate.paths:
            self._make(path, name)
        # Mode 0 until it is complete.
        one.target = os.open(name, MAKING, 0, dir_fd=self.target_folder.fd)
        one.temporary = name

    def _make(self, path: bytes, new: bytes) -> None:
        """Have a path's directory in the target pool. Raises OSError, Stop."""
        directory = split(path)[0]
        folder = self.target_folder
        self._made += directories.make(directory, self.sources, self.targets, folder, new)

    def discard(self, one: UnderWay) -> None:
        """See :class:`.batch.Ground`."""
        self.target_folder.remove(one.temporary)
        if one.placed:
            for name in self.target_folder.names():
                if name.startswith(one.temporary + b".u"):
                    self.target_folder.remove(name)

    # -- while both are there ----------------------------------------------------------------------

    def commit(self, batch: Batch) -> None:
        """See :class:`.batch.Ground`."""
        dummy, source, target = self.paths
        with self._turn(batch):
            first = self.order.first(source, target)
            try:
                self._put_first(batch, source)
                self.forget()
                batch.each(self._place)
                batch.meanwhile(lambda: renames.sync_file_system(self.device), batch.options.grace)
                self._put_first(batch, target)
                batch.wait()
                self.forget()
                batch.each(lambda one: self._retire(batch, one))
            finally:
                self._put_first(batch, first)

    def _put_first(self, batch: Batch, path: bytes) -> None:
        """In a thread: mergerfs may have no thread left but those that wait for our leases."""
        dummy, source, target = self.paths
        batch.meanwhile(lambda: self.order.put_first(path, target if path == source else source))

    @contextmanager
    def _turn(self, batch: Batch) -> Iterator[None]:
        """One at a time turns the order of the branches."""
        lock = self.wait_for_turn(batch.look)
        try:
            yield
        finally:
            os.close(lock)

    def wait_for_turn(self, look: Callable[[], None] | None = None) -> int:
        """The lock of whoever turns the order, as a descriptor to be closed."""
        while True:
            try:
                return self._lock.lock()
            except BlockingIOError:
                time.sleep(_TURN)
                if look is not None:
                    look()

    def _place(self, one: UnderWay) -> None:
        one.stands()
        for path in one.candidate.paths:
            self._make(path, one.temporary + b".d")  # another mover may have removed it
        try:
            if not one.placed:
                directory, name = split(one.path)
                there = self.targets.get(directory).fd
                renames.move(self.target_folder.fd, one.temporary, there, name)
                one.placed = 1
            self._complete(one)
        except FileExistsError:
            raise Stop(FAILED, "the target pool has another file of this name") from None

    def _complete(self, one: UnderWay) -> None:
        """Give the new file its further names. Raises OSError."""
        at, last = split(one.path)
        for path in one.candidate.paths[one.placed :]:
            directory, name = split(path)
            first, there = self.targets.get(at).fd, self.targets.get(directory).fd
            os.link(last, name, src_dir_fd=first, dst_dir_fd=there, follow_symlinks=False)
            one.placed += 1

    def _retire(self, batch: Batch, one: UnderWay) -> None:
        """The old file goes: first out of everybody's reach, then, after a last look, for good.

        Users may have given both files another name, or one more."""
        one.agrees()
        names = self._names(one, one.source, self.sources)
        expected = tuple(names) == one.candidate.paths
        if not names or not (
            expected or set(names) == set(self._names(one, one.target, self.targets))
        ):
            raise Stop(CHANGED, "was renamed, removed or replaced meanwhile")
        for path in names:
            directory, name = split(path)
            new = parked_name(one.temporary, len(one.parked))
            if not self.source_folder.fetch(
                self.sources.get(directory).fd, name, one.before.st_ino, new
            ):
                raise Stop(CHANGED, "was renamed, removed or replaced meanwhile")
            one.parked.append((path, new))
        one.rests()
        for dummy, new in one.parked:
            self.source_folder.remove(new)
        batch.done(one)

    @staticmethod
    def _names(one: UnderWay, fd: int, pool: DirCache) -> list[bytes]:
        """All names that users see of one of the two files."""
        return handles.names_of(fd, pool, one.candidate.paths)

    def take_back(self, one: UnderWay) -> str:
        """See :class:`.batch.Ground`."""
        problem = ""
        for path, name in one.parked:
            directory, last = split(path)
            try:
                renames.move(self.source_folder.fd, name, self.sources.get(directory).fd, last)
            except OSError as error:
                problem = (
                    f"it is kept as {os.fsdecode(self.source_folder.path + b'/' + name)}, as it "
                    f"can't have its name again: {error.strerror}"
                )
        inode, old = os.fstat(one.target).st_ino, one.before.st_ino
        for number, path in enumerate(self._names(one, one.target, self.targets)):
            directory, last = split(path)
            with suppress(FileNotFoundError):
                if path not in one.candidate.paths and old != Folder.inode_of(
                    self.sources.get(directory).fd, last
                ):
                    problem = problem or f"{display(path)} is its new file by now"
                    continue
                new = b"%s.u%d" % (one.temporary, number) if number else one.temporary
                self.target_folder.take(self.targets.get(directory).fd, last, inode, new)
        return problem

    # -- the end -----------------------------------------------------------------------------------

    def forget(self) -> None:
        """Find all directories by their names again: somebody may have moved one."""
        self.sources.forget()
        self.targets.forget()

    def tidy(self) -> None:
        """See :class:`.batch.Ground`."""
        self.forget()
        if self._made:
            lock = self.wait_for_turn()  # or another mover may be about to use one
            directories.unmake(self._made, self.targets)
            os.close(lock)
        self._made = []

    def close(self) -> None:
        """Close all."""
        for one in (self.sources, self.targets, self.source_folder, self.target_folder, self._lock):
            one.close()


def parked_name(temporary: bytes, number: int) -> bytes:
    """What the old file's name of that number is called out of everybody's reach."""
    return b"%s.p%d" % (temporary, number)
