# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that are left out as they can't be used, and how that is said."""

from __future__ import annotations

from typing import Iterable, NamedTuple

from ..core.paths import display, to_bytes, to_text
from ..fs.mount_table import origin

_SHOWN = 8


class LeftOut(NamedTuple):
    """A mount that can't be used, in text: what it is of, such as ``10.0.0.1:/export``, and that
    server's address ("" if it is no network mount), and why."""

    mount: str
    source: str
    address: str
    message: str

    @classmethod
    def at(cls, path: bytes, why: str) -> LeftOut:
        """What is mounted where a path is. Nothing is asked of it."""
        return cls(to_text(path), *origin(path, False), why)

    def __str__(self) -> str:
        mount = display(to_bytes(self.mount))
        what = f"{self.address} on {mount}" if self.address else mount
        return f"{what} ({self.message})" if self.message else what


def listing(found: Iterable[LeftOut]) -> str:
    """Some of them in a sentence."""
    names = [str(mount) for mount in found]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
