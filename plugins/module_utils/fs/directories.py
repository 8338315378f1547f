# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories below a root, opened one component at a time."""

from __future__ import annotations

import os
import resource
import threading
from collections import OrderedDict
from functools import lru_cache

from ..core.paths import join, split
from .refresh import refresh

# A directory is only looked things up in, so O_PATH will do: on NFS it costs no OPEN and no
# ACCESS, and it asks for no read permission. O_NOFOLLOW: a link in the tree is never followed.
_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MODE_WHILE_FILLING = 0o700
_MOST = 48  # directories that a tree is held open at
_ENOUGH = 1 << 16


@lru_cache(maxsize=None)
def budget() -> int:
    """How many directories this process may hold open: a third of what it may open, after it has
    been given all that it may ask for. A login has 1,024, which some threads soon use up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most // 3


class OpenDirectory:
    """An open directory, and what is known of it.

    ``created``: this process made it. ``filled``: some entry was found to exist already, so it
    pays to look before creating. ``inherits``: new entries get an ACL from it (None: unknown).
    ``swept``: what dead runs left in it is gone.
    ``made``: what new files of a mode turned out to be; the server decides it alike for all.
    """

    __slots__ = ("fd", "created", "filled", "inherits", "swept", "made")

    def __init__(self, fd: int, created: bool) -> None:
        self.fd = fd
        self.created = created
        self.filled = False
        self.inherits: bool | None = None
        self.swept = False
        self.made: dict[int, os.stat_result] = {}


class DirCache:
    """The most recently used directories of one tree, held open. For one thread; all of a process
    share what it may hold open.

    No path longer than one name reaches the kernel, so trees deeper than PATH_MAX work, and a
    symbolic link below the root is refused with ENOTDIR instead of followed.
    """

    _caches = 0
    _counting = threading.Lock()

    def __init__(self, root: bytes) -> None:
        """Open the tree. Raises OSError if ``root`` is not a directory."""
        self.root = root
        self._root: OpenDirectory | None = None
        self._asking = False
        self.turn = 0  # counts up whenever a directory may have been closed
        self._top()
        self._open: OrderedDict[bytes, OpenDirectory] = OrderedDict()
        self._count(1)

    @classmethod
    def _count(cls, number: int) -> None:
        with cls._counting:
            cls._caches += number

    def get(self, path: bytes, create: bool = False) -> OpenDirectory:
        """The directory at ``path`` (relative, ``b""`` is the root); with ``create``, made if it
        is missing, with its parents, closed to others until its own mode is set.

        Valid until the call after the next, as a hard link needs two. Raises OSError (ENOTDIR for a
        link or a file in the way).
        """
        if not path:
            return self._top()
        found = self._open.get(path)
        if found is not None:
            self._open.move_to_end(path)
            return found
        return self._enter(path, create)

    def _enter(self, path: bytes, create: bool) -> OpenDirectory:
        self.turn += 1
        missing = []
        at: OpenDirectory | None = None
        rest = path
        while at is None:
            rest, name = split(rest)
            missing.append(name)
            at = self._open.get(rest) if rest else self._top()
        most = max(2, min(_MOST, self.share()))
        where = rest
        last = next(reversed(self._open), path)
        for name in reversed(missing):
            where = join(where, name)
            at = self._child(at, name, create)
            if self._asking:
                refresh(at.fd)
            self._open[where] = at
            if last in self._open:
                self._open.move_to_end(last)
            # A parent may go as soon as its child is open, but not the last one that was asked for.
            while len(self._open) > most:
                os.close(self._open.popitem(last=False)[1].fd)
        self._open.move_to_end(path)
        return at

    @staticmethod
    def _child(parent: OpenDirectory, name: bytes, create: bool) -> OpenDirectory:
        created = False
        if create and parent.created:  # a new directory is empty: don't look first
            created = _mkdir(name, parent.fd)
        try:
            return OpenDirectory(os.open(name, _FLAGS, dir_fd=parent.fd), created)
        except FileNotFoundError:
            if not create:
                raise
        created = _mkdir(name, parent.fd)
        return OpenDirectory(os.open(name, _FLAGS, dir_fd=parent.fd), created)

    @classmethod
    def share(cls) -> int:
        """How many directories each tree of this process may hold open."""
        return budget() // max(1, cls._caches)

    def _top(self) -> OpenDirectory:
        if self._root is None:
            fd = os.open(self.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._root = OpenDirectory(fd, False)
            if self._asking:
                refresh(fd)
        return self._root

    def forget(self) -> None:
        """Close all. What is asked for next is found by its names again."""
        self.turn += 1
        while self._open:
            os.close(self._open.popitem()[1].fd)
        if self._root is not None:
            os.close(self._root.fd)
            self._root = None

    def look_afresh(self) -> None:
        """From now on find directories by their names again, from the root's path, each with a word
        from its server (one GETATTR): another client may have moved them."""
        self.forget()
        self._asking = True

    def close(self) -> None:
        """Close all."""
        self.forget()
        self._count(-1)


def _mkdir(name: bytes, parent: int) -> bool:
    try:
        os.mkdir(name, MODE_WHILE_FILLING, dir_fd=parent)
    except FileExistsError:
        return False
    return True
