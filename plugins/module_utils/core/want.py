# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry is in the source."""

from __future__ import annotations

import os
import zlib
from typing import Iterable, NamedTuple


class Want(NamedTuple):
    """What an entry is in the source. Times in ns, sizes in bytes."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    atime: int
    rdev: int


# In place of names_digest(): not all could be listed, or was to be; which has been said.
NOT_LISTED = -1
_TICK = 2 * 10**9  # ns: the coarsest steps in which a file system counts its times


def as_seen(ctime: int, looked: float) -> int:
    """A directory's ctime (ns) when it was looked at (epoch s), to be compared with a later one; 0
    if it is so new that a change right after the look might not show."""
    return ctime if ctime < int(looked * 1e9) - _TICK else 0


def names_digest(entries: Iterable[bytes], directories: Iterable[bytes]) -> int:
    """A number for the sorted names in a directory, never 0: another set has another one."""
    return zlib.crc32(b"/".join(entries) + b"//" + b"/".join(directories)) or 1


def want_of(found: os.stat_result) -> Want:
    """The source's state as its stat shows it."""
    return Want(
        found.st_mode,
        found.st_uid,
        found.st_gid,
        found.st_size,
        found.st_mtime_ns,
        found.st_atime_ns,
        found.st_rdev,
    )
