# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One trial on a client: the workers of the copy themselves, for some seconds."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import Callable, Sequence

from ..client.runner import Runner
from ..client.settings import Settings
from ..core.clock import elapsed
from ..core.errors import IngestError
from ..core.outcome import Failure
from ..core.paths import display, join
from ..core.vocabulary import Kind
from ..fs.directories import DirCache
from ..fs.worker_count import workers_for
from ..mounts.left_out import listing
from ..plan.shards import Header, pack
from . import processor
from .material import File, Material
from .orders import READ, Order, Outcome
from .pieces import Batch, Piece, batch
from .scratch import Scratch

_AHEAD = 2  # pieces of a worker, the one it does among them; as the copy has it
_UNLIMITED = 1e9  # cost: how much is left does not tell a mount how much it may take
_READY = 0.3  # s in which workers open their trees, before a trial that begins with others
_PATIENCE = 3.0  # times a trial's seconds, that its last pieces may take
_AFTER = 0.7  # of a trial's seconds, that it goes on at least when its workers have got going
_SAMPLES = 0.1  # s between entries of the timeline
_BLOCK = 1 << 20
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
Check = Callable[[], None]


class _Sums:
    """What was done so far, and by when."""

    def __init__(self, mounts: int) -> None:
        self.files = self.bytes = self.failed = self.done = 0
        self.message = ""
        self.mounts = [[0, 0] for _number in range(mounts)]
        self.timeline: list[list[float]] = []
        self.busy = self.all = 0.0  # s of processors, in use and in all
        self._settled: tuple[int, int, list[list[int]]] | None = None
        self.beside = [0, 0]  # files and bytes that were not timed

    def note(self, last: bool = False) -> None:
        """An entry of the timeline, if it is time."""
        now = elapsed()
        if last or not self.timeline or now - self.timeline[-1][0] >= _SAMPLES:
            self.timeline.append([round(now, 3), self.files, self.bytes])

    def settled(self) -> None:
        """From now on the work is timed; what came before was done while workers got going."""
        self._settled = self.files, self.bytes, [list(each) for each in self.mounts]

    def leave_out(self, since: tuple[int, int]) -> None:
        """What was done since (files, bytes) and before :meth:`settled` is not timed."""
        if self._settled:
            files, size, _mounts = self._settled
            self.beside[0] += files - since[0]
            self.beside[1] += size - since[1]
            self._settled = None

    def used(self, before: processor.Use) -> None:
        """Add what the processors did since."""
        after = processor.now()
        self.busy += after.busy - before.busy
        self.all += after.all - before.all

    def fail(self, failures: Sequence[Failure]) -> None:
        """Files that could not be copied."""
        self.failed += len(failures)
        if failures and not self.message:
            first = failures[0]
            self.message = f"'{display(first.path)}': {first.operation}: {first.message}"


