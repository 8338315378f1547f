# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large file in ranges: made once under another name, filled by many workers, finished once.

Until all of it is there it has no name that could make it look complete, and what the destination
had before stays. Behind its end it carries its run's mark, which nobody else can read: whoever may
write in the directory could put another file in its place.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from ..core.errors import OperationError
from ..core.paths import join
from ..core.steps import (
    CREATE,
    FINISH,
    OPEN,
    OPEN_DESTINATION,
    READ,
    REMOVE_TEMPORARY,
    RENAME,
    WRITE,
)
from ..core.want import Want
from .preserve import preserve_file
from .regular import READING, same_state
from .replace import look, refuse_directory, unlink_quietly
from .session import Session
from .settle import same_file, settle, stays
from .sweep import sweep
from .temporary import mark_of, temporary_of

_WRITE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


def prepare(session: Session, directory: bytes, name: bytes, want: Want, run: int) -> None:
    """Make the file, without data and with the mark of the run, unless it is there already."""
    pair = session.pair(directory)
    target = pair.target.fd
    found = look(session, name, target)
    if found is not None:
        if same_file(session, want, found, name, target) and stays(
            session, pair, name, want, found
        ):
            return
        refuse_directory(found)
    sweep(session, directory, run)
    session.step = CREATE
    new = temporary_of(name, run)
    mode = want.mode & 0o700 | 0o600
    try:
        fd = os.open(new, _WRITE | os.O_CREAT | os.O_EXCL, mode, dir_fd=target)
    except FileExistsError:  # the host that made it died before it could say so
        os.unlink(new, dir_fd=target)
        fd = os.open(new, _WRITE | os.O_CREAT | os.O_EXCL, mode, dir_fd=target)
    try:
        # This gives the file its length: what has no room at all fails here.
        os.pwrite(fd, mark_of(run), want.size)
    except OSError as error:
        unlink_quietly(new, target)
        raise OperationError(WRITE, error.errno or 0) from error
    finally:
        os.close(fd)


def _ours(fd: int, want: Want, run: int) -> bool:
    """Whether an open file is the one that this run has prepared."""
    state, mark = os.fstat(fd), mark_of(run)
    return (
        stat.S_ISREG(state.st_mode)
        and state.st_size == want.size + len(mark)
        and os.pread(fd, len(mark), want.size) == mark
    )


def _check(fd: int, want: Want, run: int) -> None:
    if not _ours(fd, want, run):
        raise OperationError(
            OPEN_DESTINATION, errno.ESTALE, "what was prepared for it is not there any more"
        )


def discard(session: Session, directory: bytes, name: bytes, want: Want, run: int) -> None:
    """Take away what this run has prepared, if it is there."""
    session.step = REMOVE_TEMPORARY
    with suppress(FileNotFoundError):
        os.unlink(temporary_of(name, run), dir_fd=session.target(directory).fd)


def copy_range(
    session: Session, directory: bytes, name: bytes, want: Want, offset: int, length: int, run: int
) -> None:
    """Copy ``length`` bytes at ``offset`` into the prepared file."""
    source_directory = session.source(directory)
    target = session.target(directory).fd
    try:
        fd = os.open(temporary_of(name, run), _WRITE, dir_fd=target)
    except OSError as error:
        if error.errno == errno.ENOENT:
            found = look(session, name, target)
            if found is not None and same_file(session, want, found, name, target):
                return
        raise OperationError(OPEN_DESTINATION, error.errno or 0) from error
    try:
        _check(fd, want, run)
        session.step = OPEN
        source = os.open(name, READING, dir_fd=source_directory)
        try:
            before = _unchanged(source, want)
            count = session.contents.copy_range(
                source,
                fd,
                offset,
                length,
                before.st_blocks * 512 < before.st_size,
                (before.st_dev, session.device),
            )
            if count != length or not same_state(os.fstat(source), before):
                raise OperationError(READ, errno.EBUSY, "changed while it was copied")
        finally:
            os.close(source)
    finally:
        os.close(fd)
    session.tally.bytes += length
    session.tally.changed += 1


def finish(session: Session, directory: bytes, name: bytes, want: Want, run: int) -> None:
    """Give the filled file its length, its metadata and its name, in the place of what had it; from
    then on it counts as copied."""
    pair = session.pair(directory)
    target = pair.target.fd
    new = temporary_of(name, run)
    try:
        session.step = FINISH
        fd = os.open(new, _WRITE, dir_fd=target)
    except FileNotFoundError:
        found = look(session, name, target)
        if found is None or not same_file(session, want, found, name, target):
            raise
        if not settle(session, pair, name, want, found):
            raise OperationError(FINISH, errno.ESTALE, "is replaced by somebody else") from None
        return
    try:
        state = os.fstat(fd)
        if state.st_size != want.size:
            _check(fd, want, run)
            os.ftruncate(fd, want.size)
        elif not _made_by_root(session, state, want):
            # A host that died here has taken the mark away already: all ranges were there.
            _check(fd, want, run)
        session.step = OPEN
        source = os.open(name, READING, dir_fd=pair.source)
        try:
            before = _unchanged(source, want)
            preserve_file(session, pair, join(directory, name), source, before, fd, os.fstat(fd))
        finally:
            os.close(source)
        if session.fsync:
            os.fsync(fd)
    finally:
        os.close(fd)
    session.step = RENAME
    os.rename(new, name, src_dir_fd=target, dst_dir_fd=target)
    session.tally.files += 1
    session.tally.changed += 1


def _made_by_root(session: Session, state: os.stat_result, want: Want) -> bool:
    """Whether nobody else can have made a file of this owner, as far as it can be told."""
    return state.st_nlink == 1 and (
        not session.metadata.root or state.st_uid in (0, want.uid) or bool(session.squashes_root)
    )


def _unchanged(source: int, want: Want) -> os.stat_result:
    state = os.fstat(source)
    if state.st_size != want.size or state.st_mtime_ns != want.mtime:
        raise OperationError(OPEN, errno.EBUSY, "changed since it was planned")
    return state
