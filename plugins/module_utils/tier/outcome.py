# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be moved, and what became of it."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from ..core.errors import IngestError
from ..core.paths import check_relative, to_bytes, to_text

MOVED = "moved"
HOT = "hot"  # somebody uses it, or used it meanwhile
CHANGED = "changed"  # it is not what the index knew
SKIPPED = "skipped"
FAILED = "failed"
OUTCOMES = (MOVED, HOT, CHANGED, SKIPPED, FAILED)

LEASE = "lease"  # whoever opens the file meanwhile is seen, on this host and through its servers
BEST_EFFORT = "best_effort"  # two looks and a quiet period, no more


class Known(NamedTuple):
    """A file as an index knows it. Sizes in bytes, times in ns."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int


def known_of(found: os.stat_result) -> Known:
    """The same of a file that is there."""
    return Known(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class Candidate(NamedTuple):
    """A file that is to be moved: all its names, relative to its pool, and what is known of it."""

    paths: tuple[bytes, ...]
    known: Known | None

    @classmethod
    def from_json(cls, data: Any) -> Candidate:
        """From ``{"paths": […], "known": [device, inode, size, mtime, ctime]}``; ``known`` may be
        missing.

        Raises:
            IngestError: it is something else, or a path leads out of the pool.
        """
        try:
            paths = tuple(check_relative(to_bytes(path)) for path in data["paths"])
            known = data.get("known")
            numbers = None if known is None else Known(*(int(number) for number in known))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise IngestError(f"a line of the list names no file to move: {data!r}") from error
        if not paths or len(set(paths)) != len(paths):
            raise IngestError(f"a line of the list names no file, or one name twice: {data!r}")
        return cls(paths, numbers)


class Outcome(NamedTuple):
    """What became of a file; ``bytes`` were moved, ``known`` is what it is now if it was."""

    paths: tuple[bytes, ...]
    outcome: str
    bytes: int
    why: str
    guarantee: str
    known: Known | None

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "paths": [to_text(path) for path in self.paths],
            "outcome": self.outcome,
            "bytes": self.bytes,
            "why": self.why,
            "guarantee": self.guarantee,
            "known": self.known,
        }


class Stop(Exception):
    """A file is not moved, and stays as it is: which outcome, and why."""

    def __init__(self, outcome: str, why: str) -> None:
        super().__init__(why)
        self.outcome = outcome
        self.why = why
