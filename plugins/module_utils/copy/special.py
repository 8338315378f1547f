# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies what has no contents: symbolic links, fifos, sockets and devices."""

from __future__ import annotations

import os
import stat

from ..core.changes import DEVICE, TYPE, Kept, by_inode
from ..core.steps import CREATE, READ_LINK
from ..core.want import Want
from .preserve import preserve_node
from .replace import look, put, refuse_directory, unlink_quietly
from .session import Pair, Session
from .settle import settle
from .temporary import temporary
from .trust import alike

_INODE = Kept(mode=False, owner=False, times=False)


def copy_node(session: Session, directory: bytes, name: bytes, want: Want) -> None:
    """Copy a symbolic link, fifo, socket or device, unless it is there already. Raises OSError."""
    pair = session.pair(directory)
    target = pair.target
    text = b""
    if stat.S_ISLNK(want.mode):
        session.step = READ_LINK
        text = os.readlink(name, dir_fd=pair.source)
    found = None
    if not target.filled:
        try:
            _make(session, pair, name, name, want, text)
        except FileExistsError:
            target.filled = True
        else:
            _count(session)
            return
    found = look(session, name, target.fd)
    if found is None:
        _make(session, pair, name, name, want, text)
        _count(session)
        return
    same = same_node(name, want, text, found, target.fd)
    if same and settle(session, pair, name, want, found):
        return
    refuse_directory(found)
    new = temporary()
    _make(session, pair, name, new, want, text)
    if same:
        made = os.stat(new, dir_fd=target.fd, follow_symlinks=False)
        if alike(session, pair, new, name, made, found):  # it could not be made better
            unlink_quietly(new, target.fd)
            session.tally.skipped += 1
            return
    put(session, new, name, target.fd)
    _count(session)


def _make(session: Session, pair: Pair, name: bytes, new: bytes, want: Want, text: bytes) -> None:
    session.step = CREATE
    if text:
        os.symlink(text, new, dir_fd=pair.target.fd)
    else:
        kind = stat.S_IFMT(want.mode)
        os.mknod(new, kind | stat.S_IMODE(want.mode), want.rdev, dir_fd=pair.target.fd)
    preserve_node(session, pair, name, new, want)


def _count(session: Session) -> None:
    session.tally.files += 1
    session.tally.changed += 1


def same_node(name: bytes, want: Want, text: bytes, found: os.stat_result, directory: int) -> bool:
    """Whether ``found``, in the destination's ``directory``, is of the wanted type and device, or a
    link to ``text``."""
    if by_inode(_INODE, want, found) & (TYPE | DEVICE):
        return False
    return not text or os.readlink(name, dir_fd=directory) == text
