# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One client's workers: takes shards, spreads their chunks over processes and mounts."""

from __future__ import annotations

import errno
import heapq
import json
import multiprocessing
import time
from collections import Counter, deque
from multiprocessing.connection import Connection, wait
from typing import Any, Iterator

from ..core.errors import IngestError
from ..core.outcome import Failure, Tally
from ..core.paths import join, to_bytes, to_text
from ..core.vocabulary import Kind
from ..mounts.left_out import LeftOut, listing
from ..mounts.watchdog import Watch
from ..plan import shards
from ..plan.cost import cost_of
from ..plan.shards import Header
from .mount_shares import Spread
from .settings import Settings
from .worker import Broken, Chunk, Crashed, Done, Moved, Unanswered, work

_CONTEXT = multiprocessing.get_context("fork")
_SLOW = 20
COUNTS = Tally.__slots__
_FAILED = COUNTS.index("failed")
# What another mount may not have: these items are tried once more there.
_OF_THE_MOUNT = (errno.ETIMEDOUT, errno.ESTALE, errno.EIO, errno.EHOSTUNREACH, errno.ENETUNREACH)
_TRIES = 3


class _Open:
    """A shard under way."""

    def __init__(self, header: Header, data: bytes) -> None:
        self.header = header
        self.data: bytes | None = data
        self.lines: Iterator[tuple[int, int, bytes]] | None = None
        self._following: tuple[int, int, bytes] | None = None
        self.outstanding = 0
        self.exhausted = False
        self.seconds = 0.0
        self.mounts: dict[bytes, list[int]] = {}
        self.mount_seconds: dict[bytes, float] = {}
        self.failures: list[tuple[bytes, bytes, str, int, str]] = []

    def next_lines(
        self, most_files: int, most_bytes: int, threads: int
    ) -> tuple[list[bytes], float]:
        """The lines of the next chunk, and their cost; none when the shard is exhausted."""
        if self.lines is None:
            self.lines = shards.unpack(self.data or b"")
            if threads > 1 and self.header.kind == Kind.COPY:
                self.lines = shards.in_turn(self.lines)
            self.data = None
            self._following = next(self.lines, None)
        taken: list[bytes] = []
        files = size = 0
        while self._following is not None:
            count, line_bytes, body = self._following
            if taken and (files + count > most_files or size + line_bytes > most_bytes):
                break
            taken.append(body)
            files += count
            size += line_bytes
            self._following = next(self.lines, None)
        self.exhausted = self._following is None
        return taken, cost_of(files, size)


class _Worker:
    """A worker process as its parent sees it."""

    def __init__(self, settings: Settings, mount: bytes, others: list[Connection]) -> None:
        self.mount = mount
        self.pipe, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(
            target=_start, args=(theirs, settings, mount, others + [self.pipe]), daemon=True
        )
        self.process.start()
        theirs.close()
        self.chunks: dict[int, tuple[_Open, Chunk]] = {}
        self.heard = time.monotonic()

    def kill(self) -> None:
        """End it now. Never waits: a process that hangs in a dead mount can't be joined."""
        self.process.kill()
        self.pipe.close()


def _start(pipe: Connection, settings: Settings, mount: bytes, others: list[Connection]) -> None:
    for other in others:  # or no worker would ever see the end of its pipe
        other.close()
    work(pipe, settings, mount)


