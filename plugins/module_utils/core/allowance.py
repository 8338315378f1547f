# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all workers of a host together may do in a second; changed, and stopped, while they work."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import tempfile
import threading
import time
from typing import Callable, Iterator

from .clock import elapsed

_SLICE = 0.2  # s: so soon those who wait hear of a change
_SAVED = 0.2  # s of the budget that may be caught up on
_BYTES, _FILES, _PAUSED, _DUE = 0, 1, 2, 3  # places of the shared numbers; two are due
_NUMBERS = 5


class Allowance:
    """Bytes and entries a second (0: as many as can be), for processes that are forked after it was
    made. Whoever works gets what the others leave."""

    def __init__(self, size: float = 0.0, files: float = 0.0, paused: bool = False) -> None:
        """As :meth:`change` takes them. Raises OSError."""
        self._file = _shared()
        os.ftruncate(self._file, 8 * _NUMBERS)
        self._numbers = memoryview(mmap.mmap(self._file, 8 * _NUMBERS)).cast("d")
        self._within = threading.Lock()
        self.change(size, files, paused)

    def change(self, size: float, files: float, paused: bool) -> None:
        """From now on so many ``size`` bytes and ``files`` a second, or nothing at all."""
        with self._locked():
            now = elapsed()
            for kind, new in ((_BYTES, size), (_FILES, files)):
                # What was booked takes as long as it does now.
                old, due = self._numbers[kind], self._numbers[_DUE + kind]
                left = max(0.0, due - now) * old / new if new else 0.0
                self._numbers[kind], self._numbers[_DUE + kind] = new, now + left
            self._numbers[_PAUSED] = paused

    @property
    def paused(self) -> bool:
        """Whether nothing may begin."""
        return bool(self._numbers[_PAUSED])

    @property
    def bytes(self) -> float:
        """Bytes a second, 0: as many as can be."""
        return self._numbers[_BYTES]

    def spend_bytes(self, count: int, waiting: Callable[[], object]) -> None:
        """Wait until ``count`` more bytes are within the budget; ``waiting`` is called meanwhile, a
        few times a second."""
        if self._numbers[_BYTES] or self._numbers[_PAUSED]:
            self._spend(_BYTES, count, waiting)

    def spend_files(self, count: int, waiting: Callable[[], object]) -> None:
        """The same of entries."""
        if self._numbers[_FILES] or self._numbers[_PAUSED]:
            self._spend(_FILES, count, waiting)

    def _spend(self, kind: int, amount: float, waiting: Callable[[], object]) -> None:
        rate = self._numbers[kind]
        due = self._book(kind, amount / rate) if rate else elapsed()
        while True:
            now = elapsed()
            if self._numbers[_PAUSED]:
                due = max(due, now + _SLICE)
            if self._numbers[kind] != rate:
                left = max(0.0, due - now) * rate  # of what is still to be waited for
                rate = self._numbers[kind]
                due = now + left / rate if rate else now
            if now >= due and not self._numbers[_PAUSED]:
                return
            waiting()
            time.sleep(min(_SLICE, max(0.0, due - now)))

    def _book(self, kind: int, seconds: float) -> float:
        """When it is the turn of what takes so long by the budget."""
        place = _DUE + kind
        with self._locked():
            now = elapsed()
            due = max(self._numbers[place], now - _SAVED) + seconds
            self._numbers[place] = due
        return due

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else, of whatever process; one that is killed holds it no longer."""
        with self._within:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


def _shared() -> int:
    """A file without a name, which forked processes share."""
    try:
        return os.memfd_create("allowance")
    except (AttributeError, OSError):
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
