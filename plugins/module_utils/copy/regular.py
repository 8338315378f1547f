# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies regular files: the inner loop. What is in the destination already is looked at only where
something was found before."""

from __future__ import annotations

import errno
import os
import stat

from ..core.errors import OperationError
from ..core.paths import join
from ..core.steps import CLOSE, CREATE, FSYNC, OPEN, READ, STAT, STAT_DESTINATION
from ..core.want import Want, want_of
from .preserve import preserve_file
from .replace import look, put, refuse_directory, unlink_quietly
from .session import Pair, Session
from .settle import same_file, settle
from .temporary import temporary

READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 3


def copy_file(
    session: Session, directory: bytes, name: bytes, want: Want | None, hold_links: bool = False
) -> os.stat_result | None:
    """Copy a regular file, unless it is there already; ``want`` None: what the source has now.

    Returns the stat of a file with several links instead of copying it, if ``hold_links``.
    Raises OSError.
    """
    pair = session.pair(directory)
    target = pair.target
    if target.filled:
        found = look(session, name, target.fd)
        if found is not None:
            if want is None:
                session.step = STAT
                seen = os.stat(name, dir_fd=pair.source, follow_symlinks=False)
                if hold_links and seen.st_nlink > 1:
                    return seen
                want = want_of(seen)
            _settle_or_replace(session, pair, name, want, found)
            return None
    session.step = OPEN
    source = os.open(name, READING, dir_fd=pair.source)
    try:
        state = os.fstat(source)
        if not stat.S_ISREG(state.st_mode):
            raise OperationError(OPEN, errno.ESTALE, "is no longer a regular file")
        if hold_links and state.st_nlink > 1:
            return state
        session.step = CREATE
        try:
            fd = os.open(name, _CREATE, state.st_mode & 0o777, dir_fd=target.fd)
        except FileExistsError:
            target.filled = True
        else:
            _fill(session, pair, name, source, state, fd, name)
            return None
    finally:
        os.close(source)
    found = look(session, name, target.fd)
    if found is None:
        raise OperationError(CREATE, errno.EEXIST, "is made and removed by somebody else")
    _settle_or_replace(session, pair, name, want or want_of(state), found)
    return None


def _settle_or_replace(
    session: Session, pair: Pair, name: bytes, want: Want, found: os.stat_result
) -> None:
    same = same_file(session, want, found, name, pair.target.fd)
    if same and settle(session, pair, name, want, found):
        return
    refuse_directory(found)
    session.step = OPEN
    source = os.open(name, READING, dir_fd=pair.source)
    try:
        state = os.fstat(source)
        if not stat.S_ISREG(state.st_mode):
            raise OperationError(OPEN, errno.ESTALE, "is no longer a regular file")
        session.step = CREATE
        new = temporary()
        fd = os.open(new, _CREATE, state.st_mode & 0o777, dir_fd=pair.target.fd)
        _fill(session, pair, name, source, state, fd, new)
    finally:
        os.close(source)


def _fill(
    session: Session,
    pair: Pair,
    name: bytes,
    source: int,
    state: os.stat_result,
    fd: int,
    new: bytes,
) -> None:
    """Fill the file that was made as ``new``, give it its metadata, close it, and give it its name;
    on any failure it is taken away again."""
    target = pair.target
    try:
        state = _copy_contents(session, source, state, fd)
        mode = state.st_mode & 0o777
        found = target.made.get(mode)
        if found is None:
            session.step = STAT_DESTINATION
            found = target.made[mode] = os.fstat(fd)
        preserve_file(session, pair, join(pair.path, name), source, state, fd, found)
        if session.fsync:
            session.step = FSYNC
            os.fsync(fd)
        session.step = CLOSE  # NFS reports here what it could not write
        closing, fd = fd, -1
        os.close(closing)
    except BaseException:
        try:
            if fd >= 0:
                os.close(fd)
        except OSError:
            pass
        unlink_quietly(new, target.fd)
        raise
    if new is not name:
        put(session, new, name, target.fd)
    tally = session.tally
    tally.files += 1
    tally.changed += 1
    tally.bytes += state.st_size


def _copy_contents(session: Session, source: int, state: os.stat_result, fd: int) -> os.stat_result:
    """Copy until the source has stood still meanwhile; returns its state."""
    for dummy in range(_TRIES):
        count = session.contents.copy(
            source, fd, state.st_size, state.st_blocks, (state.st_dev, session.device)
        )
        session.step = STAT
        now = os.fstat(source)
        if same_state(now, state):
            if count == state.st_size:
                return state
            raise OperationError(READ, errno.EIO, f"ended after {count} of {state.st_size} bytes")
        state = now
        os.lseek(source, 0, os.SEEK_SET)
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
    raise OperationError(READ, errno.EBUSY, "changed while it was copied")


def same_state(now: os.stat_result, before: os.stat_result) -> bool:
    """Whether a file stood still between two stats."""
    return (
        now.st_mtime_ns == before.st_mtime_ns
        and now.st_size == before.st_size
        and now.st_ctime_ns == before.st_ctime_ns
    )
