# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module manifest answers, and the files that are made from a finished index."""

from __future__ import annotations

import os
from itertools import islice
from typing import Any, NamedTuple

from ..core.errors import IngestError
from ..core.paths import display, to_bytes
from .directory_sizes import subtrees, write_table
from .items import count_items, depths
from .plain_files import check_options, write_files
from .reader import Index

SHOWN_ERRORS = 20


class ResultOptions(NamedTuple):
    """What is to be made from an index: from where to where directories are items, and plain
    files for so many ``clients`` (None: none)."""

    min_depth: int | None = None
    max_depth: int | None = None
    clients: int | None = None
    separator: str = "null"

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> ResultOptions:
        """Those of the module's parameters. Raises IngestError: one can't be used."""
        plain = params.get("plain_files")
        options = cls(params.get("min_depth"), params.get("max_depth"))
        if plain is not None:
            if plain["clients"] is None:
                raise IngestError("plain_files: clients is not given")
            options = options._replace(clients=plain["clients"], separator=plain["separator"])
            check_options(plain["clients"], plain["separator"])
        depths(options.min_depth, options.max_depth)
        return options


def finish(options: ResultOptions, output: str) -> dict[str, Any]:
    """Write what is made from the index in ``output``/index, and return the module's result.

    Raises:
        IngestError: a file can't be written.
    """
    low, high = options.min_depth, options.max_depth
    index = Index(os.path.join(output, "index"))
    try:
        result = _result(index)
        result["item_count"] = count_items(index, low, high)
        table = os.path.join(output, "directories.tsv")
        result["item_directories"] = write_table(table, subtrees(index, low, high))
        if options.clients is not None:
            result["lines"] = write_files(
                output, index, options.clients, options.separator, low, high
            )
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
            f"the source could not be read completely: {totals.errors} errors, the first: "
            f"{failures[0]['path']}: {failures[0]['message']} ({failures[0]['operation']})"
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
