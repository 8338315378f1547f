# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker process: some threads, one destination mount, chunks of shards from a pipe."""

from __future__ import annotations

import os
import time
from typing import Callable

from ..copy.contents import Throttle
from ..copy.newcomers import Newcomers
from ..copy.session import Session
from ..core.outcome import SlowDirectory
from ..core.processes import Line
from ..core.vocabulary import Kind
from ..fs.listing import look_ahead
from ..fs.worker_count import waits
from ..plan.shards import read_line
from .line_operations import OPERATIONS, look_again, verify, without
from .messages import Broken, Chunk, Crashed, Done, Moved, Unanswered
from .settings import Settings

_TELL = 0.5  # seconds between words about a chunk under way
_PER_ROW = 32  # entries that are listed for each row that gains, at most; a call has about 90
_SLOWEST = 5  # directories of a chunk that are told
Tell = Callable[[object], None]


def work(settings: Settings, mount: bytes, line: Line) -> None:
    """The process' main function: serve chunks until the line ends."""
    if "mode" in settings.preserve:
        os.umask(0)
    line.listen()
    line.share(lambda: _serve(settings, mount, line), settings.threads)


def _serve(settings: Settings, mount: bytes, line: Line) -> None:
    """What each thread does."""
    try:
        worker = _Worker(settings, mount, line.tell)
    except OSError as error:
        where = error.filename or mount
        line.tell(Broken(f"{os.fsdecode(where)}: {error.strerror}", where == settings.source))
        return
    while True:
        chunk: Chunk = line.receive()
        try:
            done: object = worker.chunk(chunk)
        except Exception as error:  # pylint: disable=broad-except
            # A defect here must not take the run along: its items fail, and say why.
            worker.forget()
            done = Crashed(chunk.number, f"{type(error).__name__}: {error}")
        line.tell(done)


class _Worker:
    """One thread of a worker."""

    def __init__(self, settings: Settings, mount: bytes, tell: Tell) -> None:
        share = settings.bandwidth_limit / (settings.processes * settings.threads)
        self._session = Session(
            settings.source,
            mount,
            frozenset(settings.preserve),
            Throttle(share) if share else None,
            self._moved,
            settings.fsync,
        )
        if settings.rsync:  # which may be killed in this run, and leaves something then
            self._session.clean = False
        selection = settings.selection
        self._newcomers = Newcomers(self._session, selection.takes, selection.one_file_system)
        self._session.suspicion = lambda operation: tell(Unanswered(operation))
        self._settings = settings
        self._remote = waits(settings.source)
        self._ask_there = not (settings.compared or self._session.clean) and waits(mount)
        self._tell = tell
        self._number = 0  # of the chunk
        self._untold = 0  # bytes
        self._told_at = 0.0

    def _moved(self, size: int) -> None:
        self._untold += size
        now = time.monotonic()
        if now - self._told_at > _TELL:
            self._tell(Moved(self._number, self._untold))
            self._untold, self._told_at = 0, now

    def chunk(self, chunk: Chunk) -> Done:
        """Do one chunk. An entry's failure is in the result, never an exception."""
        self._number, self._untold = chunk.number, 0
        begun = time.monotonic()
        slow: list[SlowDirectory] = []
        if chunk.kind == Kind.COPY and self._settings.copy_lines:
            self._settings.copy_lines(self._session, self._settings, chunk.lines, self._moved)
        elif chunk.kind == Kind.VERIFY:
            self._check(chunk)
        else:
            slow = self._copy(chunk, begun)
        return self._done(chunk, slow, time.monotonic() - begun)

    def _check(self, chunk: Chunk) -> None:
        settings, session = self._settings, self._session
        session.metadata.probing = False
        session.look_afresh()
        if chunk.of == Kind.DIRECTORIES:
            session.sources.look_afresh()
        for line in chunk.lines:
            directory, rows = read_line(chunk.rows, line)
            verify(session, chunk.of, directory, rows, settings.digests, settings.repair)
            if chunk.of == Kind.DIRECTORIES:
                look_again(session, self._newcomers, directory, rows)

    def _copy(self, chunk: Chunk, last: float) -> list[SlowDirectory]:
        """Copy its lines; returns which took longest."""
        session = self._session
        session.metadata.probing = True
        operation = OPERATIONS[chunk.kind]
        slow: list[SlowDirectory] = []
        files = size = 0
        ahead = dict(chunk.ahead) if self._remote or self._ask_there else {}
        for at, line in enumerate(chunk.lines):
            directory, rows = read_line(chunk.kind, line)
            if at in ahead:
                self._look_ahead(directory, ahead[at])
            if chunk.broken:
                rows = without(session, chunk.kind, directory, rows, chunk.broken)
            operation(session, directory, rows)
            if chunk.kind == Kind.DIRECTORIES and not self._settings.second_pass:
                look_again(session, self._newcomers, directory, rows)
            now = time.monotonic()
            tally = session.tally
            slow.append(
                SlowDirectory(now - last, directory, tally.files - files, tally.bytes - size)
            )
            last, files, size = now, tally.files, tally.bytes
        slow.sort(reverse=True)
        return slow[:_SLOWEST]

    def _look_ahead(self, directory: bytes, rows: int) -> None:
        """Let this client be told where a directory's entries are, many by a call; and what the
        destination has of them, unless the scan has found that out. A directory of which others
        copy most is not listed to its end: that would cost more calls than it saves."""
        try:
            if self._remote:
                look_ahead(self._session.source(directory), rows * _PER_ROW)
            if self._ask_there:
                look_ahead(self._session.target(directory).fd, rows * _PER_ROW)
        except OSError:
            pass  # the copy will say it, or make it

    def forget(self) -> None:
        """Drop what was noted of a chunk."""
        self._session.tally.take()
        self._session.losses.take()
        self._session.failures = []

    def _done(self, chunk: Chunk, slow: list[SlowDirectory], seconds: float) -> Done:
        session = self._session
        failures, session.failures = session.failures, []
        return Done(
            chunk.number, session.tally.take(), failures, session.losses.take(), slow, seconds
        )
