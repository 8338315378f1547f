# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives entries the source's metadata: owner, attributes, mode, times, in this order, as each may
change what comes after it."""

from __future__ import annotations

import os
import stat

from ..core.paths import join
from ..core.want import Want
from ..fs.directories import OpenDirectory
from ..fs.refresh import refresh
from .replace import unlink_quietly
from .session import Session


def preserve_file(
    session: Session,
    path: bytes,
    source: int,
    state: os.stat_result,
    fd: int,
    target: OpenDirectory,
    found: os.stat_result,
) -> None:
    """Give a written file, whose owner and mode are as in ``found``, everything but its
    contents; the times last."""
    metadata = session.metadata
    session.operation = "set owner"
    dummy, owned = metadata.own(path, found, state.st_uid, state.st_gid, fd)
    if metadata.attributes:
        session.operation = "set attributes"
        if _inherits(session, target):
            metadata.drop_inherited(fd)
        metadata.copy_attributes(path, source, fd, state.st_dev)
    if metadata.mode:
        session.operation = "set mode"
        bits = metadata.final_mode(path, state.st_mode, owned)
        if bits != stat.S_IMODE(found.st_mode):
            os.fchmod(fd, bits)
    if metadata.times:
        session.operation = "set times"
        metadata.set_times(path, state.st_atime_ns, state.st_mtime_ns, fd)


def preserve_node(
    session: Session,
    directory: bytes,
    name: bytes,
    made: bytes,
    want: Want,
    from_fd: int,
    target: OpenDirectory,
) -> None:
    """Give a link, fifo, socket or device, just made as ``made``, its metadata, and count it. If
    that fails, it is taken away again."""
    metadata = session.metadata
    path = join(directory, name)
    try:
        session.operation = "set owner"
        found = os.stat(made, dir_fd=target.fd, follow_symlinks=False)
        given, owned = metadata.own(path, found, want.uid, want.gid, made, target.fd)
        if metadata.attributes:
            session.operation = "set attributes"
            where = b"/proc/self/fd/%d/%s" % (target.fd, made)
            if not stat.S_ISLNK(want.mode) and _inherits(session, target):
                metadata.drop_inherited(where)
            metadata.copy_attributes(path, b"/proc/self/fd/%d/%s" % (from_fd, name), where, -1)
        if metadata.mode and not stat.S_ISLNK(want.mode):
            bits = metadata.final_mode(path, want.mode, owned)
            session.operation = "set mode"
            # A new owner takes the set-id bits away.
            if given or bits != stat.S_IMODE(found.st_mode) or _inherits(session, target):
                _chmod_exactly(made, target.fd, bits)
        if metadata.times:
            session.operation = "set times"
            metadata.set_times(path, want.atime, want.mtime, made, target.fd)
    except OSError:
        unlink_quietly(made, target.fd)
        raise
    session.tally.files += 1
    session.tally.changed += 1


def settle(
    session: Session,
    path: bytes,
    name: bytes,
    want: Want,
    found: os.stat_result,
    from_fd: int,
    to_fd: int,
) -> None:
    """The contents are right: correct what else differs, and count the entry as skipped."""
    metadata = session.metadata
    session.operation = "set owner"
    changed, owned = metadata.own(path, found, want.uid, want.gid, name, to_fd)
    link = stat.S_ISLNK(found.st_mode)
    if metadata.attributes:
        session.operation = "set attributes"
        changed |= metadata.sync_attributes(
            path,
            b"/proc/self/fd/%d/%s" % (from_fd, name),
            b"/proc/self/fd/%d/%s" % (to_fd, name),
            -1,
        )
    if metadata.mode and not link:
        bits = metadata.final_mode(path, want.mode, owned)
        # A new owner or ACL may have changed the bits that were found.
        if changed or bits != stat.S_IMODE(found.st_mode):
            session.operation = "set mode"
            changed |= _chmod_exactly(name, to_fd, bits)
    if metadata.times and found.st_mtime_ns != want.mtime:
        if metadata.same_time(name, to_fd, found, want.mtime):
            metadata.lost_times(path, want.mtime, found.st_mtime_ns)
        else:  # a regular file with another time would not be settled, but copied
            session.operation = "set times"
            metadata.set_times(path, want.atime, want.mtime, name, to_fd)
            if link and not _took_time(name, to_fd, want):
                metadata.lost_times(
                    path, want.mtime, found.st_mtime_ns, "the destination keeps no times of links"
                )
            else:
                changed = True
    session.tally.skipped += 1
    session.tally.changed += changed


def preserve_directory(session: Session, path: bytes, want: Want) -> None:
    """Give a directory its metadata (made first if it is missing). Children come before."""
    try:
        _preserve_directory(session, path, want)
    except OSError as error:
        session.fail(path, error)


def _preserve_directory(session: Session, path: bytes, want: Want) -> None:
    metadata = session.metadata
    session.operation = "make directory"
    target = session.targets.get(path, True)
    refresh(target.fd)  # other clients made entries in it
    found = os.fstat(target.fd)
    exact = "/proc/self/fd/%d" % target.fd
    session.operation = "set owner"
    changed, owned = metadata.own(path, found, want.uid, want.gid, exact)
    if metadata.attributes:
        session.operation = "set attributes"
        changed |= metadata.sync_attributes(
            path, "/proc/self/fd/%d/." % session.sources.get(path).fd, exact + "/.", -1
        )
    bits = metadata.final_mode(path, want.mode, owned)
    if metadata.mode and (changed or bits != stat.S_IMODE(found.st_mode)):
        session.operation = "set mode"
        os.chmod(exact, bits)
        changed = True
    if metadata.times and found.st_mtime_ns != want.mtime:
        if metadata.same_time(exact, None, found, want.mtime):
            metadata.lost_times(path, want.mtime, found.st_mtime_ns)
        else:
            session.operation = "set times"
            metadata.set_times(path, want.atime, want.mtime, exact)
            changed = True
    session.tally.directories += changed
    session.tally.changed += changed


def _inherits(session: Session, target: OpenDirectory) -> bool:
    if target.inherits is None:
        target.inherits = session.metadata.has_default_acl(target.fd)
    return target.inherits


def _took_time(name: bytes, directory: int, want: Want) -> bool:
    refresh(directory, name)
    now = os.stat(name, dir_fd=directory, follow_symlinks=False)
    return abs(now.st_mtime_ns - want.mtime) < 2_000_000_000


def _chmod_exactly(name: bytes, directory: int, bits: int) -> bool:
    """chmod that can't be led through a link. Returns whether it changed anything."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        found = os.fstat(fd)
        if stat.S_ISLNK(found.st_mode) or stat.S_IMODE(found.st_mode) == bits:
            return False
        os.chmod("/proc/self/fd/%d" % fd, bits)
        return True
    finally:
        os.close(fd)
