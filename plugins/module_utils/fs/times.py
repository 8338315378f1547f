# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file system makes of a time: its steps, and what it does beyond its range.

Linux since 5.4 gives a time out of range the nearest that the file system holds; older kernels, and
servers, may keep some of its bits only. 32 bits of seconds end in 2038 with a sign (ext4 with
inodes of 128 bytes, XFS without bigtime), in 2106 without (NFS version 3).
"""

from __future__ import annotations

import os
import threading
from typing import Union

Where = Union[int, str, bytes]
SECOND = 1_000_000_000  # ns
# Steps (ns) in which file systems keep times: NTFS, then NFS servers, HFS+ and ext3, FAT.
GRAINS = (100, 1_000, 1_000_000, 10_000_000, SECOND, 2 * SECOND)
ODD = 1_111_111_111_111_111_111  # ns: an odd second with a full fraction
# The first and last seconds that are known: without a sign, with one; with one, without,
# ext4 with large inodes, XFS with bigtime.
EARLIEST = (0, -(1 << 31))
LATEST = ((1 << 31) - 1, (1 << 32) - 1, (1 << 34) - (1 << 31) - 1, 16_299_260_424)


def held_everywhere(time: int) -> bool:
    """Whether every file system holds a time (ns) but for its fraction: from 1970 until 2038."""
    return SECOND <= time < LATEST[0] * SECOND


def same_step(wanted: int, kept: int, grain: int) -> bool:
    """Whether a time (ns) became another where times are kept in steps of ``grain`` (ns)."""
    return grain > 1 and wanted // grain == kept // grain and abs(wanted - kept) < 2 * SECOND


def images(time: int) -> set[int]:
    """The seconds that known file systems make of a time (ns) that they don't hold."""
    second = time // SECOND
    found = {second % (1 << 32), (second + (1 << 31)) % (1 << 32) - (1 << 31)}
    found.update(limit for limit in EARLIEST if second <= limit)
    found.update(limit for limit in LATEST if second >= limit)
    return found


def grain_of(kept: int) -> int:
    """The step (ns) of times where ``ODD`` is kept as ``kept``; 1 if it can't be told."""
    for grain in (1,) + GRAINS:
        if ODD // grain * grain == kept:
            return grain
    return 1


def set_times(where: Where, parent: int | None, times: tuple[int, int]) -> None:
    """Set (atime, mtime) in ns of a descriptor or path, or of a name in ``parent`` (never
    followed)."""
    if parent is None:
        os.utime(where, ns=times)
    else:
        os.utime(where, ns=times, dir_fd=parent, follow_symlinks=False)


def look(where: Where, parent: int | None) -> os.stat_result:
    """The stat of what :func:`set_times` sets."""
    return (
        os.stat(where) if parent is None else os.stat(where, dir_fd=parent, follow_symlinks=False)
    )


class Beyond:
    """Tells what times out of range became, by trying. For one thread."""

    def __init__(self) -> None:
        self._limits: dict[tuple[int, bool], int] = {}

    def same(
        self, where: Where, parent: int | None, found: os.stat_result, wanted: int, probing: bool
    ) -> bool:
        """Whether the mtime that an entry has is what the destination makes of ``wanted`` (ns).

        Without ``probing``, what any known file system makes of it is believed.
        """
        second = found.st_mtime_ns // SECOND
        if probing:
            side = (found.st_dev, wanted < SECOND)
            if self._limits.get(side) == second:
                return True
            step = -1 if wanted < SECOND else 1
            outside = wanted // SECOND + step
            became = _try(where, parent, found, outside)
            if became is not None:
                if became == second != outside:
                    self._limits[side] = second
                return became != outside and became in (second, second + step)
        return second in images(wanted)


def _try(where: Where, parent: int | None, found: os.stat_result, second: int) -> int | None:
    """What the destination makes of a time (s); None if it can't be told.

    With the entry's own atime, which nobody compares: a temporary file would disturb its
    directory's time, and were this run killed, another mtime could make an old file look copied.
    """
    try:
        set_times(where, parent, (second * SECOND, found.st_mtime_ns))
        became = look(where, parent).st_atime_ns
        set_times(where, parent, (found.st_atime_ns, found.st_mtime_ns))
    except OSError:
        return None
    return None if became == found.st_atime_ns else became // SECOND


def probe_entry(where: Where, parent: int | None, found: os.stat_result) -> int:
    """The step (ns) in which times are kept where an entry is; 1 if it can't be told.

    The entry gets another time and its own back. A temporary file would disturb its directory's
    time, while other workers look at that. Killed between the two, the entry looks changed.
    """
    try:
        set_times(where, parent, (found.st_atime_ns, ODD))
        now = look(where, parent)
        set_times(where, parent, (found.st_atime_ns, found.st_mtime_ns))
    except OSError:
        return 1
    return grain_of(now.st_mtime_ns)


def probe_granularity(directory: int) -> int:
    """The step (ns) in which the file system of a directory keeps times; 1 if it can't be told."""
    where = "/proc/self/fd/%d" % directory
    try:
        before = os.stat(where)
        kept = _kept_time(directory, ODD)
        os.utime(where, ns=(before.st_atime_ns, before.st_mtime_ns))
    except OSError:
        return 1
    return grain_of(kept)


def _kept_time(directory: int, time: int) -> int:
    """What a temporary file's mtime is after it was set to ``time`` (ns)."""
    name = b".ingest-times-%d-%d" % (os.getpid(), threading.get_ident())
    fd = os.open(
        name,
        os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
        0o600,
        dir_fd=directory,
    )
    try:
        os.utime(fd, ns=(time, time))
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns
    finally:
        try:
            os.close(fd)
        finally:
            os.unlink(name, dir_fd=directory)
