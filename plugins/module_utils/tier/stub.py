# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files move to another tree, and a symbolic link stays in their place: where no union shows both.

The link takes the old file's place in one step. Who opens the path follows it; who looks at the
path itself sees a link.
"""

from __future__ import annotations

import os

from ..core.paths import split
from ..fs.directories import DirCache
from . import directories, leases, renames
from .batch import Batch
from .folder import Folder
from .journal import Journal
from .outcome import CHANGED, FAILED, HOT, SKIPPED, Stop
from .under_way import MAKING, UnderWay, same_attributes


class Stub:
    """The two trees. For one thread of one process."""

    def __init__(self, source: bytes, target: bytes) -> None:
        """Open both. Raises IngestError, OSError."""
        self.paths = (source, target)
        self.sources, self.targets = DirCache(source), DirCache(target)
        self.folder = Folder(target)
        self.leased = leases.honoured(source) and leases.honoured(target)
        self.device = self.folder.fd
        self._made: list[bytes] = []

    # -- before anybody sees it --------------------------------------------------------------------

    def journal(self) -> Journal:
        """See :class:`.batch.Ground`."""
        self.forget()
        source, target = (os.fsdecode(path) for path in self.paths)
        return Journal(self.folder, {"ground": "stub", "source": source, "target": target})

    def early(self) -> bool:
        """See :class:`.batch.Ground`."""
        return False

    def open_directory(self, path: bytes) -> int:
        """See :class:`.batch.Ground`."""
        return self.sources.get(path).fd

    def create(self, one: UnderWay, journal: Journal) -> None:
        """See :class:`.batch.Ground`."""
        if len(one.candidate.paths) > 1:
            raise Stop(SKIPPED, "has several names, and a link stands for one")
        self._made += directories.make(
            split(one.path)[0], self.sources, self.targets, self.folder, journal.new_name()
        )
        name = journal.new_name()
        one.target = os.open(name, MAKING, 0, dir_fd=self.folder.fd)  # mode 0 until it is complete
        one.temporary = name

    def discard(self, one: UnderWay) -> None:
        """See :class:`.batch.Ground`."""
        self.folder.remove(one.temporary)

    # -- the exchange ------------------------------------------------------------------------------

    def commit(self, batch: Batch) -> None:
        """See :class:`.batch.Ground`."""
        self.forget()
        batch.each(self._swap)
        batch.meanwhile(lambda: renames.sync_file_system(self.device), batch.options.grace)
        batch.each(lambda one: self._retire(batch, one))

    def _swap(self, one: UnderWay) -> None:
        one.stands()
        directory, name = split(one.path)
        here, there = self.sources.get(directory).fd, self.targets.get(directory).fd
        try:
            renames.move(self.folder.fd, one.temporary, there, name)
        except FileExistsError:
            raise Stop(FAILED, "the target pool has another file of this name") from None
        one.placed = 1
        link = link_name(one.temporary)
        before = one.before
        os.symlink(self.paths[1] + b"/" + one.path, link, dir_fd=here)
        os.chown(link, before.st_uid, before.st_gid, dir_fd=here, follow_symlinks=False)
        if Folder.inode_of(here, name) != before.st_ino:
            raise Stop(CHANGED, "was renamed, removed or replaced meanwhile")
        renames.exchange(here, link, here, name)
        if Folder.inode_of(here, link) != before.st_ino:
            renames.exchange(here, link, here, name)
            raise Stop(CHANGED, "was renamed, removed or replaced meanwhile")
        one.parked.append((one.path, link))

    def _retire(self, batch: Batch, one: UnderWay) -> None:
        one.rests()
        if not same_attributes(one.source, one.target):
            raise Stop(HOT, "its attributes changed meanwhile")
        os.unlink(link_name(one.temporary), dir_fd=self.sources.get(split(one.path)[0]).fd)
        batch.done(one)

    def take_back(self, one: UnderWay) -> str:
        """See :class:`.batch.Ground`."""
        directory, name = split(one.path)
        here, there = self.sources.get(directory).fd, self.targets.get(directory).fd
        link = link_name(one.temporary)
        if one.parked:
            if not self.ours(here, name, one.path):
                return (
                    f"somebody has replaced its link: the old file is kept as {os.fsdecode(link)}"
                )
            renames.exchange(here, link, here, name)
        if self.ours(here, link, one.path):
            os.unlink(link, dir_fd=here)
        self.folder.take(there, name, os.fstat(one.target).st_ino, one.temporary)
        return ""

    def ours(self, directory: int, name: bytes, path: bytes) -> bool:
        """Whether a name is the link that stands for a path."""
        try:
            return os.readlink(name, dir_fd=directory) == self.paths[1] + b"/" + path
        except OSError:
            return False

    # -- the end -----------------------------------------------------------------------------------

    def forget(self) -> None:
        """Find all directories by their names again: somebody may have moved one."""
        self.sources.forget()
        self.targets.forget()

    def tidy(self) -> None:
        """See :class:`.batch.Ground`."""
        self.forget()
        directories.unmake(self._made, self.targets)
        self._made = []

    def close(self) -> None:
        """Close all."""
        for one in (self.sources, self.targets, self.folder):
            one.close()


def link_name(temporary: bytes) -> bytes:
    """What the link is called before, and the old file afterwards."""
    return b".ingest-tier-" + temporary
