# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files move between pools of one file system: the new file is made in the other pool, and both
change places in one step.

Where the file system can't let two names change places, the old file gets a second name and the new
one is renamed over it.
"""

from __future__ import annotations

import errno
import os
from typing import Callable

from ..core.paths import split
from ..fs.directories import DirCache
from . import leases, renames
from .batch import Batch
from .folder import Folder
from .journal import Journal
from .outcome import CHANGED, HOT, Stop
from .under_way import MAKING, UnderWay, same_attributes

_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
# Makes an empty file, given a directory's descriptor, its path, and a name.
Maker = Callable[[int, bytes, bytes], None]


class Exchange:
    """A file system, and what makes a file in its other pool. For one thread of one process."""

    def __init__(self, root: bytes, maker: Maker | None = None) -> None:
        """Raises IngestError, OSError."""
        self.root = root
        self.directories = DirCache(root)
        self.folder = Folder(root)
        self.leased = leases.honoured(root)
        self.device = self.folder.fd
        self._maker = maker

    # -- before anybody sees it --------------------------------------------------------------------

    def journal(self) -> Journal:
        """See :class:`.batch.Ground`."""
        self.forget()
        return Journal(self.folder, {"ground": "exchange", "root": os.fsdecode(self.root)})

    def early(self) -> bool:
        """See :class:`.batch.Ground`."""
        return True

    def open_directory(self, path: bytes) -> int:
        """See :class:`.batch.Ground`."""
        return self.directories.get(path).fd

    def create(self, one: UnderWay, journal: Journal) -> None:
        """See :class:`.batch.Ground`."""
        directory = split(one.path)[0]
        fd = self.directories.get(directory).fd
        flags = MAKING
        if self._maker is not None:
            path = self.root + b"/" + directory if directory else self.root
            self._maker(fd, path, one.temporary)
            flags &= ~(os.O_CREAT | os.O_EXCL)
        one.target = os.open(one.temporary, flags, 0, dir_fd=fd)
        os.fchmod(one.target, 0)  # until it is complete

    def discard(self, one: UnderWay) -> None:
        """See :class:`.batch.Ground`."""
        for path, name in zip(one.candidate.paths, names_beside(one)):
            try:
                fd = self.directories.get(split(path)[0]).fd
                if one.target < 0 or self.folder.inode_of(fd, name) != one.before.st_ino:
                    os.unlink(name, dir_fd=fd)
            except FileNotFoundError:
                pass

    # -- the exchange ------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> None:
        """See :class:`.batch.Ground`."""
        self.forget()
        batch.each(self._swap)
        batch.meanwhile(lambda: renames.sync_file_system(self.device), batch.options.grace)
        batch.each(lambda one: self._retire(batch, one))

    def _swap(self, one: UnderWay) -> None:
        one.stands()
        self._swap_names(one)

    def _swap_names(self, one: UnderWay) -> None:
        first = split(one.path)
        for path, temporary in list(zip(one.candidate.paths, names_beside(one)))[one.placed :]:
            directory, name = split(path)
            fd = self.directories.get(directory).fd
            if self.folder.inode_of(fd, name) != one.before.st_ino:
                raise Stop(CHANGED, "was renamed, removed or replaced meanwhile")
            if one.placed:
                there = self.directories.get(first[0]).fd
                os.link(first[1], temporary, src_dir_fd=there, dst_dir_fd=fd, follow_symlinks=False)
            self._change_places(fd, temporary, name)
            one.placed += 1
            if self.folder.inode_of(fd, temporary) != one.before.st_ino:
                raise Stop(CHANGED, "was renamed, removed or replaced meanwhile")

    def _change_places(self, fd: int, temporary: bytes, name: bytes) -> None:
        try:
            renames.exchange(fd, temporary, fd, name)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            other = temporary + b".o"
            os.link(name, other, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
            os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            renames.move(fd, other, fd, temporary)

    def _retire(self, batch: Batch, one: UnderWay) -> None:
        one.rests()
        if not same_attributes(one.source, one.target):
            raise Stop(HOT, "its attributes changed meanwhile")
        self._remove_old(one)
        batch.done(one)

    def _remove_old(self, one: UnderWay) -> None:
        for path, temporary in zip(one.candidate.paths, names_beside(one)):
            fd = self.directories.get(split(path)[0]).fd
            if self.folder.inode_of(fd, temporary) == one.before.st_ino:
                os.unlink(temporary, dir_fd=fd)

    def take_back(self, one: UnderWay) -> str:
        """See :class:`.batch.Ground`."""
        problem = ""
        for path, temporary in zip(one.candidate.paths[: one.placed], names_beside(one)):
            directory, name = split(path)
            fd = self.directories.get(directory).fd
            there = self.folder.inode_of(fd, name)
            if there == one.made.st_ino:
                self._change_places(fd, temporary, name)
            else:
                problem = (
                    "somebody has renamed, removed or replaced the new file meanwhile: the old one "
                    f"is kept as {os.fsdecode(temporary)}"
                )
        return problem

    # -- the end -----------------------------------------------------------------------------------

    def forget(self) -> None:
        """Find all directories by their names again: somebody may have moved one."""
        self.directories.forget()

    def tidy(self) -> None:
        """See :class:`.batch.Ground`."""
        self.forget()

    def close(self) -> None:
        """Close all."""
        self.directories.close()
        self.folder.close()


def names_beside(one: UnderWay) -> list[bytes]:
    """What is called what beside each name: the new file before, the old one afterwards."""
    return temporary_names(one.temporary, len(one.candidate.paths))


def temporary_names(temporary: bytes, count: int) -> list[bytes]:
    """The same, of a file with so many names."""
    return [temporary] + [b"%s.%d" % (temporary, at) for at in range(1, count)]
