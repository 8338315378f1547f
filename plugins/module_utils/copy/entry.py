# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies one item at a time from one tree into another, by its type. Its failure is recorded, never
raised."""

from __future__ import annotations

import os
import stat
from typing import Any, Callable

from ..core.paths import join
from .regular import copy_file
from .session import Copier
from .special import copy_node, hard_link
from .want import Want, want_of


def copy_entry(copier: Copier, directory: bytes, name: bytes, want: Want) -> None:
    """Copy what the manifest has at ``directory/name``, unless it is there already."""
    try:
        _copy(copier, directory, name, want)
    except OSError as error:
        _once_more(copier, directory, name, error, _copy, want)


def _copy(copier: Copier, directory: bytes, name: bytes, want: Want) -> None:
    kind = stat.S_IFMT(want.mode)
    if kind == stat.S_IFREG:
        copy_file(copier, directory, name, want)
    elif kind == stat.S_IFDIR:
        copier.operation = "make directory"
        copier.targets.get(join(directory, name), True)
    else:
        copy_node(copier, directory, name, want)


def copy_found(
    copier: Copier, directory: bytes, name: bytes, regular: bool, hold_links: bool = True
) -> os.stat_result | None:
    """Copy an entry of which only the name is known, and whether it is a regular file.

    Returns the stat of a file with several links instead of copying it, if ``hold_links``.
    """
    if regular:
        try:
            return copy_file(copier, directory, name, None, hold_links)
        except OSError as error:
            return _once_more(copier, directory, name, error, copy_file, None, hold_links)
    try:
        copier.operation = "stat"
        found = os.stat(name, dir_fd=copier.sources.get(directory).fd, follow_symlinks=False)
    except OSError as error:
        copier.fail(join(directory, name), error)
        return None
    if hold_links and found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
        return found
    copy_entry(copier, directory, name, want_of(found))
    return None


def copy_link(copier: Copier, directory: bytes, name: bytes, want: Want, leader: bytes) -> None:
    """Make ``directory/name`` a hard link to ``leader``, which was copied before."""
    try:
        hard_link(copier, directory, name, want, leader)
    except OSError as error:
        _once_more(copier, directory, name, error, hard_link, want, leader)


def _once_more(
    copier: Copier,
    directory: bytes,
    name: bytes,
    error: OSError,
    act: Callable[..., os.stat_result | None],
    *arguments: Any,
) -> os.stat_result | None:
    """After ``act`` failed: again, if it was its directory's mode and that could be changed."""
    try:
        if isinstance(error, PermissionError) and copier.open_up(directory):
            return act(copier, directory, name, *arguments)
    except OSError as another:
        error = another
    copier.fail(join(directory, name), error)
    return None
