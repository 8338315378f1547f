# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of a trial in pieces: small enough that all workers end at about the same time."""

from __future__ import annotations

import secrets
from collections import deque
from itertools import groupby, islice
from operator import attrgetter
from typing import Iterator, NamedTuple, Sequence

from ..core.vocabulary import Kind
from ..plan import shards
from ..plan.shards import CopyRow, FinishRow, RangeRow
from .material import File
from .orders import Order

_MOST_FILES = 32  # as the copy hands them out
_LEAST_BYTES, _MOST_BYTES = 64 << 10, 16 << 20
_AT_ONCE = 4  # large files whose ranges come in turn, or directories, at least


class Piece(NamedTuple):
    """Lines of a shard's payload that one worker does at once."""

    kind: str
    line: bytes
    files: int
    bytes: int


class Batch(NamedTuple):
    """What is made before the clock runs, what is timed, and how many files of the material it
    takes."""

    before: list[Piece]
    timed: list[Piece]
    files: int


def batch(files: Sequence[File], order: Order) -> Batch:
    """Pieces of ``files``, which come in their order: as many as the trial can need, if there are
    so many."""
    amount = order.expected * order.seconds
    if order.bound == "files":
        return _whole(files, order, amount)
    return _in_ranges(files, order, amount)


def _whole(files: Sequence[File], order: Order, amount: float) -> Batch:
    size = int(amount / (order.share * order.workers)) if amount else 1
    most = max(1, min(_MOST_FILES, size))
    enough = max(3 * amount, 20 * order.workers * order.seconds, 50)
    groups: list[list[Piece]] = []  # those of a directory each
    taken = 0
    for dummy, found in groupby(files, key=attrgetter("directory")):
        if taken >= enough:
            break
        some = list(found)
        groups.append(list(_cut(some, most)))
        taken += len(some)
    # As in the copy, each worker has a directory of its own: a kernel makes the entries of one
    # directory one after the other.
    return Batch([], list(_in_turn(groups, max(_AT_ONCE, order.workers))), taken)


def _cut(files: Sequence[File], most: int) -> Iterator[Piece]:
    group: list[File] = []
    size = 0
    for file in files:
        if group and (len(group) >= most or size >= shards.LINE_BYTES):
            yield _copies(group)
            group, size = [], 0
        group.append(file)
        size += file.want.size
    if group:
        yield _copies(group)


def _copies(group: Sequence[File]) -> Piece:
    texts = [CopyRow(file.name, file.want).encode() for file in group]
    size = sum(file.want.size for file in group)
    line = shards.line(group[0].directory, texts, size)
    return Piece(Kind.COPY, line, len(group), size)


def range_for(order: Order) -> int:
    """Bytes of a range, such that each worker has some in the trial."""
    if order.range_size:
        return order.range_size
    share = order.expected * order.seconds / (order.share * order.workers)
    return int(min(_MOST_BYTES, max(_LEAST_BYTES, share)))


def _in_ranges(files: Sequence[File], order: Order, amount: float) -> Batch:
    size = range_for(order)
    enough = max(3 * amount, 3.0 * size * order.workers, 64 << 20)
    run = secrets.randbits(62)
    before: list[Piece] = []
    ranges: list[list[Piece]] = []
    taken, planned = 0, 0
    for file in files:
        if planned >= enough:
            break
        taken += 1
        if file.want.size <= size:
            ranges.append([_copies([file])])
            planned += file.want.size
            continue
        text = FinishRow(file.name, file.want, run).encode()
        before.append(Piece(Kind.PREPARE, shards.line(file.directory, [text], 0), 1, 0))
        ends = min(file.want.size, int(enough) - planned + size)
        found = [
            _range(file, at, min(size, file.want.size - at), run) for at in range(0, ends, size)
        ]
        ranges.append(found)
        planned += sum(piece.bytes for piece in found)
    return Batch(before, list(_in_turn(ranges, _AT_ONCE)), taken)


def _range(file: File, offset: int, length: int, run: int) -> Piece:
    text = RangeRow(file.name, file.want, offset, length, run).encode()
    return Piece(Kind.RANGE, shards.line(file.directory, [text], length), 1, length)


def _in_turn(groups: Sequence[list[Piece]], at_once: int) -> Iterator[Piece]:
    """A piece of each of so many groups in turn; the next one follows where one ends."""
    waiting = map(iter, groups)
    active = deque(islice(waiting, at_once))
    while active:
        group = active.popleft()
        piece = next(group, None)
        if piece is not None:
            yield piece
            active.append(group)
        else:
            active.extend(islice(waiting, 1))
