# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes that work through tasks which make more tasks, as a walk over a tree does."""

from __future__ import annotations

import gc
import marshal
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Callable, List, Tuple

from .errors import IngestError

Task = Tuple[Any, ...]
Batch = Callable[[List[Task]], Any]
# What two pending messages may hold without filling a pipe, which would stop both sides.
SMALL = 1 << 15  # bytes


class TaskPool:
    """Processes that take batches of tasks, two at a time for each of their threads, and report.
    Tasks and reports are what marshal can write: bytes, text, numbers, lists, tuples, dictionaries.
    """

    def __init__(self, crew: tuple[int, int], make: Callable[[], Batch]) -> None:
        """``crew``: (processes, threads of each). ``make`` is called in each thread; what it returns
        is called with each batch."""
        processes, threads = crew
        self.size = processes * threads
        self._ahead = 2 * threads
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes = []
        gc.freeze()
        try:
            for _number in range(processes):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=_work, args=(theirs, [*self._pipes, ours], make, threads), daemon=True
                )
                process.start()
                theirs.close()
                self._pipes.append(ours)
                self._processes.append(process)
        except BaseException:
            self.close()
            raise

    def drain(self, fetch: Callable[[], list[Task]], take: Callable[[Any], None]) -> None:
        """Hand out what ``fetch`` gives, and ``take`` the reports, until there is neither.

        Raises IngestError: a worker process ended.
        """
        pending: dict[Connection, int] = dict.fromkeys(self._pipes, 0)
        held: list[bytes] = []  # a large message, which only a waiting reader takes at once
        try:
            while True:
                while True:
                    pipe = min(self._pipes, key=pending.__getitem__)
                    tasks = fetch() if not held and pending[pipe] < self._ahead else []
                    if tasks:
                        held.append(marshal.dumps(tasks))
                    if not held or (len(held[0]) > SMALL and pending[pipe]):
                        break
                    pipe.send_bytes(held.pop())
                    pending[pipe] += 1
                busy = [pipe for pipe in self._pipes if pending[pipe]]
                if not busy:
                    return
                ready = set(multiprocessing.connection.wait(busy))
                for pipe in busy:
                    if pipe in ready:
                        report = marshal.loads(pipe.recv_bytes())
                        pending[pipe] -= 1
                        take(report)
        except (EOFError, ConnectionError) as error:
            raise IngestError("a worker process ended before its work was done") from error

    def close(self) -> None:
        """End the processes, whatever they do."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join(1)  # one that hangs in a dead mount can't be waited for
        for pipe in self._pipes:
            pipe.close()


def _work(
    pipe: Connection, others: list[Connection], make: Callable[[], Batch], threads: int
) -> None:
    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers itself
    gc.disable()  # nothing here makes cycles
    if threads > 1:
        _share(pipe, make, threads)
        return
    batch = make()
    try:
        while True:
            pipe.send_bytes(marshal.dumps(batch(marshal.loads(pipe.recv_bytes()))))
    except (EOFError, ConnectionError):
        return  # the parent is gone, or has no more work


def _share(pipe: Connection, make: Callable[[], Batch], threads: int) -> None:
    """This thread only receives, so that no message ever waits for room in the pipe; a thread that
    fails ends the process, which the parent sees."""
    tasks: SimpleQueue[bytes] = SimpleQueue()
    writing = threading.Lock()

    def serve() -> None:
        try:
            batch = make()
            while True:
                report = marshal.dumps(batch(marshal.loads(tasks.get())))
                with writing:
                    pipe.send_bytes(report)
        except ConnectionError:
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    for _number in range(threads):
        threading.Thread(target=serve, daemon=True).start()
    try:
        while True:
            tasks.put(pipe.recv_bytes())
    except (EOFError, ConnectionError):
        return
