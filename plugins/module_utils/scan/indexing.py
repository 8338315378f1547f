# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index of a tree: the module's options, looked at, and the scan that they mean."""

from __future__ import annotations

import os
import time
from itertools import islice
from typing import Any, NamedTuple

from ..core.errors import IngestError
from ..core.paths import display, to_bytes
from ..index.generations import Place, writing
from ..index.reader import Index
from .coordinator import Progress, check_output, check_source, scan
from .options import ScanOptions, number

_SHOWN = 20  # failures


class IndexOptions(NamedTuple):
    """What the module is asked for. ``folder`` is for generations, of which ``keep`` are kept."""

    folder: str
    scan: ScanOptions
    keep: int

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> IndexOptions:
        """Those of the module's parameters. Raises IngestError: one can't be used."""
        for name in ("source", "index_dir"):
            if not params[name]:
                raise IngestError(f"{name}: '' is no path")
        keep = int(params["generations"])
        if keep < 1:
            raise IngestError(f"generations: {keep} is less than 1")
        folder = os.path.abspath(params["index_dir"])
        options = ScanOptions(
            to_bytes(params["source"]),
            "",
            workers=number(params["workers"], "workers"),
            threads=number(params["threads"], "threads"),
            include=tuple(map(to_bytes, params["include"])),
            exclude=tuple(map(to_bytes, params["exclude"])),
            one_file_system=bool(params["one_file_system"]),
            stall=float(params["stall_timeout"]),
            sums=True,
            links=True,
            xattrs=bool(params["xattrs"]),
        )
        return cls(folder, options, keep)


def check(options: IndexOptions) -> None:
    """Look at the source and the folder before anything is written. Raises IngestError."""
    check_source(options.scan.source)
    check_output(options.scan.source, options.folder, "index_dir")


def make(options: IndexOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Scan; the new generation takes its place when it is complete. Returns the module's result.

    Raises:
        IngestError: another scan is at work there, or see :func:`.coordinator.scan`.
    """
    began = time.monotonic()
    with writing(options.folder) as place:
        target = _make(options, place, progress)
    return _result(target, time.monotonic() - began)


def _make(options: IndexOptions, place: Place, progress: Progress | None) -> str:
    scan(options.scan._replace(folder=place.new), progress)
    return place.complete(options.keep)


def _result(folder: str, seconds: float) -> dict[str, Any]:
    index = Index(folder)
    try:
        totals, meta = index.totals(), index.meta()
        failures = [
            {
                "path": display(error.path) or ".",
                "operation": error.operation,
                "errno": error.errno,
                "message": error.message,
            }
            for error in islice(index.errors(), _SHOWN)
        ]
    finally:
        index.close()
    result: dict[str, Any] = {
        **totals._asdict(),
        "seconds": round(seconds, 3),
        "entries_per_second": round((totals.entries + totals.directories) / max(seconds, 1e-3)),
        "workers": meta["workers"],
        "threads": meta["threads"],
        "source": display(to_bytes(meta["source"])),
        "generation": folder,
        "failures": failures,
    }
    if failures:
        result["warnings"] = [
            f"the source could not be read completely: {totals.errors} errors, the first: "
            f"{failures[0]['path']}: {failures[0]['message']} ({failures[0]['operation']})"
        ]
    return result
