# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker process: some threads, one destination mount, chunks of shards from a pipe."""

from __future__ import annotations

import os
import stat
import threading
import time
from itertools import groupby
from operator import itemgetter
from typing import Callable

from ..copy.contents import Throttle
from ..copy.names import Names
from ..copy.session import Session
from ..copy.verify import Check
from ..core.allowance import Allowance
from ..core.outcome import MOST_EXTRAS, Extra, SlowDirectory
from ..core.processes import Line
from ..core.vocabulary import Kind, LineState
from ..fs.listing import look_ahead
from ..fs.worker_count import waits
from ..plan.shards import Row, read_line
from .line_operations import OPERATIONS, compare_names, look_for_newcomers, verify, without
from .messages import Broken, Chunk, Crashed, Done, Fewer, More, Moved, Unanswered
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
    threads = _Threads(settings.threads)
    line.share(lambda: _begin(settings, mount, line, threads), settings.threads)
    threading.Event().wait()  # the process ends with the line; its other threads go on


class _Threads:
    """How many threads a worker has; at least one."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._counting = threading.Lock()

    def add(self) -> None:
        """One more is about to begin."""
        with self._counting:
            self._number += 1

    def may_end(self) -> bool:
        """Whether one may end; then it is not counted any more."""
        with self._counting:
            if self._number < 2:
                return False
            self._number -= 1
            return True


def _begin(settings: Settings, mount: bytes, line: Line, threads: _Threads) -> None:
    """What each of the first threads does."""
    try:
        worker = _Worker(settings, mount, line.tell)
    except OSError as error:
        where = error.filename or mount
        line.tell(Broken(f"{os.fsdecode(where)}: {error.strerror}", where == settings.source))
        return
    _serve(worker, line, threads)


def _serve(worker: _Worker, line: Line, threads: _Threads) -> None:
    """One chunk after the other. A thread between two of them is who makes another, or ends."""
    while True:
        message: Chunk | More | Fewer = line.receive()
        if isinstance(message, More):
            _add(worker, line, threads)
            continue
        if isinstance(message, Fewer):
            if threads.may_end():
                worker.close()
                return
            continue
        chunk = message
        try:
            done: object = worker.chunk(chunk)
        except Exception as error:  # pylint: disable=broad-except
            # A defect here must not take the run along: its items fail, and say why.
            worker.forget()
            done = Crashed(chunk.number, f"{type(error).__name__}: {error}")
        line.tell(done)


def _add(worker: _Worker, line: Line, threads: _Threads) -> None:
    """One thread more. If it can't begin, the others will find out why."""
    try:
        another = worker.another()
    except OSError:
        return
    threads.add()
    line.another(lambda: _serve(another, line, threads))


class _Budget(Throttle):
    """This host's, as a thread of a worker spends it."""

    def __init__(self, allowance: Allowance, waits: Callable[[], None]) -> None:
        super().__init__(1.0)
        self._allowance = allowance
        self._waits = waits

    def spend(self, count: int) -> None:
        self._allowance.spend_bytes(count, self._waits)


