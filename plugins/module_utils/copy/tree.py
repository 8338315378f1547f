# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies a whole tree on one machine: walk and copy in the same worker, no index, no plan.

A coordinator hands directories to worker processes; a worker lists a directory, copies what is in
it and reports the subdirectories. A directory gets its metadata as soon as nothing more will be
made in it. Hard links are made at the end, each group from its first name.
"""

from __future__ import annotations

import os
import stat
import time
from collections import OrderedDict, deque
from typing import Any, Callable, NamedTuple, Sequence

from ..core.errors import IngestError
from ..core.outcome import Counts, Failure, Losses
from ..core.paths import display, join, split
from ..core.processes import SMALL
from ..core.steps import LIST, MAKE_DIRECTORY, STAT, VERIFY
from ..core.task_pool import Batch, Task, TaskPool
from ..core.want import NOT_LISTED, as_seen, names_digest, want_of
from ..fs.listing import named
from ..fs.worker_count import waits, workers_for
from .entry import copy_found, copy_link
from .names import Names
from .preserve import preserve_directory
from .session import Session

# Entries of a large directory that one worker copies in one go: few where each takes long.
CHUNK, CHUNK_OF_THREADS = 1000, 32
_BATCH = 16  # directories
_LIST, _NAMES, _ITEM, _LINK, _FINISH = range(5)


class TreeResult:
    """What became of a tree: counts of entries and bytes, failures and losses."""

    def __init__(self) -> None:
        self.files = self.directories = self.bytes = self.skipped = self.changed = 0
        self.removed = 0  # what killed runs had left
        self.failures: list[Failure] = []
        self.losses = Losses()
        self.seconds = 0.0


class _Unfinished:
    """A directory with something outstanding in it: how much, whether links come yet, and as what
    it was listed, see :meth:`.names.Names.newcomers`."""

    __slots__ = ("left", "linked", "seen", "names")

    def __init__(self) -> None:
        self.left = 1
        self.linked = False
        self.seen, self.names = 0, NOT_LISTED


class _Listed(NamedTuple):
    """Something of a directory is done: what is to be done below it and in it yet, whether the
    worker finished all of it; after its listing, as what it was listed."""

    path: bytes
    below: Sequence[bytes] = ()
    chunks: Sequence[bytes] = ()
    whole: bool = False
    seen: int = 0
    names: int | None = None


class _Report(NamedTuple):
    """A worker's answer to one batch of tasks."""

    listed: list[_Listed]
    held: list[tuple[int, int, bytes]]
    counts: tuple[int, ...]
    failures: list[tuple[bytes, str, int, str]]
    losses: dict[str, tuple[int, bytes, str]]


def copy_tree(
    source: bytes,
    destination: bytes,
    workers: object,
    preserve: frozenset[str],
    progress: Callable[[int, int], None] | None = None,
) -> TreeResult:
    """Copy everything below ``source`` into the existing directory ``destination``.

    Args:
        workers: how many copy at once, or ``auto``; threads where calls wait for a server.
        preserve: of metadata.PRESERVE; with "links", hard links stay hard links.
        progress: called with entries and bytes copied since the last call.

    Raises:
        IngestError: one tree lies in the other, or one can't be opened, ``workers`` is neither a
            number nor ``auto``, or a worker died.
    """
    check_apart(source, destination)
    started = time.monotonic()
    crew = workers_for((source, destination), workers)
    result = _Coordinator(source, destination, crew, preserve, progress).run()
    result.seconds = time.monotonic() - started
    return result


def check_apart(source: bytes, destination: bytes) -> None:
    """Raises IngestError if one tree lies in the other, or both are one."""
    real = os.path.realpath(source), os.path.realpath(destination)
    for inner, outer in (real, real[::-1]):
        if (inner + b"/").startswith(outer.rstrip(b"/") + b"/"):
            raise IngestError(
                f"the source {display(source)} and the destination {display(destination)} "
                "lie in each other"
            )


