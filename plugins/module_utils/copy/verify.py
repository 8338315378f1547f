# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second pass: is what arrived what the source has?"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import Any

from ..core.errnos import cannot_link
from ..core.errors import OperationError
from ..core.paths import join, split
from ..core.steps import READ, VERIFY, WRITE
from ..core.want import Want
from ..fs.refresh import refresh
from .mend import OtherContents
from .replace import unlink_quietly
from .session import Session
from .settle import same_file
from .temporary import temporary

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_BLOCK = 1 << 20
_ZEROS = bytes(_BLOCK)


def check(
    session: Session, directory: bytes, name: bytes, want: Want, leader: bytes | None, digests: bool
) -> None:
    """Compare one entry of the destination with the source: type, size, time, link text and
    hard link, and with ``digests`` the contents, read back and hashed on both sides.

    The session looks at the destination afresh (:meth:`.session.Session.look_afresh`) once for the
    entries that are checked together. Raises OSError for what is missing or differs.
    """
    try:
        _check(session, directory, name, want, leader, digests)
    except OSError:
        # An NFS client may remember how it was before another client changed it.
        _ask_again(session, directory, name)
        _check(session, directory, name, want, leader, digests)


def _ask_again(session: Session, directory: bytes, name: bytes) -> None:
    parts = directory.split(b"/") if directory else []
    for count in range(len(parts) + 1):
        try:
            fd = session.target(b"/".join(parts[:count])).fd
        except OSError:
            return
        refresh(fd)
    if name:
        refresh(fd, name)


def _check(
    session: Session, directory: bytes, name: bytes, want: Want, leader: bytes | None, digests: bool
) -> None:
    if stat.S_ISDIR(want.mode):
        _check_directory(session, join(directory, name) if name else directory, want)
    else:
        target = session.target(directory).fd
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
        if stat.S_IFMT(found.st_mode) != stat.S_IFMT(want.mode):
            raise _differs("is of another type")
        linked = leader is not None and _is_link(session, found, leader)
        if stat.S_ISLNK(want.mode):
            source = session.source(directory)
            if os.readlink(name, dir_fd=source) != os.readlink(name, dir_fd=target):
                raise _differs("is a link to something else")
        elif stat.S_ISREG(want.mode):
            # The contents of a link were read back under its first name.
            _check_file(session, directory, name, want, found, digests and not linked)
        elif found.st_rdev != want.rdev:
            raise _differs("is another device")
    session.tally.skipped += 1


def _check_directory(session: Session, path: bytes, want: Want) -> None:
    target = session.target(path).fd
    found = os.fstat(target)
    if session.metadata.times and not session.metadata.same_time(
        "/proc/self/fd/%d" % target, None, found, want.mtime
    ):
        raise _differs("has another time")


def _is_link(session: Session, found: os.stat_result, leader: bytes) -> bool:
    """Whether an entry is a hard link to its leader; False if the destination can't have it, so
    that it is a copy. Raises OperationError if it could."""
    directory, name = split(leader)
    target = session.target(directory).fd
    lead = os.stat(name, dir_fd=target, follow_symlinks=False)
    if os.path.samestat(found, lead):
        return True
    if _can_link(name, target):
        raise _differs("is not the hard link that it is in the source")
    return False


def _can_link(name: bytes, directory: int) -> bool:
    """Whether a file can have one more name. Where it can, what is checked is wrong, and that its
    directory has another time then hides nothing."""
    new = temporary()
    try:
        os.link(name, new, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if not cannot_link(error.errno or 0):
            raise
        return False
    unlink_quietly(new, directory)
    return True


def _check_file(
    session: Session,
    directory: bytes,
    name: bytes,
    want: Want,
    found: os.stat_result,
    digests: bool,
) -> None:
    source = session.source(directory)
    target = session.target(directory).fd
    if not same_file(session, want, found, name, target):
        # The source may have changed between the scan and the copy, which copied what it found.
        now = os.stat(name, dir_fd=source, follow_symlinks=False)
        if now.st_size != found.st_size or (
            session.metadata.times
            and not session.metadata.same_time(name, target, found, now.st_mtime_ns)
        ):
            raise _differs(
                f"has {found.st_size} bytes, the source {now.st_size}"
                if now.st_size != found.st_size
                else "has another time"
            )
    if digests:
        if digest(name, source) != digest(name, target, True):
            raise OtherContents()
        session.tally.bytes += found.st_size


def digest(name: bytes, directory: int, written: bool = False) -> bytes:
    """A hash of a file's contents, the same however they are stored: holes are not read, and zeros
    count as holes. If this host may have ``written`` it, it is of what is stored. Raises
    OSError."""
    found = _hash()
    fd = os.open(name, _READ, dir_fd=directory)
    try:
        if written:
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
    """Make what is read next come from the disk or the server, and not from what this host has
    written: its memory has that without a fault. Raises OperationError."""
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


def _differs(message: str) -> OperationError:
    return OperationError(VERIFY, errno.EIO, message)
