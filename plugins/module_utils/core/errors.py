# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's one exception."""

from __future__ import annotations

import os


class IngestError(Exception):
    """What the user must know, in one clear sentence that names what is wrong and where."""


class OperationError(OSError):
    """An OSError that names the operation that failed."""

    def __init__(self, operation: str, number: int, message: str = "") -> None:
        super().__init__(number, message or os.strerror(number))
        self.operation = operation
