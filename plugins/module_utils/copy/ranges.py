# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large file in ranges: made once under another name, filled by many workers, finished once.

Until all of it is there it has no name that could make it look complete, and carries its run's
mark behind its end: two runs that fill the same file would take the other's part for their own.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from ..core.errors import OperationError
from ..core.paths import join, temporary
from ..core.want import Want
from .preserve import preserve_file, settle
from .regular import same_file, same_state
from .replace import refuse_directory, unlink_quietly
from .session import Session

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_WRITE = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


def prepare(session: Session, directory: bytes, name: bytes, want: Want, run: int) -> None:
    """Make the file, without data and with the mark of the run, unless it is there already."""
    target = session.targets.get(directory, True).fd
    try:
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        if same_file(session, want, found, name, target):
            return
        refuse_directory(found)
        # Its other names must not become links to what is no longer the source's.
        os.unlink(name, dir_fd=target)
    with suppress(FileNotFoundError):
        os.unlink(temporary(name), dir_fd=target)
    fd = os.open(
        temporary(name), _WRITE | os.O_CREAT | os.O_EXCL, want.mode & 0o700 | 0o600, dir_fd=target
    )
    try:
        # This gives the file its length: what has no room at all fails here.
        os.pwrite(fd, _mark(run), want.size)
    except OSError as error:
        unlink_quietly(temporary(name), target)
        raise OperationError("write", error.errno or 0) from error
    finally:
        os.close(fd)


def _mark(run: int) -> bytes:
    return b"%016x" % run


def _ours(fd: int, want: Want, run: int) -> bool:
    """Whether an open file is the one that this run has prepared."""
    state, mark = os.fstat(fd), _mark(run)
    return (
        stat.S_ISREG(state.st_mode)
        and state.st_size == want.size + len(mark)
        and os.pread(fd, len(mark), want.size) == mark
    )


def _check(fd: int, want: Want, run: int) -> None:
    if not _ours(fd, want, run):
        raise OperationError("open destination", errno.ESTALE, "another run writes this file")


def discard(session: Session, directory: bytes, name: bytes, want: Want, run: int) -> None:
    """Take away what this run has prepared, if it is there."""
    target = session.targets.get(directory).fd
    with suppress(FileNotFoundError):
        fd = os.open(temporary(name), _READ, dir_fd=target)
        try:
            if _ours(fd, want, run):
                os.unlink(temporary(name), dir_fd=target)
        finally:
            os.close(fd)


def copy_range(
    session: Session, directory: bytes, name: bytes, want: Want, offset: int, length: int, run: int
) -> None:
    """Copy ``length`` bytes at ``offset`` into the prepared file."""
    source_fd = session.sources.get(directory).fd
    target = session.targets.get(directory).fd
    try:
        fd = os.open(temporary(name), _WRITE, dir_fd=target)
    except OSError as error:
        if error.errno == errno.ENOENT and _complete(session, name, want, target):
            return
        raise OperationError("open destination", error.errno or 0) from error
    try:
        _check(fd, want, run)
        try:
            source = os.open(name, _READ, dir_fd=source_fd)
        except OSError as error:
            raise OperationError("open", error.errno or 0) from error
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
                raise OperationError("read", errno.EBUSY, "changed while it was copied")
        finally:
            os.close(source)
    finally:
        os.close(fd)
    session.tally.bytes += length
    session.tally.changed += 1


def _complete(session: Session, name: bytes, want: Want, target: int) -> bool:
    try:
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return same_file(session, want, found, name, target)


def finish(session: Session, directory: bytes, name: bytes, want: Want, run: int) -> None:
    """Give the filled file its length, its metadata and its name; from then on it counts as copied."""
    path = join(directory, name)
    source_fd = session.sources.get(directory).fd
    target = session.targets.get(directory)
    try:
        fd = os.open(temporary(name), _WRITE, dir_fd=target.fd)
    except FileNotFoundError:
        found = os.stat(name, dir_fd=target.fd, follow_symlinks=False)
        if not same_file(session, want, found, name, target.fd):
            raise
        settle(session, path, name, want, found, source_fd, target.fd)
        return
    try:
        # A host that died here has taken the mark away already: all ranges were there.
        if os.fstat(fd).st_size != want.size:
            _check(fd, want, run)
            os.ftruncate(fd, want.size)
        source = os.open(name, _READ, dir_fd=source_fd)
        try:
            preserve_file(session, path, source, _unchanged(source, want), fd, target, os.fstat(fd))
        finally:
            os.close(source)
    finally:
        os.close(fd)
    os.rename(temporary(name), name, src_dir_fd=target.fd, dst_dir_fd=target.fd)
    session.tally.files += 1
    session.tally.changed += 1


def _unchanged(source: int, want: Want) -> os.stat_result:
    state = os.fstat(source)
    if state.st_size != want.size or state.st_mtime_ns != want.mtime:
        raise OperationError("open", errno.EBUSY, "changed since it was planned")
    return state
