# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the threads of a process of the scan have found, until it is told."""

from __future__ import annotations

import os
import threading
from typing import Callable

from ..core.errnos import may_pass
from ..index.rows import ScanError
from ..index.writer import PartWriter
from .messages import Group, Report, Task


class Gathered:
    """What a process has found and not told yet, and its part of the index; the callers share the
    ``lock``, but for the methods."""

    def __init__(
        self, task: Task, number: int, tell: Callable[[Report], None], listed: int = 0
    ) -> None:
        """``number`` is the part's; ``tell`` hears what was found; ``listed``: directories whose
        ids others have given. Raises OSError and sqlite3.Error."""
        self.task = task
        self.lock = threading.Lock()
        self._tell = tell
        self.part = PartWriter(task.folder, number, bool(task.globs), task.sums, listed)
        self.device = os.stat(task.source).st_dev if task.one_file_system else None
        self.found: list[Group] = []
        self.lost: list[int] = []
        self.matched: set[int] = set()
        self.kept = 0
        self.unanswered = False

    def report(self, batch_done: bool) -> None:
        """Tell what was found since the last report."""
        with self.lock:
            self.tell(batch_done)

    def tell(self, batch_done: bool) -> None:
        """The same, for who holds the lock."""
        if not (batch_done or self.found or self.unanswered):
            return
        message = Report(
            batch_done,
            self.found,
            self.lost,
            self.matched,
            self.part.totals,
            self.kept,
            self.unanswered,
        )
        self.unanswered = False
        self.found, self.lost, self.matched = [], [], set()
        self._tell(message)

    def error(self, path: bytes, operation: str, error: OSError) -> None:
        """Note what could not be read."""
        number, message = error.errno or 0, error.strerror or str(error)
        with self.lock:
            self.unanswered = self.unanswered or may_pass(number)
            self.part.error(ScanError(path, operation, number, message))
