# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives entries that were made now the source's metadata: owner, attributes, mode, times, in this
order, as each may change what comes after it."""

from __future__ import annotations

import errno
import os
import stat

from ..core.errors import OperationError
from ..core.paths import join
from ..core.steps import (
    MAKE_DIRECTORY,
    SET_ATTRIBUTES,
    SET_MODE,
    SET_OWNER,
    SET_TIMES,
    STAT_DESTINATION,
)
from ..core.want import Want
from ..fs.directories import OpenDirectory
from ..fs.refresh import refresh
from .replace import unlink_quietly
from .session import Pair, Session
from .sweep import sweep


def preserve_file(
    session: Session,
    pair: Pair,
    path: bytes,
    source: int,
    state: os.stat_result,
    fd: int,
    found: os.stat_result,
) -> None:
    """Give a written file, whose owner and mode are as in ``found``, everything but its
    contents; the times last."""
    metadata = session.metadata
    session.step = SET_OWNER
    dummy, owned = metadata.own(path, found, state.st_uid, state.st_gid, fd)
    if metadata.attributes:
        session.step = SET_ATTRIBUTES
        if _inherits(session, pair.target):
            metadata.drop_inherited(fd)
        metadata.copy_attributes(path, source, fd, state.st_dev)
    if metadata.mode:
        session.step = SET_MODE
        bits = metadata.final_mode(path, state.st_mode, owned)
        if bits != stat.S_IMODE(found.st_mode):
            metadata.set_mode(path, fd, bits)
    if metadata.times:
        session.step = SET_TIMES
        metadata.set_times(path, state.st_atime_ns, state.st_mtime_ns, fd)


def preserve_node(session: Session, pair: Pair, name: bytes, made: bytes, want: Want) -> None:
    """Give a link, fifo, socket or device, just made as ``made``, its metadata. If that fails, it
    is taken away again."""
    metadata = session.metadata
    path = join(pair.path, name)
    target = pair.target
    held = -1
    try:
        session.step = SET_OWNER
        found = os.stat(made, dir_fd=target.fd, follow_symlinks=False)
        where: int | str | bytes = made
        parent: int | None = target.fd
        link = stat.S_ISLNK(want.mode)
        if not link:  # others may put a file of theirs in its place meanwhile
            held = hold(made, target.fd, found)
            where, parent = "/proc/self/fd/%d" % held, None
        given, owned = metadata.own(path, found, want.uid, want.gid, where, parent)
        if metadata.attributes:
            session.step = SET_ATTRIBUTES
            place = b"/proc/self/fd/%d/%s" % (target.fd, made) if link else where
            if not link and _inherits(session, target):
                metadata.drop_inherited(place)
            metadata.copy_attributes(path, b"/proc/self/fd/%d/%s" % (pair.source, name), place, -1)
        if metadata.mode and not link:
            bits = metadata.final_mode(path, want.mode, owned)
            session.step = SET_MODE
            # A new owner takes the set-id bits away.
            if given or bits != stat.S_IMODE(found.st_mode) or _inherits(session, target):
                metadata.set_mode(path, where, bits)
        if metadata.times:
            session.step = SET_TIMES
            metadata.set_times(path, want.atime, want.mtime, where, parent)
    except OSError:
        unlink_quietly(made, target.fd)
        raise
    finally:
        if held >= 0:
            os.close(held)


def hold(name: bytes, directory: int, found: os.stat_result) -> int:
    """A descriptor (O_PATH) of exactly the entry that was ``found``. Raises OSError."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    now = os.fstat(fd)
    if (now.st_ino, now.st_dev) == (found.st_ino, found.st_dev):
        return fd
    os.close(fd)
    raise OperationError(STAT_DESTINATION, errno.ESTALE, "is replaced by somebody else")


def preserve_directory(session: Session, path: bytes, want: Want) -> None:
    """Give a directory its metadata (made first if it is missing). Children come before, and
    nothing is made in it afterwards."""
    try:
        try:
            _preserve_directory(session, path, want)
        except PermissionError:
            if not session.open_up(path):
                raise
            _preserve_directory(session, path, want)
    except OSError as error:
        session.fail(path, error)


def _preserve_directory(session: Session, path: bytes, want: Want) -> None:
    metadata = session.metadata
    session.step = MAKE_DIRECTORY
    target = session.target(path, True)
    refresh(target.fd)  # other clients made entries in it
    found = os.fstat(target.fd)
    exact = "/proc/self/fd/%d" % target.fd
    on_time = found.st_mtime_ns == want.mtime or (
        metadata.times and metadata.same_time(exact, None, found, want.mtime)
    )
    if not on_time:
        sweep(session, path)
    session.step = SET_OWNER
    changed, owned = metadata.own(path, found, want.uid, want.gid, exact)
    if metadata.attributes:
        session.step = SET_ATTRIBUTES
        source = "/proc/self/fd/%d" % session.source(path)
        changes = metadata.attribute_changes(source, exact)
        changed |= metadata.change_attributes(path, exact, changes)
    bits = metadata.final_mode(path, want.mode, owned)
    if metadata.mode and (changed or bits != stat.S_IMODE(found.st_mode)):
        session.step = SET_MODE
        metadata.set_mode(path, exact, bits)
        changed = True
    if metadata.times:
        if on_time:
            metadata.lost_times(path, want.mtime, found.st_mtime_ns)
        else:
            session.step = SET_TIMES
            metadata.set_times(path, want.atime, want.mtime, exact)
            changed = True
    session.tally.directories += changed
    session.tally.changed += changed


def _inherits(session: Session, target: OpenDirectory) -> bool:
    if target.inherits is None:
        target.inherits = session.metadata.has_default_acl(target.fd)
    return target.inherits
