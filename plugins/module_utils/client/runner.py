# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One client's workers: takes shards, spreads their chunks over processes and mounts."""

from __future__ import annotations

import time
from collections import Counter, deque
from functools import partial
from typing import NamedTuple

from ..core.errors import IngestError
from ..core.outcome import Counts, Failure, ShardResult
from ..core.processes import Crew, Ended, Member
from ..core.vocabulary import Kind
from ..mounts.left_out import LeftOut, listing
from ..mounts.watchdog import Watch
from ..plan import shards
from ..plan.shards import Header
from .ledger import Ledger
from .messages import Broken, Chunk, Crashed, Done, Fewer, More, Moved, Unanswered
from .mount_shares import Spread
from .open_shard import OpenShard
from .pacing import Pacing
from .settings import Settings
from .worker import work

_TRIES = 3
_GROWS = 3.0  # from pause to pause; the first one is 1 s
_PAUSE = 60.0  # s at most


class _Piece(NamedTuple):
    """A chunk and its shard; ``avoid`` is the mount that shall not have it again. If it is tried
    again: not before ``due``, and for so many ``items``."""

    shard: OpenShard
    chunk: Chunk
    avoid: bytes = b""
    due: float = 0.0
    items: int = 0


class _Worker:
    """What is known of a worker process."""

    def __init__(self, member: Member, mount: bytes, threads: int) -> None:
        self.member = member
        self.mount = mount
        self.threads = threads  # that are at work; 0: the one that it keeps has a rest
        self.pieces: dict[int, _Piece] = {}  # by their chunks' numbers
        self.heard = time.monotonic()