class _Worker:
    """One thread of a worker."""

    def __init__(
        self, settings: Settings, mount: bytes, tell: Tell, clean: bool | None = None
    ) -> None:
        self._session = Session(
            settings.source,
            mount,
            frozenset(settings.preserve),
            _Budget(settings.allowance, self._waits) if settings.allowance else None,
            self._moved,
            settings.fsync,
        )
        if settings.rsync:  # which may be killed in this run, and leaves something then
            self._session.clean = False
        if clean is not None:
            self._session.clean = clean
        selection = settings.selection
        takes = None if selection.takes_all else selection.takes
        self._names = Names(self._session, takes, selection.one_file_system)
        self._second = Check(self._session, settings.digests)
        self._session.suspicion = lambda operation: tell(Unanswered(operation))
        self._settings = settings
        self._mount = mount
        self._remote = waits(settings.source)
        self._ask_there = not (settings.compared or self._session.clean) and waits(mount)
        self._tell = tell
        self._number = 0  # of the chunk
        self._lines = ""  # what became of those of the chunk
        self._extras: list[Extra] = []
        self._untold = self._untold_files = 0  # bytes and files
        self._told_at = 0.0

    def another(self) -> _Worker:
        """One more like this. What has been there since is this run's. Raises OSError."""
        return _Worker(self._settings, self._mount, self._tell, self._session.clean)

    def close(self) -> None:
        """Nothing more is to be done."""
        self._session.close()

    def _waits(self) -> None:
        """For the budget, and not for a server."""
        self._moved(0)

    def _spend(self, entries: int) -> None:
        if self._settings.allowance:
            self._settings.allowance.spend_files(entries, self._waits)

    def _moved(self, size: int) -> None:
        self._untold += size
        now = time.monotonic()
        if now - self._told_at > _TELL:
            self._tell(Moved(self._number, self._untold, self._untold_files))
            self._untold, self._untold_files, self._told_at = 0, 0, now

    def chunk(self, chunk: Chunk) -> Done:
        """Do one chunk. An entry's failure is in the result, never an exception."""
        self._number, self._untold, self._lines = chunk.number, 0, ""
        begun = self._told_at = time.monotonic()
        self._untold_files = 0
        slow: list[SlowDirectory] = []
        if chunk.kind == Kind.COPY and self._settings.copy_lines:
            self._spend(sum(len(read_line(chunk.rows, line)[1]) for line in chunk.lines))
            states = self._settings.copy_lines(
                self._session, self._settings, chunk.lines, self._moved
            )
            self._lines = "".join(map(str, states))
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
        check, repair = self._second, settings.repair
        check.lost = frozenset(chunk.lost)
        lines = [read_line(chunk.rows, line) for line in chunk.lines]
        states = iter(chunk.states)
        for directory, group in groupby(lines, key=itemgetter(0)):
            same = [rows for dummy, rows in group]
            if chunk.of != Kind.DIRECTORIES:
                check.expect(directory, [row.name for rows in same for row in rows])
            for rows in same:
                self._spend(len(rows))
                check.attributes = bool(int(next(states)) & LineState.ATTRIBUTES)
                verify(check, chunk.of, directory, rows, repair)
                if chunk.of == Kind.DIRECTORIES:
                    self._extras += compare_names(check, self._names, directory, rows, repair)

    def _copy(self, chunk: Chunk, last: float) -> list[SlowDirectory]:
        """Copy its lines; returns which took longest."""
        session = self._session
        session.metadata.probing, session.checking = True, False
        operation = OPERATIONS[chunk.kind]
        slow: list[SlowDirectory] = []
        files = size = 0
        states: list[str] = []
        compared = self._settings.compared_is_proved and chunk.kind != Kind.DIRECTORIES
        tally, metadata = session.tally, session.metadata
        adapts = self._settings.most > 0
        ahead = dict(chunk.ahead) if self._remote or self._ask_there else {}
        for at, line in enumerate(chunk.lines):
            directory, rows = read_line(chunk.kind, line)
            self._spend(len(rows))
            if at in ahead:
                self._look_ahead(directory, ahead[at])
            due = tally.skipped + len(rows), tally.changed, tally.failed, metadata.had_attributes
            if chunk.broken:
                rows = without(session, chunk.kind, directory, rows, chunk.broken)
            operation(session, directory, rows)
            state = LineState.ATTRIBUTES if metadata.had_attributes > due[3] else 0
            if compared and (tally.changed, tally.failed) == due[1:3]:
                # Directories have rows of their own for the second pass.
                other = due[0] - tally.skipped
                if not other or len(rows) > other == sum(map(_is_directory, rows)):
                    state |= LineState.EQUAL
            states.append(str(state))
            if chunk.kind == Kind.DIRECTORIES and not self._settings.second_pass:
                look_for_newcomers(session, self._names, directory, rows)
            now = time.monotonic()
            slow.append(
                SlowDirectory(now - last, directory, tally.files - files, tally.bytes - size)
            )
            if adapts:
                # A directory costs a few calls, too.
                self._untold_files += len(rows) + 1
                if now - self._told_at > _TELL:
                    self._moved(0)
            last, files, size = now, tally.files, tally.bytes
        self._lines = "".join(states)
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
        self._extras = []

    def _done(self, chunk: Chunk, slow: list[SlowDirectory], seconds: float) -> Done:
        session = self._session
        failures, session.failures = session.failures, []
        extras, self._extras = self._extras, []
        return Done(
            chunk.number,
            session.tally.take(),
            failures,
            session.losses.take(),
            slow,
            seconds,
            self._lines,
            tuple(extras[:MOST_EXTRAS]),
        )


def _is_directory(row: Row) -> bool:
    return stat.S_ISDIR(row.want.mode)