class _Coordinator:
    """Hands out the work, and knows which directories are done."""

    def __init__(
        self,
        source: bytes,
        destination: bytes,
        crew: tuple[int, int],
        preserve: frozenset[str],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._trees = (source, destination, preserve)
        self._crew = crew
        self._chunk = CHUNK_OF_THREADS if crew[1] > 1 else CHUNK
        self._workers = crew[0] * crew[1]
        self._progress = progress
        self._result = TreeResult()
        # Last in, first out: depth first, so that few directories wait.
        self._waiting: list[Task] = [(_LIST, b"")]
        self._soon: deque[Task] = deque()
        # Chunks of large directories. One of each in turn: a kernel lets nobody else make an entry
        # in a directory as long as a server has not answered.
        self._chunks: OrderedDict[bytes, list[bytes]] = OrderedDict()
        self._open: dict[bytes, _Unfinished] = {}
        self._leaders: dict[tuple[int, int], bytes] = {}
        self._links: list[Task] = []
        self._late: list[Task] = []

    def run(self) -> TreeResult:
        """Start the workers, work through the tree, end them."""
        source, destination, preserve = self._trees

        def make() -> Batch:
            if "mode" in preserve:
                os.umask(0)
            session = Session(source, destination, preserve)
            return _Worker(session, "links" in preserve, self._chunk).batch

        pool = TaskPool(self._crew, make)
        try:
            for waiting in (self._waiting, self._links, self._late):
                self._waiting = waiting
                pool.drain(self._fetch, lambda report: self._take(_Report(*report)))
        finally:
            pool.close()
        return self._result

    def _fetch(self) -> list[Task]:
        """The next tasks for one worker: some directories, when there are many."""
        many = (len(self._waiting) + len(self._soon) + len(self._chunks)) // (2 * self._workers)
        tasks: list[Task] = []
        size = 0
        while len(tasks) < max(1, min(_BATCH, many)) and size < SMALL:
            task = self._next()
            if task is None:
                break
            tasks.append(task)
            size += _size(task)
        return tasks

    def _next(self) -> Task | None:
        if self._soon:
            return self._soon.popleft()
        if self._waiting and len(self._chunks) < self._workers:
            return self._waiting.pop()
        if not self._chunks:
            return None
        path, chunks = self._chunks.popitem(last=False)
        chunk = chunks.pop()
        if chunks:
            self._chunks[path] = chunks
        return _NAMES, path, chunk

    def _take(self, report: _Report) -> None:
        result = self._result
        counts = Counts._make(report.counts)
        files, directories, moved, skipped, changed = counts[:5]
        result.removed += counts.removed
        result.files += files
        result.directories += directories
        result.bytes += moved
        result.skipped += skipped
        result.changed += changed
        result.failures += [Failure(*failure) for failure in report.failures]
        for kind, (count, path, why) in report.losses.items():
            result.losses.add(kind, path, why, count)
        for device, inode, path in report.held:
            self._hold((device, inode), path)
        for listed in report.listed:
            self._listed(listed)
        if self._progress and files:
            self._progress(files, moved)

    def _hold(self, file: tuple[int, int], path: bytes) -> None:
        leader = self._leaders.setdefault(file, path)
        directory = split(path)[0]
        state = self._open.setdefault(directory, _Unfinished())
        if leader is path:
            state.left += 1
            self._soon.append((_ITEM, path))
        else:
            state.linked = True
            self._links.append((_LINK, leader, path))

    def _listed(self, listed: _Listed) -> None:
        path = listed.path
        if listed.whole:
            self._up(path)
            return
        state = self._open.setdefault(path, _Unfinished())
        state.left += len(listed.below) + len(listed.chunks)
        if listed.names is not None:
            state.seen, state.names = listed.seen, listed.names
        self._waiting += [(_LIST, join(path, name)) for name in listed.below]
        if listed.chunks:
            self._chunks[path] = list(listed.chunks[::-1])
        self._less(path)

    def _less(self, path: bytes) -> None:
        """One thing less is outstanding in a directory, and maybe in those above it."""
        while True:
            state = self._open[path]
            state.left -= 1
            if state.left:
                return
            del self._open[path]
            if state.linked:
                self._late.append((_FINISH, path, state.seen, state.names))
            else:
                self._soon.append((_FINISH, path, state.seen, state.names))
            if not path:
                return
            path = split(path)[0]

    def _up(self, path: bytes) -> None:
        if path:
            self._less(split(path)[0])


def _joined(names: list[bytes]) -> list[bytes]:
    """The names for a task, or for several, as a pipe holds only so much."""
    text = b"/".join(names)
    if len(text) <= SMALL:
        return [text]
    half = len(names) // 2
    return _joined(names[:half]) + _joined(names[half:])


def _size(task: Task) -> int:
    if task[0] == _NAMES:
        return len(task[2])
    return len(task[1]) + 20


class _Worker:
    """Does the tasks of one process."""

    def __init__(self, session: Session, hold: bool, chunk: int) -> None:
        self._session = session
        self._remote = waits(session.sources.root)
        self._names = Names(session)
        self._chunk = chunk
        self._hold = hold
        self._listed: list[_Listed] = []
        self._held: list[tuple[int, int, bytes]] = []

    def batch(self, tasks: list[Task]) -> tuple[Any, ...]:
        """Do these, and report."""
        session = self._session
        for task in tasks:
            kind, path = task[0], task[1]
            if kind == _LIST:
                self._list(path)
            elif kind == _NAMES:
                self._copy(path, task[2].split(b"/"))
                self._listed.append(_Listed(path))
            elif kind == _FINISH:
                self._finish(*task[1:])
            else:
                self._single(task)
        report = (
            self._listed,
            self._held,
            tuple(session.tally.take()),
            [tuple(f) for f in session.failures],
            {kind: tuple(loss) for kind, loss in session.losses.take().items()},
        )
        self._listed, self._held = [], []
        session.failures = []
        return report

    def _list(self, path: bytes) -> None:
        """Copy a directory's entries, or report them in chunks if they are many."""
        session = self._session
        below: list[bytes] = []
        names: list[bytes] = []
        chunks: list[bytes] = []
        seen, digest, failed = 0, NOT_LISTED, False
        try:
            session.step = MAKE_DIRECTORY
            session.target(path, True)
        except OSError as error:
            session.fail(path, error)
            self._listed.append(_Listed(path, whole=True))
            return
        try:
            session.step = LIST
            fd = session.source(path)
            seen = as_seen(os.fstat(fd).st_ctime_ns, time.time())
            for run in named(fd, self._remote):
                below += run.directories
                names += [b"f" + name for name in run.files]
                names += [b"o" + name for name in run.others]
                if run.failed:
                    failed = True
                    self._unknown(path, run.failed)
                while len(names) >= self._chunk:
                    chunks += _joined(names[: self._chunk])
                    del names[: self._chunk]
            if not failed:
                digest = 0
            if not (failed or chunks or seen):  # else the ctime tells
                digest = names_digest(sorted(name[1:] for name in names), sorted(below))
        except OSError as error:
            session.fail(path, error)
        held = len(self._held)
        if chunks and names:
            chunks += _joined(names)
        elif names:
            self._copy(path, names)
        whole = not below and not chunks and len(self._held) == held
        if whole:
            self._finish(path, seen, digest)
        self._listed.append(_Listed(path, below, chunks, whole, seen, digest))

    def _unknown(self, path: bytes, entries: list[tuple[bytes, OSError]]) -> None:
        session = self._session
        session.step = STAT
        for name, error in entries:
            session.fail(join(path, name), error)
        session.step = LIST

    def _copy(self, path: bytes, names: list[bytes]) -> None:
        """Copy entries of a directory; an f in front of the name says that it is a regular file."""
        session, hold = self._session, self._hold
        for marked in names:
            name = marked[1:]
            found = copy_found(session, path, name, marked[:1] == b"f", hold)
            if found is not None:
                self._held.append((found.st_dev, found.st_ino, join(path, name)))

    def _finish(self, path: bytes, seen: int, names: int) -> None:
        session = self._session
        try:
            session.step = STAT
            found = self._names.look(session.source(path))
        except OSError as error:
            session.fail(path, error)
        else:
            preserve_directory(session, path, want_of(found))
            if found.st_ctime_ns == seen:
                return
            session.step = VERIFY
            try:
                self._names.newcomers(path, seen, names)
            except OSError as error:
                session.fail(path, error)

    def _single(self, task: Task) -> None:
        """The first name of a file with several, or one of the others."""
        session = self._session
        path = task[-1]
        directory, name = split(path)
        try:
            session.step = STAT
            found = os.stat(name, dir_fd=session.source(directory), follow_symlinks=False)
        except OSError as error:
            session.fail(path, error)
        else:
            if task[0] == _ITEM:
                copy_found(session, directory, name, stat.S_ISREG(found.st_mode), False)
            else:
                copy_link(session, directory, name, want_of(found), task[1])
        if task[0] == _ITEM:
            self._listed.append(_Listed(directory))
