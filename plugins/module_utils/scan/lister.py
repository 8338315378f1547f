# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the directories that are to be listed, unless what is known of them stands."""

from __future__ import annotations

import errno
import os
import stat

from ..core.paths import join
from ..fs.directories import DirCache
from ..fs.refresh import refresh
from ..index.earlier import KEEP, TIMES, EarlierIndex, KnownDirectory
from .compare import Comparer
from .directory import Listing
from .gathered import Gathered
from .messages import Group

_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Lister:
    """Lists directories; one per thread."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self._task = task = gathered.task
        self._cache = DirCache(task.source)
        self._comparer = Comparer(task.compare, task.threads == 1) if task.compare else None
        self._earlier = None if task.earlier is None else EarlierIndex(task.earlier)
        if self._earlier is not None and self._earlier.wide:
            gathered.part.wide = True

    def group(self, group: Group) -> None:
        """List the subdirectories of a group."""
        for name in reversed(group.names.split(b"\0")):
            self.directory(group, name)

    def directory(self, group: Group, name: bytes) -> None:
        """List one directory."""
        path = join(group.path, name) if name else b""
        known = None if self._earlier is None else self._earlier.find(path)
        if known is not None and self._unopened(group, name, path, known):
            return
        try:
            if name:
                descriptor = os.open(name, _LIST, dir_fd=self._cache.get(group.path).fd)
            else:
                descriptor = os.open(self._task.source, _LIST & ~os.O_NOFOLLOW)
        except OSError as error:
            self._closed(group, name, path, error)
            return
        if self._task.remote:
            refresh(descriptor)
        try:
            try:
                found = os.fstat(descriptor)
            except OSError as error:
                self._closed(group, name, path, error)
            else:
                listing = self._listing(group, path, descriptor)
                try:
                    listing.run(found, known)
                finally:
                    listing.close()
        finally:
            os.close(descriptor)

    def _unopened(self, group: Group, name: bytes, path: bytes, known: KnownDirectory) -> bool:
        """Take over what is known of a directory, if it need not be opened for that."""
        if known.how == KEEP:
            below = known.below()
            if below is not None:
                self._listing(group, path, -1).keep(known, below)
            return below is not None
        if known.how != TIMES or known.subdirectories or not name:
            return False
        try:
            parent = self._cache.get(group.path).fd
            if self._task.remote:
                refresh(parent, name)
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except OSError:
            return False  # opening it will tell
        if not stat.S_ISDIR(found.st_mode) or not known.stands(found):
            return False
        self._listing(group, path, -1).run(found, known)
        return True

    def _closed(self, group: Group, name: bytes, path: bytes, error: OSError) -> None:
        """A directory that can't be opened: keep what the parent tells about it."""
        self._gathered.error(path, "open", error)
        try:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise error
            found = os.stat(name, dir_fd=self._cache.get(group.path).fd, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                raise error
        except OSError:
            with self._gathered.lock:
                self._gathered.lost.append(group.parent)
            return
        self._listing(group, path, -1).record(found)

    def _listing(self, group: Group, path: bytes, descriptor: int) -> Listing:
        return Listing(self._gathered, self._comparer, group, path, descriptor)
