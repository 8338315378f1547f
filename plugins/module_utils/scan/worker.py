# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of the scan: lists the directories it is handed and writes them to its own part."""

from __future__ import annotations

from typing import NamedTuple

from ..core.processes import Line
from ..index.writer import errors_named
from .gathered import Gathered
from .lister import Lister
from .messages import Group, Task


class _Share(NamedTuple):
    """One directory of a batch, and how many of the batch are still to be listed."""

    group: Group
    left: list[int]


def work(line: Line, number: int, task: Task) -> None:
    """What a process does until the coordinator sends None: then it completes its part of the
    index and sends what :meth:`PartWriter.finish` returns."""
    with errors_named(task.folder):
        process = _Process(line, number, task)
    line.share(process.serve, task.threads)


class _Process:
    """What its threads share."""

    def __init__(self, line: Line, number: int, task: Task) -> None:
        self._line = line
        self._task = task
        self._gathered = Gathered(task, number, line.tell)

    def serve(self) -> None:
        """List batches until the coordinator has no more."""
        with errors_named(self._task.folder):
            lister = Lister(self._gathered)
            while True:
                message = self._line.receive()
                if message is None:
                    self._line.tell(self._gathered.part.finish())
                elif isinstance(message, _Share):
                    self._do_share(lister, message)
                elif self._task.threads > 1:
                    self._share_out(message)
                else:
                    for group in message:
                        lister.group(group)
                    self._gathered.report(True)

    def _share_out(self, batch: list[Group]) -> None:
        """Each directory for any thread. What is found in it is told at once, not with the slowest
        of the batch."""
        groups = [
            group._replace(names=name) for group in batch for name in group.names.split(b"\0")
        ]
        left = [len(groups)]
        for group in groups:
            self._line.pass_on(_Share(group, left))

    def _do_share(self, lister: Lister, share: _Share) -> None:
        lister.group(share.group)
        with self._gathered.lock:
            share.left[0] -= 1
            self._gathered.tell(not share.left[0])
