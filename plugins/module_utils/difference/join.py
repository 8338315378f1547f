# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge joins: of two streams of directories, and of what two directories hold."""

from __future__ import annotations

from bisect import bisect_right
from typing import Iterator, Optional, Tuple

from .rows import Plain
from .sides import CHUNK, Node, Rows

Difference = Tuple[Optional[Plain], Optional[Plain]]


def paired(old: Iterator[Node], new: Iterator[Node]) -> Iterator[tuple[Node | None, Node | None]]:
    """Two streams of directories, in the order of their keys, side by side."""
    one, other = next(old, None), next(new, None)
    while one is not None and other is not None:
        if one[0] == other[0]:
            yield one, other
            one, other = next(old, None), next(new, None)
        elif one[0] < other[0]:
            yield one, None
            one = next(old, None)
        else:
            yield None, other
            other = next(new, None)
    while one is not None:
        yield one, None
        one = next(old, None)
    while other is not None:
        yield None, other
        other = next(new, None)


def differing(old: Rows, new: Rows) -> Iterator[Difference]:
    """The rows of two directories that are not the same, by name; None where there is none.

    What is the same on both sides is compared a chunk at a time, without looking into it.
    """
    ours: list[Plain] = []
    theirs: list[Plain] = []
    more_old = more_new = True
    while True:
        more_old = more_old and _fill(ours, old)
        more_new = more_new and _fill(theirs, new)
        if ours == theirs:
            if not (more_old or more_new):
                return
            ours, theirs = [], []
            continue
        ends = [rows[-1][0] for rows, more in ((ours, more_old), (theirs, more_new)) if more]
        if not ends:
            yield from _by_name(ours, theirs)
            return
        # Of what comes after this name not everything is here yet.
        limit = min(ends)
        here, there = _up_to(ours, limit), _up_to(theirs, limit)
        yield from _by_name(ours[:here], theirs[:there])
        del ours[:here], theirs[:there]


def _fill(rows: list[Plain], source: Rows) -> bool:
    """Fetch what is missing to a chunk; whether there may be more."""
    missing = CHUNK - len(rows)
    found = source.fetchmany(missing)
    rows += found
    return len(found) == missing


def _up_to(rows: list[Plain], limit: bytes) -> int:
    return bisect_right([row[0] for row in rows], limit)


def _by_name(old: list[Plain], new: list[Plain]) -> Iterator[Difference]:
    left = {row[0]: row for row in old}
    for row in new:
        before = left.pop(row[0], None)
        if before != row:
            yield before, row
    for row in left.values():
        yield row, None
