# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shard under way on a client: what is left of it, and what became of the rest."""

from __future__ import annotations

from collections import Counter
from typing import Iterator, Sequence

from ..core.outcome import MOST_EXTRAS, Counts, Extra, Failure, ShardResult
from ..core.paths import to_bytes
from ..core.vocabulary import Kind, LineState
from ..plan import shards
from ..plan.cost import cost_of
from ..plan.shards import Header, Numbered
from .messages import Chunk, Done

_GAIN = 4  # rows of a directory that are worth its listing
_KNOWN = 10_000  # directories that are known to have been listed
# The most lines of one directory that a second pass of metadata looks at at once, from a listing.
_WIDE = 64
_NO_LIMIT = 1 << 62  # bytes


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
        self._lines: Iterator[Numbered] | None = None
        self._following: Numbered | None = None
        self._mounts: dict[bytes, tuple[Counts, float]] = {}
        self._failures: list[tuple[bytes, Failure]] = []
        # Of lines, by their numbers. What another host has done of a copy stays as that said.
        self._states: dict[int, int] = {}
        self._again = _again(header.lines)
        self._lost: set[str] = set()
        if self._again and header.kind != Kind.VERIFY:
            self._lost.update(header.lost)
            self._states = {
                number: int(state) & ~LineState.AGAIN for number, state in enumerate(header.lines)
            }
        self._extras: list[Extra] = []
        self._passing: set[int] = set()  # lines that failed as may pass
        self._lists = False

    @property
    def done(self) -> bool:
        """Whether nothing of it is left or under way."""
        return self.exhausted and not self.outstanding

    def next_chunk(
        self, number: int, files: int, size: int, threads: int, digests: bool = False
    ) -> Chunk | None:
        """The next chunk, of about so many files and bytes; None if nothing is left. A second pass
        without ``digests`` reads no bytes."""
        self._lists = self.header.kind == Kind.VERIFY and not digests
        lines, amount = self._take(files, size if not self._lists else _NO_LIMIT, threads)
        if not lines:
            return None
        self.outstanding += 1
        header = self.header
        numbers, bodies = zip(*lines)
        return Chunk(
            number,
            header.kind,
            header.of,
            list(bodies),
            self._broken,
            amount,
            self._ahead(bodies) if self._rows else (),
            numbers,
            header.lost,
            "".join(str(_state(header.lines, number)) for number in numbers),
        )

    def _ahead(self, lines: Sequence[bytes]) -> tuple[tuple[int, int], ...]:
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

    def _open(self) -> Iterator[Numbered]:
        """The lines that are to be done."""
        lines: Iterator[Numbered] = enumerate(shards.unpack(self._data))
        self._data = b""
        if self._again:
            return (
                entry for entry in lines if _state(self.header.lines, entry[0]) & LineState.AGAIN
            )
        if self.header.kind == Kind.VERIFY and self.header.lines:
            return self._unproved(lines)
        return lines

    def _unproved(self, lines: Iterator[Numbered]) -> Iterator[Numbered]:
        """Those that the copy did not find in the destination as they are in the source."""
        proved = 0
        for number, line in lines:
            if _state(self.header.lines, number) & LineState.EQUAL:
                proved += line[0]
            else:
                yield number, line
        if proved:
            self._mounts[b""] = Counts(proved=proved), 0.0

    def _take(
        self, most_files: int, most_bytes: int, threads: int
    ) -> tuple[list[tuple[int, bytes]], float]:
        if self._lines is None:
            self._lines = self._open()
            if threads > 1 and self.header.kind == Kind.COPY:
                lines = list(self._lines)
                for dummy, (count, _size, body) in lines:
                    self._rows[shards.directory_of(body)] += count
                self._lines = iter(shards.in_turn(lines))
            self._following = next(self._lines, None)
        taken: list[tuple[int, bytes]] = []
        files = size = wide = 0
        while self._following is not None:
            number, (count, line_bytes, body) = self._following
            if taken and (files + count > most_files or size + line_bytes > most_bytes):
                # What is looked at in one directory needs one listing only.
                wide += 1
                if wide > _WIDE or not self._listed(taken[-1][1], body):
                    break
            taken.append((number, body))
            files += count
            size += line_bytes
            self._following = next(self._lines, None)
        self.exhausted = self._following is None
        return taken, cost_of(files, size)

    def _listed(self, last: bytes, body: bytes) -> bool:
        """Whether a line is to be looked at together with the last one."""
        if not self._lists or self.header.of == Kind.DIRECTORIES:
            return False
        return shards.directory_of(last) == shards.directory_of(body)

    def add(self, mount: bytes, chunk: Chunk, done: Done) -> None:
        """A chunk is done, over a mount."""
        self.outstanding -= 1
        counts, seconds = self._mounts.get(mount, (Counts(), 0.0))
        self._mounts[mount] = counts.plus(done.counts), seconds + done.seconds
        self._failures += [(mount, failure) for failure in done.failures]
        self._lost.update(done.losses)
        self._extras += done.extras[: MOST_EXTRAS - len(self._extras)]
        failed = {failure.path for failure in done.failures if failure.may_pass}
        for at, number in enumerate(chunk.numbers if failed else ()):
            directory, rows = shards.read_line(chunk.rows, chunk.lines[at])
            if any(shards.path_of(directory, row) in failed for row in rows):
                self._passing.add(number)
        if self.header.kind == Kind.VERIFY:
            return
        for at, number in enumerate(chunk.numbers):
            state, before = _state(done.lines, at), self._states.get(number, LineState.EQUAL)
            # What was done in two pieces is equal if both are, and has what one of them has.
            self._states[number] = state & before & LineState.EQUAL | (
                (state | before) & LineState.ATTRIBUTES
            )

    def result(self) -> ShardResult:
        """What became of it."""
        return ShardResult(
            self.header.id,
            self._mounts,
            self._failures,
            tuple(sorted(self._lost)),
            self._said(),
            tuple(self._extras),
        )

    def _said(self) -> str:
        """A digit for each line; of a second pass only if one is to be done again."""
        states = self._states
        for number in self._passing:
            states[number] = LineState.AGAIN | LineState.ATTRIBUTES
        return "".join(str(states.get(number, 0)) for number in range(max(states, default=-1) + 1))


def _again(lines: str) -> bool:
    """Whether some of the lines are to be done again, and the others not."""
    return any(int(state) & LineState.AGAIN for state in lines)


def _state(lines: str, number: int) -> int:
    """The :class:`..core.vocabulary.LineState` of a line; of one that nobody speaks of nothing is
    known."""
    return int(lines[number : number + 1] or LineState.ATTRIBUTES)
