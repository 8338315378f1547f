# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new entry takes the place of what the destination has: complete, in one step."""

from __future__ import annotations

import errno
import os
import stat

from ..core.errors import OperationError
from ..core.steps import CREATE, RENAME, STAT_DESTINATION
from .session import Session


def look(session: Session, name: bytes, directory: int) -> os.stat_result | None:
    """What the destination has under a name, or None."""
    session.step = STAT_DESTINATION
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def refuse_directory(found: os.stat_result) -> None:
    """Raises OperationError where something else would take a directory's place."""
    if stat.S_ISDIR(found.st_mode):
        raise OperationError(CREATE, errno.EISDIR, "the destination has a directory here")


def put(session: Session, new: bytes, name: bytes, directory: int) -> None:
    """Give what was made as ``new`` its name; if that fails, it is taken away again."""
    session.step = RENAME
    try:
        os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        unlink_quietly(new, directory)
        raise


def unlink_quietly(name: bytes, directory: int) -> None:
    """Take a name away, if that can be done."""
    try:
        os.unlink(name, dir_fd=directory)
    except OSError:
        pass
