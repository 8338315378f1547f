# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a source: the module's options, looked at, and the scan that they mean."""

from __future__ import annotations

import os
import sqlite3
from typing import Any, Callable

from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..index.items import depths
from ..index.plain_files import check_options
from ..index.reader import Totals
from .coordinator import check_output, check_source, processes, scan


def check(options: dict[str, Any], output: str = "output") -> None:
    """Look at the options of the module before anything is written; ``output`` is what to call
    the folder for the result. Raises IngestError."""
    if not options["source"]:
        raise IngestError("source: '' is no path")
    depths(options.get("min_depth"), options.get("max_depth"))
    processes(_number(options.get("workers") or "auto", "workers"))
    _number(options.get("threads") or "auto", "threads")
    if options.get("plain_files") is not None:
        check_options(**options["plain_files"])
    source = to_bytes(options["source"])
    check_source(source)
    check_output(source, options["output"], output)


def make(options: dict[str, Any], progress: Callable[[Totals], None] | None = None) -> Totals:
    """Scan with the module's options and write the index to ``output``/index.

    Raises:
        IngestError: see :func:`.coordinator.scan`.
    """
    folder = os.path.join(options["output"], "index")
    try:
        return _scan(options, folder, progress)
    except (OSError, sqlite3.Error) as error:
        raise IngestError(f"the index can't be written to '{folder}': {error}") from error


def _scan(
    options: dict[str, Any], folder: str, progress: Callable[[Totals], None] | None
) -> Totals:
    return scan(
        to_bytes(options["source"]),
        folder,
        workers=_number(options.get("workers") or "auto", "workers"),
        threads=_number(options.get("threads") or "auto", "threads"),
        include=[to_bytes(pattern) for pattern in options.get("include") or ()],
        exclude=[to_bytes(pattern) for pattern in options.get("exclude") or ()],
        globs=[to_bytes(glob) for glob in options.get("globs") or ()],
        one_file_system=bool(options.get("one_file_system")),
        progress=progress,
        stall=float(options.get("stall_timeout") or 0),
    )


def _number(value: Any, option: str) -> int | str:
    """An option that is ``auto`` or a number. Raises IngestError."""
    if value == "auto":
        return "auto"
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise IngestError(f"{option}: '{value}' is neither 'auto' nor a number from 1")
    return number
