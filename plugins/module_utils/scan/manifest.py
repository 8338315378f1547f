# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a source: scan it, then say and write what a reader wants to know."""

from __future__ import annotations

import os
import sqlite3
from itertools import islice
from typing import Any, Callable

from ..core.errors import IngestError
from ..core.paths import display, to_bytes
from ..index.directory_sizes import subtrees, write_table
from ..index.items import count_items, depths
from ..index.plain_files import check_options, write_files
from ..index.reader import Index, Totals
from .coordinator import check_output, check_source, processes, scan

SHOWN_ERRORS = 20


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


def finish(options: dict[str, Any], output: str) -> dict[str, Any]:
    """Write what is made from the index in ``output``/index, and return the module's result.

    Raises:
        IngestError: a file can't be written.
    """
    low, high = options.get("min_depth"), options.get("max_depth")
    index = Index(os.path.join(output, "index"))
    try:
        result = _result(index)
        result["items"] = count_items(index, low, high)
        table = os.path.join(output, "directories.tsv")
        try:
            result["item_directories"] = write_table(table, subtrees(index, low, high))
        except OSError as error:
            raise IngestError(f"'{table}' can't be written: {error.strerror}") from error
        plain = options.get("plain_files")
        if plain is not None:
            result["lines"] = write_files(output, index, min_depth=low, max_depth=high, **plain)
    finally:
        index.close()
    result["output"] = output
    return result


def _result(index: Index) -> dict[str, Any]:
    totals, meta = index.totals(), index.meta()
    unmatched = [display(to_bytes(glob)) for glob in meta["unmatched_globs"]]
    warnings = [f"the glob '{glob}' matches nothing in the source" for glob in unmatched]
    failures = [
        {
            "path": display(error.path) or ".",
            "operation": error.operation,
            "errno": error.errno,
            "message": error.message,
        }
        for error in islice(index.errors(), SHOWN_ERRORS)
    ]
    if failures:
        warnings.append(
            "the source could not be read completely: %d errors, the first: %s: %s (%s)"
            % (totals.errors, failures[0]["path"], failures[0]["message"], failures[0]["operation"])
        )
    seconds = max(0.0, meta["finished"] - meta["started"])
    result = {
        **totals._asdict(),
        "seconds": round(seconds, 3),
        "entries_per_second": round((totals.entries + totals.directories) / max(seconds, 1e-3)),
        "workers": meta["workers"],
        "threads": meta["threads"],
        "source": display(to_bytes(meta["source"])),
        "unmatched_globs": unmatched,
        "failures": failures,
    }
    return {**result, "warnings": warnings} if warnings else result


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
