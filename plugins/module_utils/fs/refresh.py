# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Current attributes, where a client of a file server remembers older ones.

An NFS client keeps what it knows of a directory for up to a minute, and of a missing name as long,
while other clients, or this one over another mount, change both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Callable

_EMPTY_PATH, _NOFOLLOW, _FORCE_SYNC = 0x1000, 0x100, 0x2000  # AT_…
_BASIC = 0x7FF  # STATX_BASIC_STATS
_SIZE = 256


@lru_cache(maxsize=None)
def _statx() -> Callable[..., Any] | None:
    """glibc's statx; Python has none of its own before 3.15."""
    try:
        import ctypes

        call = ctypes.CDLL(None).statx
    except (ImportError, OSError, AttributeError):
        return None
    buffer = ctypes.create_string_buffer(_SIZE)  # nobody reads it: the kernel now knows
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
    return lambda fd, name, flags: call(fd, name, flags, _BASIC, ctypes.byref(buffer))


def refresh(fd: int, name: bytes = b"") -> None:
    """Make this machine ask the server about an open directory, or a name in it, once more. What
    can't be asked (an old C library, a missing name) stays as it is."""
    statx = _statx()
    if statx:
        statx(fd, name, _FORCE_SYNC | _NOFOLLOW | (0 if name else _EMPTY_PATH))
