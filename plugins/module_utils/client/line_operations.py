# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker does with one line of a shard, by the shard's operation."""

from __future__ import annotations

import stat
from typing import Any, Callable, List

from ..copy import ranges
from ..copy.entry import copy_entry, copy_link
from ..copy.preserve import preserve_directory
from ..copy.session import Session
from ..copy.verify import check
from ..core.paths import join, to_bytes
from ..core.want import Want

Row = List[Any]
Operation = Callable[[Session, bytes, List[Row]], None]


def _want(row: Row, rdev: int = 0) -> Want:
    return Want(row[1], row[2], row[3], row[4], row[5], row[5], rdev)


def _directory_want(row: Row) -> Want:
    return Want(row[1], row[2], row[3], row[4], row[5], row[6], 0)


def entry_want(row: Row) -> Want:
    """What a row of the operation ``copy`` wants."""
    return Want(row[1], row[2], row[3], row[4], row[5], row[5], row[6] if len(row) > 6 else 0)


def _copy(copier: Session, directory: bytes, rows: list[Row]) -> None:
    for row in rows:
        copy_entry(copier, directory, row[0], entry_want(row))


def _link(copier: Session, directory: bytes, rows: list[Row]) -> None:
    for row in rows:
        copy_link(copier, directory, row[0], _want(row, row[6]), to_bytes(row[7]))


def _directories(copier: Session, directory: bytes, rows: list[Row]) -> None:
    for row in rows:
        path = join(directory, row[0]) if row[0] else directory
        preserve_directory(copier, path, _directory_want(row))


def _each(doing: str, act: Callable[[Session, bytes, Row], None]) -> Operation:
    """An operation that does ``act`` with each row; an OSError is the row's failure."""

    def operation(copier: Session, directory: bytes, rows: list[Row]) -> None:
        for row in rows:
            copier.operation = doing
            try:
                act(copier, directory, row)
            except OSError as error:
                copier.fail(join(directory, row[0]) if row[0] else directory, error)

    return operation


OPERATIONS: dict[str, Operation] = {
    "copy": _copy,
    "link": _link,
    "directories": _directories,
    "prepare": _each(
        "create",
        lambda copier, directory, row: ranges.prepare(
            copier, directory, row[0], _want(row), row[6]
        ),
    ),
    "range": _each(
        "copy range",
        lambda copier, directory, row: ranges.copy_range(
            copier, directory, row[0], _want(row), *row[6:9]
        ),
    ),
    "finish": _each(
        "finish",
        lambda copier, directory, row: ranges.finish(copier, directory, row[0], _want(row), row[6]),
    ),
}
# Takes away large files of which a range is missing.
discard = _each(
    "remove temporary",
    lambda copier, directory, row: ranges.discard(copier, directory, row[0], _want(row), row[6]),
)


def verify(copier: Session, of: str, directory: bytes, rows: list[Row], digests: bool) -> None:
    """Check a line that an operation ``of`` brought over."""

    def act(copier: Session, directory: bytes, row: Row) -> None:
        if of == "directories":
            want, leader = _directory_want(row), None
        elif of == "link":
            want, leader = _want(row, row[6]), to_bytes(row[7])
        elif of == "finish":
            want, leader = _want(row), None
        else:
            want, leader = entry_want(row), None
        check(copier, directory, row[0], want, leader, digests and of != "link")

    _each("verify", act)(copier, directory, rows)


def without(rows: list[Row], directory: bytes, broken: frozenset[bytes]) -> list[Row]:
    """The rows whose data arrived: a file that lacks a range must not be finished."""
    if not broken:
        return rows
    return [row for row in rows if join(directory, row[0]) not in broken or stat.S_ISDIR(row[1])]
