# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry is in the source."""

from __future__ import annotations

import os
from typing import NamedTuple


class Want(NamedTuple):
    """What an entry is in the source. Times in ns, sizes in bytes."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    atime: int
    rdev: int


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