class Trials:
    """All trials of one client, on one material."""

    def __init__(
        self,
        material: Material,
        scratch: Scratch,
        destinations: Sequence[bytes],
        preserve: Sequence[str],
        check: Check,
        prefix: str,
    ) -> None:
        """``prefix`` tells this client's folders in the scratch from those of others."""
        self._material = material
        self._scratch = scratch
        self._destinations = destinations
        self._preserve = tuple(preserve)
        self._check = check
        self._prefix = prefix
        self._at = 0  # in the material
        self._used = False  # all of it has been read
        self._folders = 0

    def run(self, order: Order) -> Outcome:
        """Do a trial. Raises IngestError: nothing can be copied, or read."""
        sums = _Sums(order.mounts)
        before = processor.now()
        folders: list[str] = []
        seconds = 0.0
        try:
            while True:
                files = self._next_files()
                work = batch(files, order)
                self._forget(files[: work.files])
                self._advance(work.files)
                left = order.seconds - seconds
                if order.kind == READ:
                    seconds += self._read(files[: work.files], order, left, sums)
                else:
                    folders.append(self._new_folder())
                    seconds += self._copy(work, folders[-1], order, left, sums)
                if seconds >= order.seconds * 0.9 or sums.bytes >= order.most_bytes:
                    break
                if not work.timed or not sums.done:
                    break
            after = processor.now()
            if not sums.done:
                raise IngestError(
                    f"nothing could be copied in a trial: {sums.message or 'it took too long'}"
                )
        finally:
            begun = time.monotonic()
            for folder in folders:
                self._scratch.clear(folder, self._check)
        own = (after.own - before.own) / max(seconds * after.processors, 1e-3)
        return Outcome(
            order.number,
            sums.files - sums.beside[0],
            sums.bytes - sums.beside[1],
            round(seconds, 4),
            sums.failed,
            sums.message,
            round(sums.busy / sums.all if sums.all else 0.0, 3),
            round(min(own, 1.0), 3),
            sums.mounts,
            sums.timeline,
            round(time.monotonic() - begun, 3),
            sums.bytes,
        )

    def _next_files(self) -> list[File]:
        """All of them, from the one that has not been read for the longest time."""
        files = self._material.files
        return files[self._at :] + files[: self._at]

    def _advance(self, count: int) -> None:
        at = self._at + count
        self._used = self._used or at >= len(self._material.files)
        self._at = at % len(self._material.files)

    def _forget(self, files: Sequence[File]) -> None:
        """What was read before is not to come from memory."""
        if not self._used and self._at + len(files) <= len(self._material.files):
            return
        todo = deque(files)

        def work() -> None:
            tree = DirCache(self._material.root)
            try:
                while True:
                    file = todo.popleft()
                    fd = os.open(file.name, _READING, dir_fd=tree.get(file.directory).fd)
                    try:
                        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                    finally:
                        os.close(fd)
            except (IndexError, OSError):
                pass  # nothing is left, or the trial will say why
            finally:
                tree.close()

        self._in_threads(work, 16)

    def _in_threads(self, work: Callable[[], None], count: int) -> None:
        threads = [threading.Thread(target=work, daemon=True) for _number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                self._check()

    def _new_folder(self) -> str:
        self._folders += 1
        name = f"{self._prefix}{self._folders}"
        self._scratch.make(name)
        return name

    # -- copying -------------------------------------------------------------------------------

    def _settings(self, folder: str, order: Order) -> Settings:
        real = tuple(self._destinations[: order.mounts])
        processes, threads = workers_for((self._material.root, *real), order.workers, len(real))
        return Settings(
            self._material.root,
            tuple(self._scratch.folder(number, folder) for number in range(order.mounts)),
            self._preserve,
            processes,
            threads,
            second_pass=False,
            compared=True,  # nothing is there yet
        )

    def _copy(self, work: Batch, folder: str, order: Order, left: float, sums: _Sums) -> float:
        """Copy for ``left`` s; returns how long it took."""
        wanted = self._settings(folder, order)
        runner = Runner(wanted)
        try:
            seconds = _Copy(runner, wanted, order, sums, self._check).run(work, left)
            if runner.left_out:
                raise IngestError(
                    f"{listing(runner.left_out.values())}: calibrate again when all answer"
                )
        except IngestError as error:
            raise IngestError(self._named(str(error), wanted.destinations)) from error
        finally:
            runner.close()
        return seconds

    def _named(self, text: str, folders: Sequence[bytes]) -> str:
        """A sentence with the mounts' names instead of the folders that are held open in them."""
        for number, folder in enumerate(folders):
            text = text.replace(display(folder), display(self._destinations[number]))
        return text

    # -- reading -------------------------------------------------------------------------------

    def _read(self, files: Sequence[File], order: Order, left: float, sums: _Sums) -> float:
        """Only read the files, by as many threads; returns how long it took."""
        todo = deque(files)
        lock = threading.Lock()
        _wait_until(order.begin, self._check)
        use = processor.now()
        begun = time.monotonic()
        until = begun + left

        def work() -> None:
            buffer = [memoryview(bytearray(_BLOCK))]
            tree = DirCache(self._material.root)
            try:
                while time.monotonic() < until:
                    file = todo.popleft()
                    try:
                        fd = os.open(file.name, _READING, dir_fd=tree.get(file.directory).fd)
                        try:
                            done = 1
                            while done and time.monotonic() < until:
                                done = os.readv(fd, buffer)
                                with lock:
                                    sums.bytes += done
                        finally:
                            os.close(fd)
                        with lock:
                            sums.files += 1
                            sums.done += 1
                            sums.note()
                    except OSError as error:
                        path = join(file.directory, file.name)
                        with lock:
                            sums.fail(
                                [Failure(path, "read", error.errno or 0, str(error.strerror))]
                            )
            except IndexError:
                pass
            finally:
                tree.close()

        self._in_threads(work, order.workers)
        sums.used(use)
        sums.note(last=True)
        if sums.bytes:
            sums.done = max(sums.done, 1)
        return time.monotonic() - begun


class _Copy:
    """Feeds a runner with pieces until the time is over."""

    def __init__(
        self, runner: Runner, wanted: Settings, order: Order, sums: _Sums, check: Check
    ) -> None:
        self._runner = runner
        self._mounts = wanted.destinations
        self._workers = wanted.processes * wanted.threads
        self._order = order
        self._sums = sums
        self._check = check
        self._pieces: dict[int, Piece] = {}  # under way, by their shards' numbers
        self._number = 0

    def run(self, work: Batch, left: float) -> float:
        """Do it for ``left`` s. Returns s until the last piece was done."""
        order, sums = self._order, self._sums
        for prepared in work.before:
            self._add(prepared)
        while self._pieces:
            self._step(0.2)
        sums.done = sums.done if sums.files or sums.bytes else 0
        self._warm()
        _wait_until(order.begin, self._check)
        sums.note(last=True)
        use = processor.now()
        begun = last = time.monotonic()
        before = sums.files, sums.bytes
        until = begun + left
        pieces = iter(work.timed)
        fed = sums.bytes
        feeding, settling, done = True, not order.begin, 0
        while feeding or self._pieces:
            now = time.monotonic()
            while feeding and len(self._pieces) < self._workers * _AHEAD:
                piece = next(pieces, None)
                if piece is None or now >= until or fed >= order.most_bytes:
                    feeding = False
                    break
                fed += piece.bytes
                self._add(piece)
            finished = self._step(0.1)
            if finished:
                done += finished
                last = time.monotonic()
            if settling and feeding and done >= self._workers:
                # Each has opened what it needs, which the copy does once as well.
                settling = False
                sums.settled()
                use = processor.now()
                begun = last
                until = max(until, begun + left * _AFTER)
            if now > until + _PATIENCE * max(order.seconds, 1.0):
                break  # the rest is not waited for, nor counted
        sums.leave_out(before)
        sums.used(use)
        sums.note(last=True)
        return max(last - begun, 1e-3)

    def _warm(self) -> None:
        """Let the workers open their trees."""
        if self._order.begin:
            until = time.monotonic() + _READY
            while time.monotonic() < until:
                self._runner.step(0.05)

    def _add(self, piece: Piece) -> None:
        self._number += 1
        header = Header(self._number, piece.kind, "", self._number, cost=_UNLIMITED)
        self._runner.add(header, pack([piece.line]))
        self._pieces[self._number] = piece

    def _step(self, timeout: float) -> int:
        """How many pieces were done."""
        self._check()
        sums = self._sums
        finished = self._runner.step(timeout)
        for result in finished:
            piece = self._pieces.pop(result.shard)
            sums.fail([failure for _mount, failure in result.failures])
            if piece.kind == Kind.PREPARE:
                continue
            for mount, (counts, _seconds) in result.mounts.items():
                files = counts.files + counts.skipped
                sums.files += files
                sums.bytes += counts.bytes
                sums.done += files + (counts.bytes > 0)
                if mount in self._mounts:
                    over = sums.mounts[self._mounts.index(mount)]
                    over[0] += files
                    over[1] += counts.bytes
        sums.note()
        return len(finished)


def _wait_until(begin: float, check: Check) -> None:
    while begin and elapsed() < begin:
        check()
        time.sleep(min(0.02, max(0.0, begin - elapsed())))
