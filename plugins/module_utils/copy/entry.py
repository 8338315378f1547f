# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies one item at a time from one tree into another, by its type. Its failure is recorded, never
raised."""

from __future__ import annotations

import os
import stat
from typing import Any, Callable

from ..core.paths import join
from ..core.steps import MAKE_DIRECTORY, STAT
from ..core.want import Want, want_of
from .hard_link import hard_link
from .regular import copy_file
from .session import Session
from .special import copy_node


def copy_entry(session: Session, directory: bytes, name: bytes, want: Want) -> None:
    """Copy what the manifest has at ``directory/name``, unless it is there already."""
    try:
        _copy(session, directory, name, want)
    except OSError as error:
        _once_more(session, directory, name, error, _copy, want)


def _copy(session: Session, directory: bytes, name: bytes, want: Want) -> None:
    kind = stat.S_IFMT(want.mode)
    if kind == stat.S_IFREG:
        copy_file(session, directory, name, want)
    elif kind == stat.S_IFDIR:
        session.step = MAKE_DIRECTORY
        session.target(join(directory, name), True)
    else:
        copy_node(session, directory, name, want)


def copy_found(
    session: Session, directory: bytes, name: bytes, regular: bool, hold_links: bool = True
) -> os.stat_result | None:
    """Copy an entry of which only the name is known, and whether it is a regular file.

    Returns the stat of a file with several links instead of copying it, if ``hold_links``.
    """
    if regular:
        try:
            return copy_file(session, directory, name, None, hold_links)
        except OSError as error:
            return _once_more(session, directory, name, error, copy_file, None, hold_links)
    try:
        session.step = STAT
        found = os.stat(name, dir_fd=session.source(directory), follow_symlinks=False)
    except OSError as error:
        session.fail(join(directory, name), error)
        return None
    if hold_links and found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
        return found
    copy_entry(session, directory, name, want_of(found))
    return None


def copy_link(session: Session, directory: bytes, name: bytes, want: Want, leader: bytes) -> None:
    """Make ``directory/name`` a hard link to ``leader``, which was copied before."""
    try:
        hard_link(session, directory, name, want, leader)
    except OSError as error:
        _once_more(session, directory, name, error, hard_link, want, leader)


def _once_more(
    session: Session,
    directory: bytes,
    name: bytes,
    error: OSError,
    act: Callable[..., os.stat_result | None],
    *arguments: Any,
) -> os.stat_result | None:
    """After ``act`` failed: again, if it was its directory's mode and that could be changed."""
    try:
        if isinstance(error, PermissionError) and session.open_up(directory):
            return act(session, directory, name, *arguments)
    except OSError as another:
        error = another
    session.fail(join(directory, name), error)
    return None
