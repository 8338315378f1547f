# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file that has left its name still exists: by the handle that a file system gives each
file, which outlives names and processes; and where it is then, by a search."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Iterable

from ..core.paths import split
from ..fs.directories import DirCache
from . import renames
from .folder import NAME

_EMPTY_PATH = 0x1000
_BYTES = 128  # MAX_HANDLE_SZ


class _Handle(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_ubyte * _BYTES))


def of(fd: int) -> str:
    """The handle of an open file, as text; "" where there are none."""
    handle = _Handle(_BYTES)
    mount = ctypes.c_int()
    try:
        call = renames.library().name_to_handle_at
    except AttributeError:
        return ""
    if call(fd, b"", ctypes.byref(handle), ctypes.byref(mount), _EMPTY_PATH) != 0:
        return ""
    return f"{handle.kind}:{bytes(handle.data)[: handle.bytes].hex()}"


def gone(directory: int, handle: str) -> bool:
    """Whether a file of the file system that ``directory`` (no O_PATH) is on exists no more; False
    also if it can't be told."""
    kind, dummy, data = handle.partition(":")
    if not data:
        return False
    raw = bytes.fromhex(data)
    one = _Handle(len(raw), int(kind), (ctypes.c_ubyte * _BYTES)(*raw))
    try:
        fd = renames.library().open_by_handle_at(directory, ctypes.byref(one), os.O_PATH)
    except AttributeError:
        return False
    if fd < 0:
        return ctypes.get_errno() == errno.ESTALE
    try:
        return os.fstat(fd).st_nlink == 0
    finally:
        os.close(fd)


def names_of(fd: int, pool: DirCache, likely: Iterable[bytes]) -> list[bytes]:
    """All names, relative to its pool, of an open file: those that are ``likely``, what the kernel
    says, then what is found in their directories, then anywhere. Raises OSError."""
    found = os.fstat(fd)
    names = _right(found, pool, likely)
    if len(names) < found.st_nlink:
        path = os.readlink(b"/proc/self/fd/%d" % fd)
        if path.startswith(pool.root + b"/"):
            path = path[len(pool.root) + 1 :]
            names += [name for name in _right(found, pool, [path]) if name not in names]
        # What is in the folder counts as no name.
        inside = sum(1 for inode in _folder_inodes(pool.root) if inode == found.st_ino)
        if len(names) + inside < found.st_nlink:
            names = search(pool.root, [found.st_ino]).get(found.st_ino, [])
    return names


def _right(found: os.stat_result, pool: DirCache, paths: Iterable[bytes]) -> list[bytes]:
    """Those of some paths that lead to a file."""
    right = []
    for path in paths:
        directory, name = split(path)
        try:
            there = os.stat(name, dir_fd=pool.get(directory).fd, follow_symlinks=False)
        except OSError:
            continue
        if os.path.samestat(there, found) and split(path)[0] != NAME:
            right.append(path)
    return right


def _folder_inodes(root: bytes) -> Iterable[int]:
    with os.scandir(root + b"/" + NAME) as entries:
        return [entry.inode() for entry in entries]


def search(root: bytes, inodes: Iterable[int]) -> dict[int, list[bytes]]:
    """The paths, relative to a pool, of what has these inode numbers. Reads every directory of the
    pool's own file system: only for what nothing else can find. Raises OSError of the root."""
    wanted = set(inodes)
    found: dict[int, list[bytes]] = {}
    device = os.stat(root).st_dev
    todo = [b""]
    while todo:
        path = todo.pop()
        try:
            with os.scandir(root + b"/" + path if path else root) as entries:
                for entry in entries:
                    below = path + b"/" + entry.name if path else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if below != NAME and entry.stat(follow_symlinks=False).st_dev == device:
                            todo.append(below)
                    elif entry.inode() in wanted:
                        found.setdefault(entry.inode(), []).append(below)
        except OSError:
            if not path:
                raise
    return found
