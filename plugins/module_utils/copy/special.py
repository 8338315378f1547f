# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies what has no contents: symbolic links, fifos, sockets and devices, and further names of a
file that was copied (hard links)."""

from __future__ import annotations

import errno
import os
import stat

from ..core.errors import OperationError
from ..core.paths import join, split, temporary
from ..core.want import Want
from .preserve import preserve_node, settle
from .regular import copy_file
from .replace import free_temporary, look, put, refuse_directory
from .session import Session

_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EXDEV)


def copy_node(session: Session, directory: bytes, name: bytes, want: Want) -> None:
    """Copy a symbolic link, fifo, socket or device, unless it is there already. Raises OSError."""
    session.operation = "open directory"
    from_fd = session.sources.get(directory).fd
    session.operation = "make directory"
    target = session.targets.get(directory, True)
    text = b""
    if stat.S_ISLNK(want.mode):
        session.operation = "read link"
        text = os.readlink(name, dir_fd=from_fd)
    if not target.filled:
        try:
            _make(session, name, want, text, target.fd)
        except FileExistsError:
            target.filled = True
        else:
            preserve_node(session, directory, name, name, want, from_fd, target)
            return
    found = look(session, name, target.fd)
    if found is None:
        _make(session, name, want, text, target.fd)
        preserve_node(session, directory, name, name, want, from_fd, target)
    elif _same_node(name, want, text, found, target.fd):
        settle(session, join(directory, name), name, want, found, from_fd, target.fd)
    else:
        refuse_directory(found)
        new = free_temporary(session, name, target.fd)
        _make(session, new, want, text, target.fd)
        preserve_node(session, directory, name, new, want, from_fd, target)
        put(session, new, name, target.fd)


def _make(session: Session, name: bytes, want: Want, text: bytes, directory: int) -> None:
    session.operation = "create"
    if text:
        os.symlink(text, name, dir_fd=directory)
    else:
        kind = stat.S_IFMT(want.mode)
        os.mknod(name, kind | stat.S_IMODE(want.mode), want.rdev, dir_fd=directory)


def _same_node(name: bytes, want: Want, text: bytes, found: os.stat_result, directory: int) -> bool:
    if stat.S_IFMT(found.st_mode) != stat.S_IFMT(want.mode):
        return False
    if text:
        return bool(os.readlink(name, dir_fd=directory) == text)
    return found.st_rdev == want.rdev


def hard_link(session: Session, directory: bytes, name: bytes, want: Want, leader: bytes) -> None:
    """Make an entry a hard link to ``leader``, which was copied before; a copy of its own where the
    destination has no hard links. Raises OSError."""
    leader_directory, leader_name = split(leader)
    session.operation = "make directory"
    target = session.targets.get(directory, True)
    session.operation = "open directory"
    leader_fd = session.targets.get(leader_directory).fd
    for new in (name, b""):
        new = new or free_temporary(session, name, target.fd)
        session.operation = "link"
        try:
            _link(leader_name, leader_fd, new, target.fd)
        except FileExistsError:
            found = look(session, name, target.fd)
            session.operation = "link"
            lead = os.stat(leader_name, dir_fd=leader_fd, follow_symlinks=False)
            if found is not None and os.path.samestat(found, lead):
                session.tally.skipped += 1
                return
            if found is not None:
                refuse_directory(found)
            continue
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            session.losses.add("links", join(directory, name), os.strerror(error.errno))
            if stat.S_ISREG(want.mode):
                copy_file(session, directory, name, want)
            else:
                copy_node(session, directory, name, want)
            return
        if new != name:
            put(session, new, name, target.fd)
        session.tally.files += 1
        session.tally.changed += 1
        return
    raise OperationError("link", errno.EEXIST)


def _link(leader: bytes, leader_fd: int, name: bytes, directory: int) -> None:
    # A file that came in ranges may not have its name yet: it gets it in the same phase.
    for at in (leader, temporary(leader)):
        try:
            os.link(at, name, src_dir_fd=leader_fd, dst_dir_fd=directory, follow_symlinks=False)
            return
        except FileNotFoundError:
            pass
    os.link(leader, name, src_dir_fd=leader_fd, dst_dir_fd=directory, follow_symlinks=False)
