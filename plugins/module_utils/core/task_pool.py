# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A crew that works through tasks which make more tasks, as a walk over a tree does."""

from __future__ import annotations

import gc
from typing import Any, Callable, List, Tuple

from .processes import Crew, Line, Member

Task = Tuple[Any, ...]
Batch = Callable[[List[Task]], Any]


class TaskPool:
    """Processes that take batches of tasks, two at a time for each of their threads, and report."""

    def __init__(self, crew: tuple[int, int], make: Callable[[], Batch]) -> None:
        """``crew``: (processes, threads of each). ``make`` is called in each thread; what it
        returns is called with each batch. Raises IngestError if a process can't be started."""
        processes, threads = crew
        self.size = processes * threads
        self._ahead = 2 * threads
        self._crew = Crew()

        def main(line: Line) -> None:
            def serve() -> None:
                batch = make()
                while True:
                    line.tell(batch(line.receive()))

            gc.disable()  # nothing that is done here makes cycles
            line.share(serve, threads)

        try:
            for _number in range(processes):
                self._crew.add(main)
        except BaseException:
            self.close()
            raise

    def drain(self, fetch: Callable[[], list[Task]], take: Callable[[Any], None]) -> None:
        """Hand out what ``fetch`` gives, and ``take`` the reports, until there is neither.

        Raises IngestError: a worker process failed or ended.
        """
        members = self._crew.members
        pending: dict[Member, int] = dict.fromkeys(members, 0)
        while True:
            idlest = min(members, key=pending.__getitem__)
            while pending[idlest] < self._ahead:
                tasks = fetch()
                if not tasks:
                    break
                idlest.send(tasks)
                pending[idlest] += 1
                idlest = min(members, key=pending.__getitem__)
            if not any(pending.values()):
                return
            for member in self._crew.wait():
                report = member.receive()
                pending[member] -= 1
                take(report)

    def close(self) -> None:
        """End the processes, whatever they do."""
        self._crew.close()
