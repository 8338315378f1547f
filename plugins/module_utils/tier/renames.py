# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renames that replace nothing, and two names that change places in one step."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import lru_cache
from typing import Any, Callable

_NO_REPLACE, _EXCHANGE = 1, 2
# Python has no renameat2, and C libraries before 2018 have none either.
_NUMBERS = {"x86_64": 316, "aarch64": 276, "ppc64le": 357, "s390x": 347}


@lru_cache(maxsize=None)
def library() -> ctypes.CDLL:
    """The C library, whose calls leave their errno for ``ctypes.get_errno``."""
    return ctypes.CDLL(None, use_errno=True)


@lru_cache(maxsize=None)
def _renameat2() -> Callable[..., int]:
    try:
        return library().renameat2
    except AttributeError:
        number = _NUMBERS.get(os.uname().machine)

        def call(*arguments: Any) -> int:
            if number is None:
                ctypes.set_errno(errno.ENOSYS)
                return -1
            return int(library().syscall(number, *arguments))

        return call


def _rename(source: int, name: bytes, target: int, new: bytes, flags: int) -> None:
    if _renameat2()(source, name, target, new, flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def move(source: int, name: bytes, target: int, new: bytes) -> None:
    """Rename ``name`` of directory ``source`` to ``new`` of ``target``. Raises OSError, with EEXIST
    if there is one of that name."""
    _rename(source, name, target, new, _NO_REPLACE)


def exchange(source: int, name: bytes, target: int, other: bytes) -> None:
    """Let two names change places. Raises OSError, with ENOENT if one is missing."""
    _rename(source, name, target, other, _EXCHANGE)


def sync_file_system(fd: int) -> None:
    """Bring to the disk what the file system that holds ``fd`` has in memory. Raises OSError."""
    if library().syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