class Runner:
    """Runs shards with worker processes. Not a thread: call :meth:`step` until nothing is left."""

    def __init__(self, settings: Settings, stall: float = 0.0, ahead: int = 2) -> None:
        """``stall``: seconds without a word from its workers after which a mount is left out, if it
        does not answer and others do (0: never); see :class:`..mounts.watchdog.Watch`."""
        self._settings = settings
        self._watch = Watch(settings.source, settings.destinations, stall)
        self._depth = settings.threads * ahead
        self._queues: dict[bytes, deque[_Open]] = {m: deque() for m in settings.destinations}
        # With the mount that shall not have it again.
        self._retry: deque[tuple[_Open, Chunk, bytes]] = deque()
        self._spread = Spread(settings.destinations)
        self._repeats: dict[int, int] = {}
        self._tries: dict[int, int] = {}
        self._number = 0
        self._workers: list[_Worker] = []
        self.left_out: dict[bytes, LeftOut] = {}  # mounts that are left out, and why
        self._shards = 0
        self.files = self.bytes = self.failed = 0
        self._large = 0
        self.losses: dict[str, list[Any]] = {}
        self.slow: list[tuple[float, bytes, int, int]] = []
        for number in range(settings.processes):
            self._spawn(settings.destinations[number % len(settings.destinations)])

    def _spawn(self, mount: bytes) -> None:
        others = [worker.pipe for worker in self._workers]
        self._workers.append(_Worker(self._settings, mount, others))

    def add(self, header: Header, data: bytes) -> None:
        """Take on a shard."""
        mounts = self._settings.destinations
        self._queues[mounts[header.mount % len(mounts)]].append(_Open(header, data))
        self._spread.add(header.cost)
        self._shards += 1

    @property
    def busy(self) -> bool:
        """Whether a shard is unfinished."""
        return self._shards > 0

    @property
    def live_bytes(self) -> int:
        """Bytes copied so far, those of unfinished large files included."""
        return self.bytes + self._large

    def step(self, timeout: float) -> list[dict[str, Any]]:
        """Hand out work, wait up to ``timeout`` s for results; returns the finished shards.

        A finished shard is a JSON-ready dictionary: ``shard``, ``mounts`` {path: {count: n,
        seconds}}, ``failures`` [[mount, path, operation, errno, message]].

        Raises:
            IngestError: no worker can work, or the source does not answer.
        """
        finished: list[dict[str, Any]] = []
        self._hand_out(finished)
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(pipes), timeout):
            worker = pipes[pipe]  # type: ignore[index]
            try:
                while True:
                    self._hear(worker, worker.pipe.recv(), finished)
                    if not worker.pipe.poll():
                        break
            except (EOFError, OSError):
                self._lost(worker, "a worker process ended unexpectedly", finished)
        self._abandon_dead(finished)
        self._hand_out(finished)
        return finished

    # -- out ---------------------------------------------------------------------------------

    def _hand_out(self, finished: list[dict[str, Any]]) -> None:
        # In turn, so that a little work is spread over all mounts as well.
        if self._watch.dark:
            return
        takers = [worker for worker in self._workers if len(worker.chunks) < self._depth]
        while takers:
            takers = [
                worker
                for worker in takers
                if self._give(worker, finished) and len(worker.chunks) < self._depth
            ]

    def _give(self, worker: _Worker, finished: list[dict[str, Any]]) -> bool:
        """One chunk for a worker. Returns whether there was one, and it could be sent."""
        if not self._spread.may(worker.mount, self._usable()):
            return False
        found = self._next(worker.mount, finished)
        if found is None:
            return False
        chunk = found[1]
        self._spread.take(worker.mount, chunk.cost)
        if not worker.chunks:
            worker.heard = time.monotonic()
        worker.chunks[chunk.number] = found
        try:
            worker.pipe.send(chunk)
        except OSError:
            return False  # its end is seen at the next wait
        return True

    def _next(self, mount: bytes, finished: list[dict[str, Any]]) -> tuple[_Open, Chunk] | None:
        for number, (shard, chunk, avoid) in enumerate(self._retry):
            if avoid != mount or all(worker.mount == avoid for worker in self._workers):
                del self._retry[number]
                return shard, chunk
        while True:
            queue = self._queues[mount]
            if not queue:  # this mount's part is handed out: help the one with the most left
                queue = max(self._queues.values(), key=len)
            if not queue:
                return None
            shard = queue.popleft()
            threads = self._settings.threads
            lines, amount = shard.next_lines(
                self._settings.chunk_files, self._settings.chunk_bytes, threads
            )
            if not shard.exhausted:
                queue.insert(threads - 1, shard)  # its directories are not those of the next
            if not lines:
                self._maybe_finish(shard, finished)
                continue
            self._number += 1
            header = shard.header
            shard.outstanding += 1
            return shard, Chunk(
                self._number,
                header.id,
                header.kind,
                header.of,
                lines,
                frozenset(to_bytes(path) for path in header.broken),
                amount,
            )

    # -- in ----------------------------------------------------------------------------------

    def _hear(self, worker: _Worker, said: object, finished: list[dict[str, Any]]) -> None:
        worker.heard = time.monotonic()
        if isinstance(said, Moved):
            self._large += said.count
        elif isinstance(said, Broken):
            if said.source:
                raise IngestError(f"the source can't be used: {said.message}")
            self._abandon(worker.mount, said.message, finished)
        elif isinstance(said, Crashed):
            shard, chunk = worker.chunks.pop(said.number)
            self._spread.done(worker.mount, chunk.cost)
            self._give_up(shard, chunk, worker.mount, said.message, finished)
        elif isinstance(said, Unanswered):
            self._watch.failed(worker.mount, said.operation)
        elif isinstance(said, Done):
            shard, chunk = worker.chunks.pop(said.number)
            self._spread.done(worker.mount, chunk.cost)
            shard.outstanding -= 1
            self._count(shard, worker.mount, self._again(shard, chunk, worker.mount, said))
            self._maybe_finish(shard, finished)

    def _again(self, shard: _Open, chunk: Chunk, mount: bytes, done: Done) -> Done:
        """What of a chunk failed as only this mount may is done once more over another; returns
        what the rest came to."""
        failed = {
            path
            for path, operation, number, dummy in done.failures
            if number in _OF_THE_MOUNT and (operation != "verify" or number != errno.EIO)
        }
        # Once more, or twice: the other mount may have died as well.
        repeats = self._repeats.pop(chunk.number, 0) + 1
        others = set(self._usable()) - {mount}
        if not failed or repeats >= min(_TRIES, len(self._settings.destinations)) or not others:
            return done
        lines = []
        for line in chunk.lines:
            directory, rows = shards.read_line(line)
            rows = [
                row for row in rows if (join(directory, row[0]) if row[0] else directory) in failed
            ]
            if rows:
                names = [[to_text(row[0]), *row[1:]] for row in rows]
                lines.append(json.dumps([to_text(directory), names]).encode("ascii"))
        if not lines:
            return done
        self._number += 1
        self._repeats[self._number] = repeats
        shard.outstanding += 1
        self._retry.append(
            (shard, chunk._replace(number=self._number, lines=lines, cost=0.0), mount)
        )
        left = [failure for failure in done.failures if failure[0] not in failed]
        counts = list(done.counts)
        counts[_FAILED] -= len(done.failures) - len(left)
        return done._replace(counts=tuple(counts), failures=left)

    def _usable(self) -> list[bytes]:
        return [mount for mount in self._settings.destinations if mount not in self.left_out]

    def _count(self, shard: _Open, mount: bytes, done: Done) -> None:
        counts = shard.mounts.setdefault(mount, [0] * len(COUNTS))
        for number, value in enumerate(done.counts):
            counts[number] += value
        shard.mount_seconds[mount] = shard.mount_seconds.get(mount, 0.0) + done.seconds
        for failure in done.failures:
            shard.failures.append((mount,) + failure)
        tally = dict(zip(COUNTS, done.counts))
        if shard.header.kind != Kind.VERIFY:
            self.files += tally["files"] + tally["skipped"]
            self.bytes += tally["bytes"]
        self._large = 0
        self.failed += tally["failed"]
        for kind, (count, path, why) in done.losses.items():
            known = self.losses.setdefault(kind, [0, path, why])
            known[0] += count
        for entry in done.slow:
            if len(self.slow) < _SLOW:
                heapq.heappush(self.slow, entry)
            elif entry > self.slow[0]:
                heapq.heapreplace(self.slow, entry)

    def _maybe_finish(self, shard: _Open, finished: list[dict[str, Any]]) -> None:
        if shard.outstanding or not shard.exhausted:
            return
        self._shards -= 1
        finished.append(
            {
                "shard": shard.header.id,
                "mounts": {
                    to_text(mount): dict(
                        zip(COUNTS, counts), seconds=round(shard.mount_seconds[mount], 6)
                    )
                    for mount, counts in shard.mounts.items()
                },
                "failures": [
                    [to_text(mount), to_text(path), operation, number, message]
                    for mount, path, operation, number, message in shard.failures
                ],
            }
        )

    # -- workers that die or hang -----------------------------------------------------------------

    def _lost(self, worker: _Worker, why: str, finished: list[dict[str, Any]]) -> None:
        """Take a worker out; what it had goes to others, or fails the third time that its worker
        ended, as it may be what ends them."""
        if worker not in self._workers:  # it went with its mount
            return
        worker.kill()
        self._workers.remove(worker)
        for shard, chunk in worker.chunks.values():
            self._tries[chunk.number] = self._tries.get(chunk.number, 0) + (
                worker.mount not in self.left_out
            )
            if self._tries[chunk.number] < _TRIES:
                self._spread.give_back(worker.mount, chunk.cost)
                self._retry.append((shard, chunk, b""))
            else:
                self._spread.done(worker.mount, chunk.cost)
                self._give_up(shard, chunk, worker.mount, why, finished)
        worker.chunks = {}
        usable = self._usable()
        if usable:
            count = Counter(other.mount for other in self._workers)
            self._spawn(
                worker.mount if worker.mount in usable else min(usable, key=count.__getitem__)
            )
        elif not self._workers:
            raise IngestError(f"no mount can be used: {listing(self.left_out.values())}")

    def _give_up(
        self, shard: _Open, chunk: Chunk, mount: bytes, why: str, finished: list[dict[str, Any]]
    ) -> None:
        failures: list[Failure] = []
        for line in chunk.lines:
            directory, rows = shards.read_line(line)
            for row in rows:
                path = directory + b"/" + row[0] if directory else row[0]
                failures.append(Failure(path, "copy", 0, why))
        counts = [0] * len(COUNTS)
        counts[_FAILED] = len(failures)
        shard.outstanding -= 1
        self._count(shard, mount, Done(chunk.number, tuple(counts), failures, {}, [], 0.0))
        self._maybe_finish(shard, finished)

    def _abandon_dead(self, finished: list[dict[str, Any]]) -> None:
        now = time.monotonic()
        silences: dict[bytes, float] = {}
        for worker in self._workers:
            if worker.chunks:
                silences[worker.mount] = max(silences.get(worker.mount, 0.0), now - worker.heard)
        for mount, why in self._watch.step(silences, self._usable()).items():
            self._abandon(mount, why, finished)

    def _abandon(self, mount: bytes, why: str, finished: list[dict[str, Any]]) -> None:
        """Leave a mount out from now on."""
        self.left_out[mount] = self._watch.name(mount, why)
        for worker in [worker for worker in self._workers if worker.mount == mount]:
            self._lost(worker, why, finished)

    def close(self) -> None:
        """End all workers at once."""
        self._watch.close()
        for worker in self._workers:
            worker.kill()
        self._workers = []

    def finish(self) -> None:
        """Let the idle workers end."""
        self._watch.close()
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()
        self._workers = []
