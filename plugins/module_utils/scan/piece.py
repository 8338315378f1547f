# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A piece of a scan: some directories, and what is below them as far as a bounded time allows.

What it finds is an index of one part, complete as far as it goes, whose directories have ids that
no other piece gives; what it did not get to is left for other pieces. So a tree is scanned by as
many hosts as there are, and a piece whose host died is simply done again.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any, NamedTuple

from ..core.paths import to_bytes, to_text
from ..index.assemble import DIRECTORIES_EACH
from ..index.prune import passing
from ..index.rows import Totals
from ..index.writer import Completion, clear, errors_named
from .compare import THERE, UNKNOWN
from .gathered import Gathered
from .lister import Lister
from .messages import Group, Report, Task

_GROUPS = 64  # of one line of a piece's text


class Piece(NamedTuple):
    """What came of a piece: ``rest`` are the directories that it did not get to, ``lost`` the ids
    of directories of other pieces, once for each subdirectory that has no row, ``matched`` globs,
    ``passing`` the ids of directories that count only for what a glob finds below."""

    totals: Totals
    rest: list[Group]
    lost: list[int]
    matched: set[int]
    passing: list[int]


def first_groups(task: Task) -> list[Group]:
    """The source, as the first piece has it."""
    active = task.globs.start if task.globs else None
    return [Group(0, b"", 0, active, b"", 0, THERE if task.compare else UNKNOWN)]


def scan_piece(task: Task, number: int, groups: list[Group], seconds: float, entries: int) -> Piece:
    """List the directories of ``groups`` and what is below them, for so many ``seconds`` and about
    so many ``entries`` (one directory at least), into an index in the task's folder. ``number`` is
    the piece's own, from 1.

    Raises:
        IngestError: the index can't be written.
    """
    with errors_named(task.folder):
        clear(task.folder)
        return _Walk(task, number, groups, seconds, entries).run()


class _Walk:
    def __init__(
        self, task: Task, number: int, groups: list[Group], seconds: float, entries: int
    ) -> None:
        self._task = task
        self._number = number
        self._started = time.time()
        self._until = time.monotonic() + seconds
        self._most = entries
        self._todo = list(reversed(groups))
        self._lost: list[int] = []
        self._matched: set[int] = set()
        self._under_way = 0
        self._over = False
        self._failed: BaseException | None = None
        listed = number * DIRECTORIES_EACH
        self._gathered = Gathered(task, 0, self._hear, listed)
        self._news = threading.Condition(self._gathered.lock)

    def run(self) -> Piece:
        """Walk; raises what a thread raised."""
        threads = [
            threading.Thread(target=self._guarded, daemon=True)
            for _number in range(self._task.threads - 1)
        ]
        for thread in threads:
            thread.start()
        self._guarded()
        for thread in threads:
            thread.join()
        if self._failed is not None:
            raise self._failed
        return self._finish()

    def _hear(self, report: Report) -> None:
        """What was found is to be listed, too; its caller holds the lock."""
        self._todo += report.found
        self._lost += report.lost
        self._matched |= report.matched
        self._news.notify_all()

    def _guarded(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # pylint: disable=broad-except
            with self._news:
                self._failed = self._failed or error
                self._over = True
                self._news.notify_all()

    def _serve(self) -> None:
        lister = Lister(self._gathered)
        while True:
            found = self._next()
            if found is None:
                return
            lister.directory(*found)
            with self._news:
                self._under_way -= 1
                self._gathered.tell(True)

    def _next(self) -> tuple[Group, bytes] | None:
        """A directory to be listed; None if this is enough, or all."""
        with self._news:
            while not self._over:
                if self._todo:
                    group = self._todo.pop()
                    names, _separator, name = group.names.rpartition(b"\0")
                    if _separator:
                        self._todo.append(group._replace(names=names))
                    self._under_way += 1
                    totals = self._gathered.part.totals
                    self._over = (
                        time.monotonic() > self._until
                        or totals.entries + totals.directories >= self._most
                    )
                    return group, name
                if not self._under_way:
                    break
                self._news.wait()
            return None

    def _finish(self) -> Piece:
        task = self._task
        finished = [self._gathered.part.finish()]
        first = self._number * DIRECTORIES_EACH << 6
        ours = range(first, first + (DIRECTORIES_EACH << 6))
        parts = Completion(task.folder, 1)
        for directory in self._lost:
            if directory in ours:
                parts.lose(directory, 1)
        on_the_way = passing(parts.parts[0]) if task.globs else []
        parts.finish(finished, {"started": self._started, "finished": time.time()})
        lost = [directory for directory in self._lost if directory not in ours]
        return Piece(finished[0][0], self._todo, lost, self._matched, on_the_way)


def to_lines(groups: list[Group], pieces: int) -> list[bytes]:
    """Groups as the text of ``pieces`` pieces, or fewer, of about as many directories each."""
    single: list[Group] = []
    whole = sum(group.names.count(b"\0") + 1 for group in groups)
    most = max(1, min(_GROUPS, whole // (4 * pieces)))
    for group in groups:
        names = group.names.split(b"\0")
        single += [
            group._replace(names=b"\0".join(names[at : at + most]))
            for at in range(0, len(names), most)
        ]
    dealt = [single[number::pieces] for number in range(pieces)]
    return [_line(some) for some in dealt if some]


def _line(groups: list[Group]) -> bytes:
    rows: list[list[Any]] = [
        [
            group.parent,
            to_text(group.path),
            group.depth,
            group.active,
            to_text(group.names),
            group.inode,
            group.place,
        ]
        for group in groups
    ]
    return json.dumps(rows).encode("ascii")


def from_line(line: bytes) -> list[Group]:
    """The groups of a piece's text."""
    return [
        Group(
            parent,
            to_bytes(path),
            depth,
            None if active is None else tuple(active),
            to_bytes(names),
            inode,
            place,
        )
        for parent, path, depth, active, names, inode, place in json.loads(line)
    ]