class Runner:
    """Runs shards with worker processes. Not a thread: call :meth:`step` until nothing is left."""

    def __init__(self, settings: Settings, stall: float = 0.0, ahead: int = 2) -> None:
        """``stall``: seconds without a word from its workers after which a mount is left out, if it
        does not answer and others do (0: never); see :class:`..mounts.watchdog.Watch`."""
        self._settings = settings
        self._watch = Watch(settings.source, settings.destinations, stall)
        self._ahead = ahead
        self._queues: dict[bytes, deque[OpenShard]] = {m: deque() for m in settings.destinations}
        self._retry: deque[_Piece] = deque()
        self._spread = Spread(settings.destinations)
        self._repeats: dict[int, int] = {}  # of a chunk, after failures that may pass
        self._tries: dict[int, int] = {}  # of a chunk, whose worker ended
        self._number = 0  # of the last chunk
        self._shards = 0  # unfinished
        self._looked: set[bytes] = set()  # directories of the source, see OpenShard
        self._finished: list[ShardResult] = []
        self._crew = Crew()
        self._workers: list[_Worker] = []
        self._pacing = Pacing(settings) if settings.most else None
        self.ledger = Ledger()
        self.left_out: dict[bytes, LeftOut] = {}  # mounts, and why
        for number in range(settings.processes):
            self._spawn(settings.destinations[number % len(settings.destinations)])

    def _spawn(self, mount: bytes) -> None:
        # Each mount has processes of its own: what hangs in a dead one takes no other along.
        member = self._crew.add(partial(work, self._settings, mount))
        self._workers.append(_Worker(member, mount, self._settings.threads))

    def add(self, header: Header, data: bytes) -> None:
        """Take on a shard."""
        mounts = self._settings.destinations
        self._queues[mounts[header.mount % len(mounts)]].append(
            OpenShard(header, data, self._looked)
        )
        self._spread.add(header.cost)
        self._shards += 1

    @property
    def busy(self) -> bool:
        """Whether a shard is unfinished."""
        return self._shards > 0

    @property
    def workers(self) -> int:
        """How many are at work at once, over all mounts."""
        return sum(worker.threads for worker in self._workers)

    @property
    def unfinished(self) -> int:
        """How many shards are."""
        return self._shards

    def step(self, timeout: float) -> list[ShardResult]:
        """Hand out work, wait up to ``timeout`` s for results; returns the finished shards.

        Raises:
            IngestError: no worker can work, or the source does not answer.
        """
        self._adapt()
        self._hand_out()
        workers = {worker.member: worker for worker in self._workers}
        for member in self._crew.wait(timeout):
            worker = workers[member]
            try:
                # It may go with its mount, by what it or another one says.
                while worker in self._workers and member.poll():
                    self._hear(worker, member.receive())
            except Ended as error:
                self._lost(worker, str(error))
        self._abandon_dead()
        self._hand_out()
        finished, self._finished = self._finished, []
        return finished

    # -- out ---------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        # In turn, so that a little work is spread over all mounts as well.
        if self._watch.waiting or self.paused:
            self._idle()
            return
        takers = self._workers
        while takers:
            takers = [
                worker
                for worker in takers
                if len(worker.pieces) < worker.threads * self._ahead and self._give(worker)
            ]

    def _give(self, worker: _Worker) -> bool:
        """One chunk for a worker. Returns whether there was one, and it could be sent."""
        if not self._spread.may(worker.mount, self._usable()):
            return False
        piece = self._next(worker.mount)
        if piece is None:
            self._idle()
            return False
        self._spread.take(worker.mount, piece.chunk.cost)
        if not worker.pieces:
            worker.heard = time.monotonic()
        worker.pieces[piece.chunk.number] = piece
        return worker.member.send(piece.chunk)

    def _next(self, mount: bytes) -> _Piece | None:
        now = time.monotonic() if self._retry else 0.0
        for number, piece in enumerate(self._retry):
            if piece.due <= now and (
                piece.avoid != mount or all(w.mount == piece.avoid for w in self._workers)
            ):
                del self._retry[number]
                return piece
        settings = self._settings
        while True:
            queue = self._queues[mount]
            if not queue:  # this mount's part is handed out: help the one with the most left
                queue = max(self._queues.values(), key=len)
            if not queue:
                return None
            shard = queue.popleft()
            chunk = shard.next_chunk(
                self._number + 1,
                settings.chunk_files,
                settings.chunk_bytes,
                settings.threads,
                settings.digests,
            )
            if not shard.exhausted:
                # Its directories are not those of the next.
                queue.insert(settings.threads - 1, shard)
            if chunk is not None:
                self._number += 1
                return _Piece(shard, chunk)
            self._end_if_done(shard)

    # -- in ----------------------------------------------------------------------------------

    def _hear(self, worker: _Worker, said: object) -> None:
        worker.heard = time.monotonic()
        if isinstance(said, Moved):
            self.ledger.moved(said.number, said.size)
            if self._pacing:
                self._pacing.moved(worker.mount, said)
        elif isinstance(said, Broken):
            if said.source:
                raise IngestError(f"the source can't be used: {said.message}")
            self._abandon(worker.mount, said.message)
        elif isinstance(said, Crashed):
            piece = worker.pieces.pop(said.number)
            self._spread.done(worker.mount, piece.chunk.cost)
            self._give_up(piece, worker.mount, said.message)
        elif isinstance(said, Unanswered):
            self._watch.failed(worker.mount, said.operation)
        elif isinstance(said, Done):
            piece = worker.pieces.pop(said.number)
            self._spread.done(worker.mount, piece.chunk.cost)
            self._count(piece, worker.mount, self._again(piece, worker.mount, said))

    def _again(self, piece: _Piece, mount: bytes, done: Done) -> Done:
        """What of a chunk failed as may pass is done again, over another mount, or after a pause;
        returns what the rest came to."""
        failed = {failure.path for failure in done.failures if failure.may_pass}
        repeats = self._repeats.pop(done.number, 0)
        pause = self._pause(repeats, mount) if failed else None
        if pause is None:
            return done
        chunk = piece.chunk
        lines: list[bytes] = []
        at: list[int] = []
        for number, line in enumerate(chunk.lines):
            directory, rows = shards.read_line(chunk.rows, line)
            texts = [row.encode() for row in rows if shards.path_of(directory, row) in failed]
            if texts:
                lines.append(shards.body(directory, texts))
                at.append(number)
        if not lines:
            return done
        self._number += 1
        self._repeats[self._number] = repeats + 1
        piece.shard.outstanding += 1
        again = chunk._replace(
            number=self._number,
            lines=lines,
            cost=0.0,
            ahead=(),
            numbers=tuple(chunk.numbers[number] for number in at),
            states="".join(chunk.states[number : number + 1] for number in at),
        )
        left = [failure for failure in done.failures if failure.path not in failed]
        fewer = len(done.failures) - len(left)
        due = time.monotonic() + pause
        self._retry.append(_Piece(piece.shard, again, mount, due, len(failed)))
        counts = done.counts._replace(
            failed=done.counts.failed - fewer, retried=done.counts.retried + len(failed)
        )
        return done._replace(counts=counts, failures=left)

    def _pause(self, repeats: int, mount: bytes) -> float | None:
        """Seconds until what failed over a mount, and was repeated so often, is tried again; None:
        not any more. At once over the other mounts, as often as these may have died as well; then
        after pauses that grow."""
        at_once = min(_TRIES, len(self._settings.destinations)) - 1
        if repeats < at_once and set(self._usable()) - {mount}:
            return 0.0
        paused = max(0, repeats - at_once)
        return min(_GROWS**paused, _PAUSE) if paused < self._settings.retries else None

    @property
    def paused(self) -> bool:
        """Whether nothing is handed out, as the controller wants it."""
        return self._settings.allowance is not None and self._settings.allowance.paused

    def allow(self, size: float, files: float, paused: bool) -> None:
        """What all workers together may do in a second, from now on."""
        if self._settings.allowance is not None:
            self._settings.allowance.change(size, files, paused)
            self._idle()

    @property
    def waiting(self) -> int:
        """How many items wait to be tried again."""
        return sum(piece.items for piece in self._retry)

    def _usable(self) -> list[bytes]:
        return [mount for mount in self._settings.destinations if mount not in self.left_out]

    def _count(self, piece: _Piece, mount: bytes, done: Done) -> None:
        shard = piece.shard
        shard.add(mount, piece.chunk, done)
        if self._pacing:
            self._pacing.done(mount, done.number, len(piece.chunk.lines), done.counts)
        self.ledger.add(done, shard.header.kind != Kind.VERIFY)
        self._end_if_done(shard)

    def _end_if_done(self, shard: OpenShard) -> None:
        if shard.done:
            self._shards -= 1
            self._finished.append(shard.result())

    # -- how many at once --------------------------------------------------------------------

    def _idle(self) -> None:
        if self._pacing:
            self._pacing.idle()

    def _adapt(self) -> None:
        """Have as many workers over each mount as its rate wants, if that is asked for."""
        for mount, number in ((self._pacing and self._pacing.numbers()) or {}).items():
            workers = [worker for worker in self._workers if worker.mount == mount]
            for at, worker in enumerate(workers):
                least, rest = divmod(number, len(workers))
                self._resize(worker, least + (at < rest))

    @staticmethod
    def _resize(worker: _Worker, threads: int) -> None:
        # Each is taken by a thread between two chunks; a worker keeps one, which may get nothing.
        had, gets = max(1, worker.threads), max(1, threads)
        for _thread in range(abs(gets - had)):
            worker.member.send(More() if gets > had else Fewer())
        worker.threads = threads

    # -- workers that die or hang -----------------------------------------------------------------

    def _lost(self, worker: _Worker, why: str) -> None:
        """Take a worker out; what it had goes to others, or fails the third time that its worker
        ended, as it may be what ends them."""
        if worker not in self._workers:  # it went with its mount
            return
        self._crew.remove(worker.member)
        self._workers.remove(worker)
        for number, piece in worker.pieces.items():
            tries = self._tries.get(number, 0) + (worker.mount not in self.left_out)
            self._tries[number] = tries
            self.ledger.forget(number)
            if self._pacing:
                self._pacing.forget(number)
            if tries < _TRIES:
                self._spread.give_back(worker.mount, piece.chunk.cost)
                self._retry.append(piece._replace(avoid=b""))
            else:
                self._spread.done(worker.mount, piece.chunk.cost)
                self._give_up(piece, worker.mount, why)
        worker.pieces = {}
        usable = self._usable()
        if usable:
            count = Counter(other.mount for other in self._workers)
            self._spawn(
                worker.mount if worker.mount in usable else min(usable, key=count.__getitem__)
            )
            self._resize(self._workers[-1], worker.threads)
        elif not self._workers:
            raise IngestError(f"no mount can be used: {listing(self.left_out.values())}")

    def _give_up(self, piece: _Piece, mount: bytes, why: str) -> None:
        failures: list[Failure] = []
        for line in piece.chunk.lines:
            directory, rows = shards.read_line(piece.chunk.rows, line)
            failures += [Failure(shards.path_of(directory, row), "copy", 0, why) for row in rows]
        counts = Counts(failed=len(failures))
        done = Done(piece.chunk.number, counts, failures, {}, [], 0.0)
        self._count(piece, mount, done)

    def _abandon_dead(self) -> None:
        now = time.monotonic()
        silences: dict[bytes, float] = {}
        for worker in self._workers:
            if worker.pieces:
                silences[worker.mount] = max(silences.get(worker.mount, 0.0), now - worker.heard)
        for mount, why in self._watch.step(silences, self._usable()).items():
            self._abandon(mount, why)

    def _abandon(self, mount: bytes, why: str) -> None:
        """Leave a mount out from now on."""
        self.left_out[mount] = self._watch.name(mount, why)
        for worker in [worker for worker in self._workers if worker.mount == mount]:
            self._lost(worker, why)

    def close(self) -> None:
        """End all workers at once."""
        self._watch.close()
        self._crew.close()
        self._workers = []

    def finish(self) -> None:
        """Let the idle workers end."""
        self._watch.close()
        self._crew.finish()
        self._workers = []
