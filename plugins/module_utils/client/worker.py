# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker process: some threads, one destination mount, chunks of shards from a pipe."""

from __future__ import annotations

import os
import signal
import threading
import time
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple

from ..copy.contents import Throttle
from ..copy.session import Session
from ..core.outcome import Failure, Loss
from ..core.vocabulary import Kind
from ..plan.shards import read_line
from .line_operations import OPERATIONS, discard, verify, without
from .rsync_lines import copy_lines
from .settings import Settings

_TELL = 0.5  # seconds between words about a large file


class Chunk(NamedTuple):
    """A piece of a shard: its lines, each of one directory."""

    number: int
    shard: int
    kind: str
    of: str
    lines: list[bytes]
    broken: frozenset[bytes]
    cost: float = 0.0


class Done(NamedTuple):
    """What became of a chunk; ``counts`` in the order of :class:`..core.outcome.Tally`."""

    number: int
    counts: tuple[int, ...]
    failures: list[Failure]
    losses: dict[str, Loss]
    slow: list[tuple[float, bytes, int, int]]
    seconds: float


class Moved(NamedTuple):
    """Bytes of a large file that is still under way."""

    count: int  # type: ignore[assignment]


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


def work(pipe: Connection, settings: Settings, mount: bytes) -> None:
    """The process' main function: serve chunks until the pipe ends.

    This thread only receives: were it to work as well, it could wait for room for a result while
    its parent waits for room for the next chunk.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "mode" in settings.preserve:
        os.umask(0)
    chunks: SimpleQueue[Chunk | None] = SimpleQueue()
    threads = [
        threading.Thread(target=_serve, args=(pipe, settings, mount, chunks, lock), daemon=True)
        for lock in [threading.Lock()]
        for dummy in range(settings.threads)
    ]
    for thread in threads:
        thread.start()
    try:
        while True:
            chunks.put(pipe.recv())
    except (EOFError, OSError):
        pass  # the client's main process is gone, or has no more work
    for thread in threads:
        chunks.put(None)


def _serve(
    pipe: Connection,
    settings: Settings,
    mount: bytes,
    chunks: SimpleQueue[Chunk | None],
    writing: threading.Lock,
) -> None:
    def tell(what: object) -> None:
        with writing:
            pipe.send(what)

    try:
        try:
            worker = _Worker(settings, mount, tell)
        except OSError as error:
            where = error.filename or mount
            tell(Broken(f"{os.fsdecode(where)}: {error.strerror}", where == settings.source))
            return
        for chunk in iter(chunks.get, None):
            try:
                done: object = worker.chunk(chunk)
            except Exception as error:  # pylint: disable=broad-except
                # A defect here must not take the run along: its items fail, and say why.
                worker.forget()
                done = Crashed(chunk.number, f"{type(error).__name__}: {error}")
            tell(done)
    except OSError:
        pass  # as above


class _Worker:
    """One thread of a worker."""

    def __init__(self, settings: Settings, mount: bytes, tell: Any) -> None:
        share = settings.bandwidth_limit / (settings.processes * settings.threads)
        self._copier = Session(
            settings.source,
            mount,
            frozenset(settings.preserve),
            Throttle(share) if share else None,
            self._moved,
            settings.fsync,
        )
        self._copier.suspicion = lambda operation: tell(Unanswered(operation))
        self._settings = settings
        self._mount = mount
        self._digests = settings.digests
        self._tell = tell
        self._told = 0
        self._told_at = 0.0

    def _moved(self, count: int) -> None:
        self._told += count
        now = time.monotonic()
        if now - self._told_at > _TELL:
            self._tell(Moved(self._told))
            self._told, self._told_at = 0, now

    def chunk(self, chunk: Chunk) -> Done:
        """Do one chunk. An entry's failure is in the result, never an exception."""
        copier = self._copier
        begun = last = time.monotonic()
        if chunk.kind == Kind.COPY and self._settings.rsync:
            copy_lines(copier, self._settings, chunk.lines, chunk.broken, self._moved)
            return self._done(chunk, [], time.monotonic() - begun)
        slow: list[tuple[float, bytes, int, int]] = []
        operation = OPERATIONS.get(chunk.kind)
        copier.metadata.probing = operation is not None
        files = size = 0
        for line in chunk.lines:
            directory, rows = read_line(line)
            whole = without(rows, directory, chunk.broken)
            if chunk.kind == Kind.FINISH and len(whole) < len(rows):
                discard(copier, directory, [row for row in rows if row not in whole])
            rows = whole
            if operation is None:
                verify(copier, chunk.of, directory, rows, self._digests)
            else:
                operation(copier, directory, rows)
            now = time.monotonic()
            tally = copier.tally
            slow.append((now - last, directory, tally.files - files, tally.bytes - size))
            last, files, size = now, tally.files, tally.bytes
        self._told = 0
        return self._done(chunk, slow if operation else [], last - begun)

    def forget(self) -> None:
        """Drop what was counted of a chunk."""
        self._copier.tally.take()
        self._copier.failures.clear()

    def _done(
        self, chunk: Chunk, slow: list[tuple[float, bytes, int, int]], seconds: float
    ) -> Done:
        copier = self._copier
        failures = [tuple(failure) for failure in copier.failures]
        copier.failures.clear()
        losses = copier.losses.take()
        slow.sort(reverse=True, key=lambda entry: entry[0])
        return Done(chunk.number, copier.tally.take(), failures, losses, slow[:5], seconds)
