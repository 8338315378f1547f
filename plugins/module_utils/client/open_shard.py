# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shard under way on a client: what is left of it, and what became of the rest."""

from __future__ import annotations

from collections import Counter
from typing import Iterator

from ..core.outcome import Counts, Failure, ShardResult
from ..core.paths import to_bytes
from ..core.vocabulary import Kind
from ..plan import shards
from ..plan.cost import cost_of
from ..plan.shards import Header
from .messages import Chunk, Done

_GAIN = 4  # rows of a directory that are worth its listing
_KNOWN = 10_000  # directories that are known to have been listed


class OpenShard:
    """Cut into chunks as workers ask for them; done when all chunks are."""

    def __init__(self, header: Header, data: bytes, looked: set[bytes]) -> None:
        """``looked``: the directories that some worker has been told to look at as a whole, see
        :class:`.messages.Chunk`; this shard's are added."""
        self.header = header
        self._looked = looked
        self._rows: Counter[bytes] = Counter()  # of each directory
        self.exhausted = False
        self.outstanding = 0  # chunks
        self._broken = frozenset(to_bytes(path) for path in header.broken)
        self._data = data  # stays packed until the first chunk is asked for
        self._lines: Iterator[tuple[int, int, bytes]] | None = None
        self._following: tuple[int, int, bytes] | None = None
        self._mounts: dict[bytes, tuple[Counts, float]] = {}
        self._failures: list[tuple[bytes, Failure]] = []

    @property
    def done(self) -> bool:
        """Whether nothing of it is left or under way."""
        return self.exhausted and not self.outstanding

    def next_chunk(self, number: int, files: int, size: int, threads: int) -> Chunk | None:
        """The next chunk, of about so many files and bytes; None if nothing is left."""
        lines, amount = self._take(files, size, threads)
        if not lines:
            return None
        self.outstanding += 1
        header = self.header
        ahead = self._ahead(lines) if self._rows else ()
        return Chunk(number, header.kind, header.of, lines, self._broken, amount, ahead)

    def _ahead(self, lines: list[bytes]) -> tuple[tuple[int, int], ...]:
        """The first lines of directories that pay to be looked at as a whole."""
        found = []
        for at, body in enumerate(lines):
            directory = shards.directory_of(body)
            rows = self._rows[directory]
            if rows >= _GAIN and directory not in self._looked:
                if len(self._looked) >= _KNOWN:
                    self._looked.clear()
                self._looked.add(directory)
                found.append((at, rows))
        return tuple(found)

    def _take(self, most_files: int, most_bytes: int, threads: int) -> tuple[list[bytes], float]:
        if self._lines is None:
            self._lines = shards.unpack(self._data)
            if threads > 1 and self.header.kind == Kind.COPY:
                lines = list(self._lines)
                for count, _size, body in lines:
                    self._rows[shards.directory_of(body)] += count
                self._lines = iter(shards.in_turn(lines))
            self._data = b""
            self._following = next(self._lines, None)
        taken: list[bytes] = []
        files = size = 0
        while self._following is not None:
            count, line_bytes, body = self._following
            if taken and (files + count > most_files or size + line_bytes > most_bytes):
                break
            taken.append(body)
            files += count
            size += line_bytes
            self._following = next(self._lines, None)
        self.exhausted = self._following is None
        return taken, cost_of(files, size)

    def add(self, mount: bytes, done: Done) -> None:
        """A chunk is done, over a mount."""
        self.outstanding -= 1
        counts, seconds = self._mounts.get(mount, (Counts(), 0.0))
        self._mounts[mount] = counts.plus(done.counts), seconds + done.seconds
        self._failures += [(mount, failure) for failure in done.failures]

    def result(self) -> ShardResult:
        """What became of it."""
        return ShardResult(self.header.id, self._mounts, self._failures)
