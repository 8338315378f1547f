# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks like a change between two scans of a pool, and is a move between pools by a policy."""

from __future__ import annotations

import os

from ..index.migrated import Memory, Moved, memory_beside
from ..index.rows import narrow
from .rows import Row

# All that a move changes of a file, and of the directories that it comes to and leaves.
_OF_A_FILE = frozenset({"inode", "device", "ctime", "crtime", "blocks"})
_OF_A_DIRECTORY = frozenset({"mtime", "ctime", "nlink", "blocks"})


class OwnMoves:
    """Those that are remembered beside the generations of which ``old`` and ``new`` are two;
    ``since`` is when the older scan began (Unix time). Raises IngestError: they can't be read."""

    def __init__(self, old: str, new: str, since: float) -> None:
        found = memory_beside(new)
        if found != memory_beside(old):
            found = None
        self._memory = Memory(found) if found else None
        self._pool = os.path.basename(os.path.dirname(os.path.realpath(new)))
        self._since = since

    def close(self) -> None:
        """Close the memory."""
        if self._memory is not None:
            self._memory.close()

    def explain(
        self, path: bytes, fields: tuple[str, ...], old: Row | None, new: Row | None
    ) -> bool:
        """Whether a change is a move of ours and nothing else: the file came to the pool, went to
        another one, or has got another inode, and is as it was then; or the directory was made or
        got its times by that. Raises IngestError."""
        if self._memory is None:
            return False
        row = new or old
        if row is None:
            return False
        if row.type == "d":
            ours = new is not None and (old is None or _OF_A_DIRECTORY.issuperset(fields))
            return ours and self._memory.below(path, max(self._since, row.mtime / 1e9))
        moved = self._memory.of(path)
        if moved is None or moved.time < self._since or not _as_then(moved, row):
            return False
        if new is None:
            return moved.pool != self._pool
        if new.inode is not None and moved.inode != narrow(new.inode):
            return False
        return moved.pool == self._pool if old is None else _OF_A_FILE.issuperset(fields)


def _as_then(moved: Moved, row: Row) -> bool:
    return moved.size == row.size and moved.mtime == row.mtime
