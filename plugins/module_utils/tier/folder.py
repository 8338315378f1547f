# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder at the top of a pool in which files wait: what is not complete yet, what is not needed
any more in a moment, and the journals. Nobody but this program's user may look into it."""

from __future__ import annotations

import fcntl
import os
import stat

from ..core.errors import IngestError
from ..core.paths import display
from . import renames

NAME = b".ingest-tier"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """An open folder of a pool."""

    def __init__(self, root: bytes) -> None:
        """Open it, made if it is missing.

        Raises:
            IngestError: it can't be had, or is not this user's alone.
        """
        self.path = root + b"/" + NAME
        try:
            try:
                os.mkdir(self.path, 0o700)
            except FileExistsError:
                pass
            self.fd = os.open(self.path, _DIRECTORY)
        except OSError as error:
            raise IngestError(
                f"{display(self.path)} can't be used: {error.strerror or error}"
            ) from error
        found = os.fstat(self.fd)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            os.close(self.fd)
            raise IngestError(
                f"{display(self.path)} belongs to another user, or others may use it: remove it "
                "after a look"
            )

    def take(self, directory: int, name: bytes, inode: int, new: bytes) -> bool:
        """Fetch exactly the file ``inode`` out of a directory, as ``new``; False if something else,
        or nothing, has that name. Raises OSError."""
        return self.inode_of(directory, name) == inode and self.fetch(directory, name, inode, new)

    def fetch(self, directory: int, name: bytes, inode: int, new: bytes) -> bool:
        """The same where the name has just been looked at."""
        try:
            renames.move(directory, name, self.fd, new)
        except FileNotFoundError:
            return False
        if self.inode_of(self.fd, new) == inode:
            return True
        renames.move(self.fd, new, directory, name)  # somebody has just replaced it
        return False

    @staticmethod
    def inode_of(directory: int, name: bytes) -> int:
        """The inode of a name, 0 if there is none. Raises OSError."""
        try:
            return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino
        except FileNotFoundError:
            return 0

    def names(self) -> list[bytes]:
        """What is in it. Raises OSError."""
        return os.listdir(b"/proc/self/fd/%d" % self.fd)

    def remove(self, name: bytes) -> None:
        """Remove a file of the folder. Raises OSError, but not if there is none."""
        try:
            os.unlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            pass

    def lock(self) -> int:
        """The descriptor of the folder's lock, taken, for whoever changes what users see: close it
        to give it back. Raises OSError, BlockingIOError where somebody has it."""
        fd = os.open(b"lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=self.fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return fd

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)
