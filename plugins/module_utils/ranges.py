# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large file in ranges: made once under another name, filled by many workers, finished once.

Until all of it is there it has no name that could make it look complete.
"""

from __future__ import annotations

import errno
import os
import stat

from .contents import OperationError
from .copyitem import Copier, Want, same_state
from .paths import join, temporary

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


def prepare(copier: Copier, directory: bytes, name: bytes, want: Want) -> None:
    """Make the file, empty and with its final length, unless it is there already."""
    target = copier.targets.get(directory, True).fd
    try:
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        pass
    else:
        if copier.same_file(want, found, name, target):
            return
        if stat.S_ISDIR(found.st_mode):
            raise OperationError("create", errno.EISDIR, "the destination has a directory here")
        # Its other names must not become links to what is no longer the source's.
        os.unlink(name, dir_fd=target)
    discard(copier, directory, name)
    fd = os.open(
        temporary(name), _WRITE | os.O_CREAT | os.O_EXCL, want.mode & 0o700 | 0o200, dir_fd=target
    )
    try:
        os.ftruncate(fd, want.size)
    except OSError as error:
        raise OperationError("truncate", error.errno or 0) from error
    finally:
        os.close(fd)


def discard(copier: Copier, directory: bytes, name: bytes) -> None:
    """Take away the prepared file, if there is one."""
    try:
        os.unlink(temporary(name), dir_fd=copier.targets.get(directory).fd)
    except FileNotFoundError:
        pass


def copy_range(
    copier: Copier, directory: bytes, name: bytes, want: Want, offset: int, length: int
) -> None:
    """Copy ``length`` bytes at ``offset`` into the prepared file."""
    source_fd = copier.sources.get(directory).fd
    target = copier.targets.get(directory).fd
    try:
        fd = os.open(temporary(name), _WRITE, dir_fd=target)
    except OSError as error:
        if error.errno == errno.ENOENT and _complete(copier, name, want, target):
            return
        raise OperationError("open destination", error.errno or 0) from error
    try:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode) or state.st_size != want.size:
            raise OperationError("open destination", errno.ESTALE, "was replaced meanwhile")
        try:
            source = os.open(name, _READ, dir_fd=source_fd)
        except OSError as error:
            raise OperationError("open", error.errno or 0) from error
        try:
            before = _unchanged(source, want)
            count = copier.contents.copy_range(
                source, fd, offset, length, before.st_blocks * 512 < before.st_size,
                (before.st_dev, copier.device),
            )
            if count != length or not same_state(os.fstat(source), before):
                raise OperationError("read", errno.EBUSY, "changed while it was copied")
        finally:
            os.close(source)
    finally:
        os.close(fd)
    copier.tally.bytes += length
    copier.tally.changed += 1


def _complete(copier: Copier, name: bytes, want: Want, target: int) -> bool:
    try:
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return copier.same_file(want, found, name, target)


def finish(copier: Copier, directory: bytes, name: bytes, want: Want) -> None:
    """Give the filled file its metadata and its name; from then on it counts as copied."""
    path = join(directory, name)
    source_fd = copier.sources.get(directory).fd
    target = copier.targets.get(directory)
    try:
        fd = os.open(temporary(name), _WRITE, dir_fd=target.fd)
    except FileNotFoundError:
        found = os.stat(name, dir_fd=target.fd, follow_symlinks=False)
        if not copier.same_file(want, found, name, target.fd):
            raise
        copier.settle(path, name, want, found, source_fd, target.fd)
        return
    try:
        source = os.open(name, _READ, dir_fd=source_fd)
        try:
            copier.dress(path, source, _unchanged(source, want), fd, target, os.fstat(fd))
        finally:
            os.close(source)
    finally:
        os.close(fd)
    os.rename(temporary(name), name, src_dir_fd=target.fd, dst_dir_fd=target.fd)
    copier.tally.files += 1
    copier.tally.changed += 1


def _unchanged(source: int, want: Want) -> os.stat_result:
    state = os.fstat(source)
    if state.st_size != want.size or state.st_mtime_ns != want.mtime:
        raise OperationError("open", errno.EBUSY, "changed since it was planned")
    return state
