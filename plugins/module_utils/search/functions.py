# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions that queries may call, beside SQLite's: ``human(size)``, ``user(uid)``, …

path(), level() and age() are written as SQL instead, see :mod:`.query`. Names can be any bytes, and
Python is handed text as UTF-8 alone: what takes names is given them as blobs.
"""

from __future__ import annotations

import grp
import pwd
import sqlite3
import stat
from functools import lru_cache
from typing import Any, Callable

from ..core import units
from .compile import register as register_conditions


def register(db: sqlite3.Connection) -> None:
    """Make them known to a connection."""
    for name, act in _FUNCTIONS.items():
        db.create_function(name, 1, _of_known(act), deterministic=True)
    register_conditions(db)


def _of_known(act: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of NULL, and of what it can't be of, the answer is NULL."""

    def answer(value: Any) -> Any:
        try:
            return None if value is None else act(value)
        except (ValueError, TypeError, OverflowError):
            return None

    return answer


def human(size: float) -> str:
    """Bytes as ``du -h`` prints them."""
    return units.human(int(size))


@lru_cache(maxsize=65_536)
def user(number: int) -> str:
    """The name of a user, or the number where there is none."""
    try:
        return pwd.getpwuid(number).pw_name
    except (KeyError, OverflowError):
        return str(number)


@lru_cache(maxsize=65_536)
def group(number: int) -> str:
    """The name of a group, or the number where there is none."""
    try:
        return grp.getgrgid(number).gr_name
    except (KeyError, OverflowError):
        return str(number)


def _basename(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def extension(path: bytes) -> bytes:
    """What follows the last dot of a name; nothing where there is none, or only one in front."""
    name = _basename(path)
    dot = name.rfind(b".")
    return name[dot + 1 :] if dot > 0 else b""


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "human": human,
    "human_readable_size": human,  # the other names are GUFI's
    "user": user,
    "uidtouser": user,
    "ingest_group": group,
    "gidtogroup": group,
    "modetotxt": stat.filemode,
    "ingest_basename": _basename,
    "ingest_extension": extension,
}
NAMES = ("path", "level", "age", "human", "user", "group", "basename", "extension")
