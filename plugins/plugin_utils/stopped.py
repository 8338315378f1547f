# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that Ctrl-C or a signal stops still ends in order: what it began is ended and recorded."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import Any, Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The playbook was told to stop. Not an Exception: nothing on the way may take it for an
    error that it knows."""


@contextlib.contextmanager
def in_order() -> Iterator[None]:
    """In the block a signal to stop raises Stopped, once; what cleans up is not stopped again.
    After it the process ends as Ansible's own handler of the signal has it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def stop(number: int, _frame: Any) -> None:
        if not came:
            came.append(number)
            raise Stopped(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if came:
            os.kill(os.getpid(), came[0])
