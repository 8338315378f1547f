# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker is given, and what it says."""

from __future__ import annotations

from typing import NamedTuple

from ..core.outcome import Counts, Extra, Failure, Loss, SlowDirectory
from ..core.vocabulary import Kind


class Chunk(NamedTuple):
    """A piece of a shard: the bodies of its lines, see :func:`..plan.shards.read_line`, and their
    ``numbers`` in it. ``of`` is the kind that a second pass checks, ``broken`` are files that are
    not complete; ``lost`` and ``states`` (of each line) are what the copy said to its second pass,
    see :class:`..core.outcome.ShardResult`. ``ahead``: lines before which their directory of the
    source is looked at as a whole, and how many rows gain."""

    number: int
    kind: str
    of: str
    lines: list[bytes]
    broken: frozenset[bytes]
    cost: float = 0.0
    ahead: tuple[tuple[int, int], ...] = ()
    numbers: tuple[int, ...] = ()
    lost: tuple[str, ...] = ()
    states: str = ""

    @property
    def rows(self) -> str:
        """The kind of its rows."""
        return self.of if self.kind == Kind.VERIFY else self.kind


class Done(NamedTuple):
    """What became of a chunk; ``seconds`` is how long it took. ``lines`` has a digit for each of
    its lines, and ``extras`` what the second pass found, see :class:`..core.outcome.ShardResult`.
    """

    number: int
    counts: Counts
    failures: list[Failure]
    losses: dict[str, Loss]
    slow: list[SlowDirectory]
    seconds: float
    lines: str = ""
    extras: tuple[Extra, ...] = ()


class More(NamedTuple):
    """To a worker: one thread more from now on."""


class Fewer(NamedTuple):
    """To a worker: the thread that receives it has done its last chunk, and ends."""


class Moved(NamedTuple):
    """So many bytes and entries more of a chunk that is still under way."""

    number: int
    size: int
    files: int = 0


class Unanswered(NamedTuple):
    """A call failed as calls to a dead server do: the destination's, or the source's."""

    operation: str


class Broken(NamedTuple):
    """The worker can't start: its mount can't be opened, or the source."""

    message: str
    source: bool


class Crashed(NamedTuple):
    """A chunk could not be done, by a defect of the worker."""

    number: int
    message: str
