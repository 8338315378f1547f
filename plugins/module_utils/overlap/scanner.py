# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a host that scan, beside those that copy."""

from __future__ import annotations

import time
from collections import deque
from functools import partial

from ..core.errors import IngestError
from ..core.processes import Crew, Ended, Member
from ..mounts.watchdog import Watch
from .piece_work import Packed, ScanWork, Task, serve

_TRIES = 3


class Scanner:
    """Does scan shards. Not a thread: call :meth:`step` now and then."""

    def __init__(self, work: ScanWork, stall: float) -> None:
        """``stall``: seconds that the source may not answer (0: for ever)."""
        self._work = work
        self._crew = Crew()
        self._todo: deque[Task] = deque()
        self._busy: dict[Member, tuple[Task, float]] = {}
        self._tries: dict[int, int] = {}
        self._watch = Watch(work.options.source, [], stall)
        self.entries = 0  # that were found so far

    @property
    def count(self) -> int:
        """How many shards are done at once."""
        return self._work.processes

    @property
    def busy(self) -> bool:
        """Whether a shard is unfinished."""
        return bool(self._todo or self._busy)

    def add(self, shard: int, data: bytes) -> None:
        """Take on a scan shard."""
        self._todo.append(Task(shard, data))

    def step(self) -> list[Packed]:
        """Hand out shards, hear what is done; never waits.

        Raises:
            IngestError: what is found can't be written, or the source does not answer.
        """
        self._hand_out()
        packed: list[Packed] = []
        for member in self._crew.wait(0.0):
            if member not in self._busy:  # it was idle, and was killed
                self._crew.remove(member)
                continue
            task, _since = self._busy.pop(member)
            try:
                done: Packed = member.receive()
            except Ended as error:
                self._again(member, task, str(error))
                continue
            packed.append(done)
            self.entries += done.entries
        self._watch_source()
        self._hand_out()
        return packed

    def _hand_out(self) -> None:
        while self._todo and len(self._busy) < self.count:
            idle = [member for member in self._crew.members if member not in self._busy]
            member = idle[0] if idle else self._crew.add(partial(serve, work=self._work))
            task = self._todo.popleft()
            self._busy[member] = task, time.monotonic()
            member.send(task)

    def _again(self, member: Member, task: Task, why: str) -> None:
        """Its process ended, perhaps as somebody killed it."""
        self._crew.remove(member)
        self._tries[task.shard] = self._tries.get(task.shard, 0) + 1
        if self._tries[task.shard] >= _TRIES:
            raise IngestError(f"the source can't be scanned: {why}")
        self._todo.appendleft(task)

    def _watch_source(self) -> None:
        """A source that does not answer fails the host: without it nothing can be complete."""
        now = time.monotonic()
        silence = max((now - since for _task, since in self._busy.values()), default=0.0)
        self._watch.step({self._work.options.source: silence}, [])

    def close(self) -> None:
        """End all processes at once."""
        self._watch.close()
        self._crew.close()

    def finish(self) -> None:
        """Let the idle processes end."""
        self._watch.close()
        self._crew.finish()
