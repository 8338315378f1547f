# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies regular files: the inner loop. What is in the destination already is looked at only where
something was found before."""

from __future__ import annotations

import errno
import os
import stat

from ..core.errors import OperationError
from ..core.paths import join, temporary
from ..core.want import Want, want_of
from ..fs.directories import OpenDirectory
from .contents import SMALL
from .preserve import preserve_file, settle
from .replace import free_temporary, look, put, refuse_directory, unlink_quietly
from .session import Session

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 3


def copy_file(
    session: Session, directory: bytes, name: bytes, want: Want | None, hold_links: bool = False
) -> os.stat_result | None:
    """Copy a regular file, unless it is there already; ``want`` None: what the source has now.

    Returns the stat of a file with several links instead of copying it, if ``hold_links``.
    Raises OSError.
    """
    session.operation = "open directory"
    from_fd = session.sources.get(directory).fd
    session.operation = "make directory"
    target = session.targets.get(directory, True)
    if target.filled:
        found = look(session, name, target.fd)
        if found is not None:
            if want is None:
                session.operation = "stat"
                seen = os.stat(name, dir_fd=from_fd, follow_symlinks=False)
                if hold_links and seen.st_nlink > 1:
                    return seen
                want = want_of(seen)
            _settle_or_replace(session, directory, name, want, found, from_fd, target)
            return None
    session.operation = "open"
    source = os.open(name, _READ, dir_fd=from_fd)
    try:
        state = os.fstat(source)
        if not stat.S_ISREG(state.st_mode):
            raise OperationError("open", errno.ESTALE, "is no longer a regular file")
        if hold_links and state.st_nlink > 1:
            return state
        session.operation = "create"
        try:
            fd = os.open(name, _CREATE, state.st_mode & 0o777, dir_fd=target.fd)
        except FileExistsError:
            target.filled = True
        else:
            _fill(session, join(directory, name), source, state, fd, name, target)
            if state.st_size > SMALL and not target.created:
                # A killed run that cut it into ranges may have left its part.
                unlink_quietly(temporary(name), target.fd)
            return None
    finally:
        os.close(source)
    found = look(session, name, target.fd)
    if found is None:
        raise OperationError("create", errno.EEXIST, "is made and removed by somebody else")
    _settle_or_replace(session, directory, name, want or want_of(state), found, from_fd, target)
    return None


def _settle_or_replace(
    session: Session,
    directory: bytes,
    name: bytes,
    want: Want,
    found: os.stat_result,
    from_fd: int,
    target: OpenDirectory,
) -> None:
    path = join(directory, name)
    if same_file(session, want, found, name, target.fd):
        settle(session, path, name, want, found, from_fd, target.fd)
        return
    refuse_directory(found)
    new = free_temporary(session, name, target.fd)
    session.operation = "open"
    source = os.open(name, _READ, dir_fd=from_fd)
    try:
        state = os.fstat(source)
        if not stat.S_ISREG(state.st_mode):
            raise OperationError("open", errno.ESTALE, "is no longer a regular file")
        session.operation = "create"
        fd = os.open(new, _CREATE, state.st_mode & 0o777, dir_fd=target.fd)
        _fill(session, path, source, state, fd, new, target)
    finally:
        os.close(source)
    put(session, new, name, target.fd)


def same_file(
    session: Session, want: Want, found: os.stat_result, name: bytes, directory: int
) -> bool:
    """Whether an entry of the destination holds what is wanted, by type, size and time."""
    if not stat.S_ISREG(found.st_mode) or found.st_size != want.size:
        return False
    if not session.metadata.times:
        return found.st_mtime_ns >= want.mtime
    return session.metadata.same_time(name, directory, found, want.mtime)


def _fill(
    session: Session,
    path: bytes,
    source: int,
    state: os.stat_result,
    fd: int,
    name: bytes,
    target: OpenDirectory,
) -> None:
    """Fill the new file ``name``, give it its metadata and close it; on any failure it is taken
    away again."""
    try:
        state = _copy_contents(session, source, state, fd)
        mode = state.st_mode & 0o777
        found = target.made.get(mode)
        if found is None:
            session.operation = "stat destination"
            found = target.made[mode] = os.fstat(fd)
        preserve_file(session, path, source, state, fd, target, found)
        if session.fsync:
            session.operation = "fsync"
            os.fsync(fd)
        session.operation = "close"  # NFS reports here what it could not write
        closing, fd = fd, -1
        os.close(closing)
    except BaseException:
        try:
            if fd >= 0:
                os.close(fd)
        except OSError:
            pass
        unlink_quietly(name, target.fd)
        raise
    session.tally.files += 1
    session.tally.changed += 1
    session.tally.bytes += state.st_size


def _copy_contents(session: Session, source: int, state: os.stat_result, fd: int) -> os.stat_result:
    """Copy until the source has stood still meanwhile; returns its state."""
    for dummy in range(_TRIES):
        count = session.contents.copy(
            source, fd, state.st_size, state.st_blocks, (state.st_dev, session.device)
        )
        session.operation = "stat"
        now = os.fstat(source)
        if same_state(now, state):
            if count == state.st_size:
                return state
            raise OperationError(
                "read", errno.EIO, "ended after %d of %d bytes" % (count, state.st_size)
            )
        state = now
        os.lseek(source, 0, os.SEEK_SET)
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
    raise OperationError("read", errno.EBUSY, "changed while it was copied")


def same_state(now: os.stat_result, before: os.stat_result) -> bool:
    """Whether a file stood still between two stats."""
    return (
        now.st_mtime_ns == before.st_mtime_ns
        and now.st_size == before.st_size
        and now.st_ctime_ns == before.st_ctime_ns
    )
