# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write leases: who opens a file that one is held on waits, and can be seen waiting.

The kernel grants one only while nobody else has the file open or mapped. It breaks one by itself
after 45 s (/proc/sys/fs/lease-break-time), so whoever holds one looks often.
"""

from __future__ import annotations

import fcntl
import signal

from ..core.errors import OperationError
from ..fs.mount_table import file_system

# Elsewhere a lease says nothing of other clients, even where the kernel grants one.
_LOCAL = frozenset(["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay"])


_heard = [0]


def listen() -> None:
    """The kernel tells by SIGIO that somebody waits for a lease, which would end this process. To
    be called once, by its main thread."""
    signal.signal(signal.SIGIO, _hear)


def _hear(number: int, frame: object) -> None:
    _heard[0] += 1


def heard() -> int:
    """How often the kernel has told."""
    return _heard[0]


def honoured(root: bytes) -> bool:
    """Whether everybody who opens a file below ``root`` meets the leases of this host."""
    return file_system(root) in _LOCAL


def take(fd: int) -> bool:
    """Take a write lease, or ask again for one that is held: False if anybody else has the file
    open or mapped, or waits to open it. Raises OSError where there are none."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except BlockingIOError:
        return False
    except OSError as error:
        raise OperationError("take a lease", error.errno or 0) from error
    return True


def waited_for(fd: int) -> bool:
    """Whether somebody waits for a held lease."""
    return fcntl.fcntl(fd, fcntl.F_GETLEASE) != fcntl.F_WRLCK


def drop(fd: int) -> None:
    """Let those in who wait; closing the descriptor does the same."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:  # the kernel has broken it
        pass
