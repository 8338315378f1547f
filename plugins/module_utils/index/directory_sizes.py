# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts and sizes of directories with all below: ``find DIR | wc -l`` and ``du -sh DIR``."""

from __future__ import annotations

import sqlite3
from typing import Iterator, NamedTuple

from ..core.atomic import written
from ..core.paths import display
from ..core.units import human
from .items import DIRECT, WHOLE, Depths, depths
from .reader import Index
from .rows import Directory

BLOCK = 512


class Subtree(NamedTuple):
    """A directory with all below: ``entries`` with itself; ``bytes`` are the sizes of regular files
    and links, ``disk`` is what is allocated for all (in bytes); hard links count once in both."""

    path: bytes
    entries: int
    bytes: int
    disk: int


class _Open:
    """A directory whose subtree is being summed."""

    def __init__(self, directory: Directory, number: int) -> None:
        self.number = number
        self.depth = directory.depth
        self.path = directory.path
        self.count = self.bytes = self.disk = 0


def subtrees(
    index: Index, min_depth: int | None = None, max_depth: int | None = None
) -> Iterator[Subtree]:
    """The directories of ``min_depth`` to ``max_depth`` (as in ``items.items``), or without depths
    those right below the source, in pre-order. Memory is flat: SQLite keeps on disk what must wait.

    Raises:
        IngestError: see :func:`.items.depths`.
    """
    limits = depths(min_depth, max_depth)
    return _subtrees(index, Depths(1, 1) if limits.lowest is None else limits)


def _subtrees(index: Index, limits: Depths) -> Iterator[Subtree]:
    # A database without a name is a temporary file, in memory while it is small.
    waiting = sqlite3.connect("", isolation_level=None)
    waiting.execute("CREATE TABLE done(number INTEGER PRIMARY KEY, path, count, bytes, disk)")
    waiting.execute("CREATE TABLE seen(number, device, inode, PRIMARY KEY(number, device, inode))")
    waiting.execute("BEGIN")
    stack: list[_Open] = []
    number = 0
    try:
        for directory in index.directories():
            while stack and stack[-1].depth >= directory.depth:
                _close(stack, waiting)
                if not stack:
                    yield from _flush(waiting)
            if limits.role(directory.depth) in (DIRECT, WHOLE):
                stack.append(_Open(directory, number))
                number += 1
            if stack:
                _add(index, directory, stack, waiting)
        while stack:
            _close(stack, waiting)
        yield from _flush(waiting)
    finally:
        waiting.close()


def _add(
    index: Index, directory: Directory, stack: list[_Open], waiting: sqlite3.Connection
) -> None:
    """Count a directory and its entries into the innermost open one."""
    top = stack[-1]
    top.count += 1 + directory.entries
    top.bytes += directory.bytes
    top.disk += directory.disk + directory.blocks * BLOCK
    for entry in index.entries_where(directory, "type <> 'f' OR nlink > 1"):
        regular = entry.type == "f"
        if not regular:
            top.bytes += entry.size if entry.type == "l" else 0
            top.disk += entry.blocks * BLOCK
        if entry.nlink > 1:
            _once(
                stack,
                waiting,
                entry.device,
                entry.inode,
                entry.size if entry.type in "fl" else 0,
                entry.blocks * BLOCK,
            )


def _once(
    stack: list[_Open], waiting: sqlite3.Connection, device: int, inode: int, size: int, disk: int
) -> None:
    """Take out again a further name of a file, in each open directory that has seen it.

    What the innermost takes out is not handed up when it closes, so the outer ones differ: an
    outer one has seen all that an inner one has.
    """
    key = (_signed(device), _signed(inode))
    for n in range(len(stack) - 1, -1, -1):
        new = waiting.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (stack[n].number, *key)
        ).rowcount
        if not new:
            # This one and all outside it have it already.
            stack[n].bytes -= size
            stack[n].disk -= disk
            return


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _close(stack: list[_Open], waiting: sqlite3.Connection) -> None:
    done = stack.pop()
    if stack:
        stack[-1].count += done.count
        stack[-1].bytes += done.bytes
        stack[-1].disk += done.disk
    waiting.execute("DELETE FROM seen WHERE number = ?", (done.number,))
    waiting.execute(
        "INSERT INTO done VALUES (?, ?, ?, ?, ?)",
        (done.number, done.path, done.count, done.bytes, done.disk),
    )


def _flush(waiting: sqlite3.Connection) -> Iterator[Subtree]:
    for row in waiting.execute("SELECT path, count, bytes, disk FROM done ORDER BY number"):
        yield Subtree(*row)
    waiting.execute("DELETE FROM done")


def write_table(file: str, rows: Iterator[Subtree]) -> int:
    """Write ``directories.tsv``: count, bytes, allocated space for people, escaped path.

    Returns the number of lines. Raises IngestError: it can't be written.
    """
    number = 0
    with written(file) as stream:
        for row in rows:
            path = display(row.path) or "."
            stream.write(f"{row.entries}\t{row.bytes}\t{human(row.disk)}\t{path}\n")
            number += 1
    return number
