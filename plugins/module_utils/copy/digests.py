# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of files' contents, read back from where they are stored."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import Any

from ..core.errors import OperationError
from ..core.steps import READ, WRITE
from ..fs.refresh import refresh

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_BLOCK = 1 << 20
_ZEROS = bytes(_BLOCK)


def digest(name: bytes, directory: int, stored: bool = False) -> bytes:
    """A hash of a file's contents, the same however they are stored: holes are not read, and zeros
    count as holes. With ``stored`` it is of what the disk or the server has, see
    :func:`read_from_storage`. Raises OSError."""
    found = _hash()
    fd = os.open(name, _READ, dir_fd=directory)
    try:
        if stored:
            read_from_storage(fd)
        state = os.fstat(fd)
        sparse = state.st_blocks * 512 < state.st_size
        at = 0
        while True:
            if sparse:
                at = max(at, _data(fd, at) // _BLOCK * _BLOCK)
            try:
                block = os.pread(fd, _BLOCK, at)
            except OSError as error:
                raise OperationError(READ, error.errno or 0) from error
            if not block:
                break
            if block != _ZEROS[: len(block)]:
                found.update(b"%d:%d:" % (at, len(block)))
                found.update(block)
            at += len(block)
        found.update(b"%d" % os.lseek(fd, 0, os.SEEK_END))
        return bytes(found.digest())
    finally:
        os.close(fd)


def _data(fd: int, at: int) -> int:
    """Where data comes next, or the end."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return os.lseek(fd, 0, os.SEEK_END)
        return at  # a file system that can't tell


def read_from_storage(fd: int) -> None:
    """Make what is read next come from the disk or the server, and not from this host's memory:
    that has what it wrote without a fault, and perhaps what another host has changed since. What
    is mapped or locked in memory stays there. Raises OperationError."""
    refresh(fd)
    try:
        os.fdatasync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EROFS):
            raise OperationError(WRITE, error.errno or 0) from error
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _hash() -> Any:
    """BLAKE2b, or SHA-256 where only that is allowed: Red Hat's Python in FIPS mode refuses the
    first."""
    try:
        return hashlib.blake2b()
    except ValueError:
        return hashlib.sha256()
