# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that is told to stop still removes what it made."""

from __future__ import annotations

import signal


def end_cleanly() -> None:
    """From now on SIGTERM and SIGHUP end this process as an exception does: through ``finally``."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)


def _stop(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
