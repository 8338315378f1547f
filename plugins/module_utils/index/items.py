# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Items: the pieces of an index that are dealt out to the hosts."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ..core.changes import EQUAL, MADE
from ..core.errors import IngestError
from ..core.paths import split
from .reader import Index
from .rows import Directory, Entry, item_entry

EACH, DIRECT, WHOLE, INSIDE = range(4)


class Depths(NamedTuple):
    """From where to where a directory is an item; no ``highest``: down to the last."""

    lowest: int | None
    highest: int | None

    def role(self, depth: int) -> int:
        """What a directory of this depth is.

        EACH: every direct entry is an item. DIRECT: its direct entries together are one item.
        WHOLE: it is one item with all below. INSIDE: a part of such an item.
        """
        if self.lowest is None or depth < self.lowest:
            return EACH
        if self.highest is None or depth < self.highest:
            return DIRECT
        return WHOLE if depth == self.highest else INSIDE


def depths(min_depth: int | None = None, max_depth: int | None = None) -> Depths:
    """The depths that the two options mean; ``min_depth`` is ``max_depth`` if not given.

    Raises:
        IngestError: one is negative, or the first is larger than the second.
    """
    for name, value in (("min_depth", min_depth), ("max_depth", max_depth)):
        if value is not None and value < 0:
            raise IngestError(f"{name}: {value} is negative")
    if min_depth is not None and max_depth is not None and min_depth > max_depth:
        raise IngestError(f"min_depth: {min_depth} is more than max_depth {max_depth}")
    return Depths(max_depth if min_depth is None else min_depth, max_depth)


def is_empty(directory: Directory) -> bool:
    """Whether a directory must be an item itself, as nothing in it will create it."""
    return not directory.entries and not directory.subdirectories and directory.depth > 0


def items(
    index: Index,
    min_depth: int | None = None,
    max_depth: int | None = None,
    different: bool = False,
    only: str = "1",
) -> Iterator[tuple[int, bytes, Entry]]:
    """All of an index, or what the scan found to be ``different`` at the destination, and of
    entries ``only`` those for which an SQL condition holds, as ``(number of the item, path of the
    containing directory, entry)``.

    Numbers ascend from 0 (unless all is asked for: maybe with gaps), the entries of an item follow
    one another, everything is in pre-order, and memory is flat. Without depths every entry is an
    item. With them a directory of depth ``max_depth`` is one with all that lies below; one from
    ``min_depth`` on, but less deep, is one with its direct entries; what is less deep than
    ``min_depth`` is an item each. An empty directory is an entry of type ``d``; the source itself
    never is.

    Raises:
        IngestError: see :func:`depths`.
    """
    return _items(index, depths(min_depth, max_depth), different, only)


def _items(
    index: Index, limits: Depths, different: bool, only: str
) -> Iterator[tuple[int, bytes, Entry]]:
    number = -1
    condition = f"state<>{EQUAL} AND {only}" if different else only
    for directory in index.directories():
        role = limits.role(directory.depth)
        if is_empty(directory):
            number += role != INSIDE
            if not different or directory.state & MADE or not directory.state:
                yield number, split(directory.path)[0], item_entry(directory)
            continue
        number += _begins(directory, role)
        if different and not directory.different:
            continue
        path = directory.path
        if role == EACH:
            for entry in index.entries_where(directory, condition):
                number += 1
                yield number, path, entry
        else:
            for entry in index.entries_where(directory, condition):
                yield number, path, entry


def count_items(index: Index, min_depth: int | None = None, max_depth: int | None = None) -> int:
    """How many items :func:`items` would give, from the directories alone."""
    limits = depths(min_depth, max_depth)
    number = 0
    for directory in index.directories():
        role = limits.role(directory.depth)
        if role == INSIDE:
            continue
        if is_empty(directory):
            number += 1
        elif role == EACH:
            number += directory.entries
        else:
            number += _begins(directory, role)
    return number


def _begins(directory: Directory, role: int) -> bool:
    """Whether an item of several entries begins with a directory."""
    if role == WHOLE:
        return bool(directory.entries or directory.subdirectories)
    return role == DIRECT and bool(directory.entries)
