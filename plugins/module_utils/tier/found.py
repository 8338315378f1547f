# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two files of an entry of a journal, as they are found after a run was killed."""

from __future__ import annotations

import os
from contextlib import suppress

from ..core.paths import split
from ..fs.directories import DirCache
from . import handles, leases
from .exchange import Exchange, temporary_names
from .folder import Folder
from .journal import Entry
from .stub import Stub, link_name
from .under_way import READING, looks, same_attributes, same_contents
from .union import Union


class Names:
    """The names that one file has: ``seen`` are those of users, by path, ``beside`` the others."""

    def __init__(self) -> None:
        self.seen: dict[bytes, tuple[int, bytes]] = {}
        self.beside: list[tuple[int, bytes]] = []
        self.fd = -1

    def add(self, directory: int, name: bytes, path: bytes = b"") -> None:
        """Note one, seen if it has a ``path``. Raises OSError."""
        if self.fd < 0:
            self.fd = os.open(name, READING, dir_fd=directory)
        place = (os.dup(directory), name)
        if path in self.seen:
            os.close(place[0])
        elif path:
            self.seen[path] = place
        else:
            self.beside.append(place)

    def any(self) -> tuple[int, bytes]:
        """One of them."""
        return next(iter(self.seen.values())) if self.seen else self.beside[0]

    def __bool__(self) -> bool:
        return self.fd >= 0

    def close(self) -> None:
        """Close all."""
        for fd in (*(place[0] for place in (*self.seen.values(), *self.beside)), self.fd):
            if fd >= 0:
                os.close(fd)


class Found:
    """Both files; ``leased``: it can be seen whether somebody uses them."""

    def __init__(self, entry: Entry, leased: bool) -> None:
        self.entry = entry
        self.leased = leased
        self.old, self.new = Names(), Names()

    def busy(self, names: Names) -> bool:
        """Whether somebody has it open. Raises OSError."""
        return self.leased and not leases.take(names.fd)

    def written(self, names: Names) -> bool:
        """Whether it is not as the old one was, as far as renames leave that. What is not complete
        was never seen. Raises OSError."""
        found, entry = os.fstat(names.fd), self.entry
        if not names.seen and not found.st_mode & 0o7777 and entry.mode & 0o7777:
            return False
        old = (entry.old.size, entry.old.mtime, entry.mode, entry.uid, entry.gid)
        return looks(found) != old

    def same(self) -> bool:
        """Whether both have the same contents and attributes. Raises OSError."""
        old, new = self.old.fd, self.new.fd
        size = os.fstat(old).st_size
        return (
            os.fstat(new).st_size == size
            and same_contents(old, new, size)
            and same_attributes(old, new)
        )

    def close(self) -> None:
        """Close all."""
        self.old.close()
        self.new.close()


def in_union(ground: Union, entry: Entry) -> Found:
    """Look for the files of an entry in both branches. Raises OSError."""
    found = Found(entry, ground.leased)
    pools = (
        (found.old, ground.sources, ground.source_folder, entry.old.inode),
        (found.new, ground.targets, ground.target_folder, entry.inode),
    )
    for names, directories, folder, inode in pools:
        for path in entry.paths:
            _seen(names, directories, path, inode)
        for name in folder.names():
            if _of(name, entry.temporary) and folder.inode_of(folder.fd, name) == inode:
                names.add(folder.fd, name)
    for names, handle, (dummy, directories, folder, inode) in zip(
        (found.old, found.new), (entry.old_handle, entry.new_handle), pools
    ):
        # Whoever renames or links a file while both branches have it does so to both.
        count = len(names.seen) + len(names.beside)
        if os.fstat(names.fd).st_nlink > count if names else not handles.gone(folder.fd, handle):
            for path in handles.search(directories.root, [inode]).get(inode, []):
                _seen(names, directories, path, inode)
    return found


def _seen(names: Names, directories: DirCache, path: bytes, inode: int) -> None:
    directory, name = split(path)
    with suppress(FileNotFoundError, NotADirectoryError):
        fd = directories.get(directory).fd
        if Folder.inode_of(fd, name) == inode:
            names.add(fd, name, path)


def in_place(ground: Exchange, entry: Entry) -> Found:
    """Look for the files of an entry in their directories. Raises OSError."""
    found = Found(entry, ground.leased)
    old = entry.old.inode
    for path, temporary in zip(entry.paths, temporary_names(entry.temporary, len(entry.paths))):
        directory, name = split(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            fd = ground.directories.get(directory).fd
            there, beside = (Folder.inode_of(fd, at) for at in (name, temporary))
            if there == old:
                found.old.add(fd, name, path)
            if beside == old:
                found.old.add(fd, temporary)
                if there and there != old:
                    found.new.add(fd, name, path)
            elif beside:
                found.new.add(fd, temporary)
    return found


def behind_link(ground: Stub, entry: Entry) -> Found:
    """Look for the files of an entry on both sides of a link: once the link has had the old one's
    place, users have the new one, whatever they have done with the link. Raises OSError."""
    found = Found(entry, ground.leased)
    (path,) = entry.paths
    directory, name = split(path)
    before = False
    with suppress(FileNotFoundError, NotADirectoryError):
        here = ground.sources.get(directory).fd
        if Folder.inode_of(here, name) == entry.old.inode:
            found.old.add(here, name, path)
        if Folder.inode_of(here, link_name(entry.temporary)) == entry.old.inode:
            found.old.add(here, link_name(entry.temporary))
        link = ground.ours(here, link_name(entry.temporary), path)
        before = link or bool(found.old.seen)
    with suppress(FileNotFoundError, NotADirectoryError):
        there = ground.targets.get(directory).fd
        if Folder.inode_of(there, name) == entry.inode:
            found.new.add(there, name, b"" if before else path)
    if Folder.inode_of(ground.folder.fd, entry.temporary) == entry.inode:
        found.new.add(ground.folder.fd, entry.temporary)
    return found


def _of(name: bytes, temporary: bytes) -> bool:
    """Whether a name in a folder is one of this file's, and not one of number 12's if it is 1's."""
    return name == temporary or name.startswith(temporary + b".")
