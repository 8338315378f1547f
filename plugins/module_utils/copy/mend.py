# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the second pass does with what it found wrong, so that it does not stay so.

A file with the right size and the right time looks complete to every later run, whatever its
contents are. So a file that turned out to differ gets a time that is wrong for sure: wherever the
next run comes from and however it copies, it takes the file for an old one.
"""

from __future__ import annotations

import errno
import os
import stat

from ..core.changes import mark_for
from ..core.errors import OperationError
from ..core.steps import VERIFY
from ..core.want import Want
from .session import Session


class OtherContents(OperationError):
    """A file whose contents are not the source's, though size and time are."""

    def __init__(self, message: str = "has other contents") -> None:
        super().__init__(VERIFY, errno.EIO, message)


def can_be_mended(error: OSError) -> bool:
    """Whether a check failed because of how the destination is: something differs or is missing."""
    differs = getattr(error, "operation", "") == VERIFY and error.errno == errno.EIO
    return differs or error.errno == errno.ENOENT


def mark(session: Session, directory: bytes, name: bytes, want: Want) -> OtherContents:
    """Give a file of the destination a time that is not the source's: 1970, or a time near it.

    Returns its failure. Raises OSError if it can't be marked.
    """
    target = session.targets.get(directory).fd
    found = os.stat(name, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        raise OtherContents()
    try:
        os.utime(
            name, ns=(found.st_atime_ns, mark_for(want.mtime)), dir_fd=target, follow_symlinks=False
        )
    except OSError as error:
        raise OtherContents(
            "has other contents, and could not be marked for the next run to copy it again: "
            f"{error.strerror}"
        ) from error
    return OtherContents("has other contents, and was marked so that the next run copies it again")
