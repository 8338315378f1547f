# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is under way, written down before anybody can see it: from this the next run knows what a
killed one was about, and looks itself for what came of it.

A journal is a file in the target pool's folder that its writer holds a lock on while it lives.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from typing import Any, Iterator, NamedTuple

from ..core.paths import check_relative, to_bytes, to_text
from .folder import Folder
from .outcome import Known

SUFFIX = b".journal"
_NEW = b".new"  # until it is locked
_END = '"end"'
_BLOCK = 1 << 16


class Entry(NamedTuple):
    """A file: its names; the old one as it was, its mode and owner; the new one's inode (0 where it
    is not needed), and what it was called before it had its names; the handles of both, "" if there
    are none."""

    paths: tuple[bytes, ...]
    old: Known
    mode: int
    uid: int
    gid: int
    inode: int
    temporary: bytes
    old_handle: str
    new_handle: str

    def to_json(self) -> list[Any]:
        """As JSON holds it."""
        names = [to_text(path) for path in self.paths]
        return [names, *self[1:6], to_text(self.temporary), *self[7:]]

    @classmethod
    def from_json(cls, data: list[Any]) -> Entry:
        """The inverse of :meth:`to_json`. Raises ValueError, TypeError, IngestError."""
        paths, old, mode, uid, gid, inode, temporary, old_handle, new_handle = data
        return cls(
            tuple(check_relative(to_bytes(path)) for path in paths),
            Known(*old),
            int(mode),
            int(uid),
            int(gid),
            int(inode),
            to_bytes(temporary),
            str(old_handle),
            str(new_handle),
        )


class Journal:
    """One that is being written. All that its writer puts into the folder has a name that begins
    with the journal's."""

    def __init__(self, folder: Folder, head: dict[str, Any]) -> None:
        """Begin one; ``head`` says what it is about. Raises OSError."""
        self._folder = folder
        self.mark = os.urandom(12).hex().encode()
        self._count = 0
        self._fd = -1
        while self._fd < 0:
            self._fd = self._begin(self.mark + _NEW)
        os.rename(self.mark + _NEW, self.mark + SUFFIX, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)
        self._head = {**head, "host": socket.gethostname()}

    def _begin(self, name: bytes) -> int:
        """Make the file and lock it; -1 if somebody took it for a dead one's in between."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=self._folder.fd)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return fd
        os.close(fd)
        return -1

    def new_name(self) -> bytes:
        """A name that nothing in the folder has."""
        self._count += 1
        return b"%s.%d" % (self.mark, self._count)

    def write(self, entries: list[Entry]) -> None:
        """Write these, on the disk; once. Raises OSError."""
        lines = [json.dumps(self._head)] + [json.dumps(entry.to_json()) for entry in entries]
        data = memoryview(("\n".join([*lines, _END]) + "\n").encode("ascii"))
        while data:
            data = data[os.write(self._fd, data) :]
        os.fsync(self._fd)

    def close(self, keep: bool = False) -> None:
        """Close it, and remove it unless the next run is to look at it."""
        if not keep:
            self._folder.remove(self.mark + SUFFIX)
        os.close(self._fd)


class Left(NamedTuple):
    """A journal whose writer is gone, and the descriptor of its lock, which this process has."""

    mark: bytes
    fd: int
    head: dict[str, Any]
    entries: list[Entry]


def left(folder: Folder) -> Iterator[Left]:
    """The journals in a folder that nobody is writing. What is cut off in the middle was never
    acted upon. Close each descriptor. Raises OSError."""
    for name in sorted(folder.names()):
        if not name.endswith((SUFFIX, _NEW)):
            continue
        try:
            fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder.fd)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        if os.fstat(fd).st_nlink == 0:  # its writer was done a moment ago
            os.close(fd)
            continue
        if name.endswith(_NEW):
            folder.remove(name)
            os.close(fd)
            continue
        head, entries = _read(fd)
        yield Left(name[: -len(SUFFIX)], fd, head, entries)


def _read(fd: int) -> tuple[dict[str, Any], list[Entry]]:
    blocks = []
    while True:
        block = os.read(fd, _BLOCK)
        if not block:
            break
        blocks.append(block)
    lines = b"".join(blocks).split(b"\n")[:-1]
    if not lines or lines[-1] != _END.encode("ascii"):
        return {}, []
    return json.loads(lines[0]), [Entry.from_json(json.loads(line)) for line in lines[1:-1]]
