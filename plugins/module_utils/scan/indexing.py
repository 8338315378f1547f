# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index of a tree: the module's options, looked at, and the scan that they mean."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple, Tuple

from ..core.errors import IngestError
from ..core.paths import display, to_bytes, to_text
from ..core.units import period
from ..index.earlier import FULL, Earlier
from ..index.generations import Place, writing
from ..index.parts import complete
from ..index.reader import Index
from ..search.marks import LISTS, Mark, mark, read
from .coordinator import Progress, check_output, check_source, scan
from .options import ScanOptions, number

_SHOWN = 20  # failures


class IndexOptions(NamedTuple):
    """What the module is asked for. ``folder`` is for generations, of which ``keep`` are kept.
    ``mode``, ``subtrees`` and ``settled`` (s) are as for :class:`..index.earlier.Earlier`,
    ``marks`` and ``list_format`` as for :func:`..search.marks.mark`."""

    folder: str
    scan: ScanOptions
    keep: int
    mode: str = FULL
    subtrees: Tuple[bytes, ...] = ()
    settled: float = 0.0
    marks: Tuple[Mark, ...] = ()
    list_format: str = "null"

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
        subtrees = tuple(_relative(path) for path in params["subtrees"])
        settled = period(params["settled"], "settled")
        form = params["list_format"]
        marks = tuple(read(params["policies"], form))
        return cls(folder, options, keep, params["scan"], subtrees, settled, marks, form)


def check(options: IndexOptions) -> None:
    """Look at the source and the folder before anything is written. Raises IngestError."""
    check_source(options.scan.source)
    check_output(options.scan.source, options.folder, "index_dir")
    for path in options.subtrees:
        full = os.path.join(options.scan.source, path)
        if not os.path.isdir(full) or os.path.islink(full):
            raise IngestError(
                f"subtrees: '{display(path)}' is no directory in '{display(options.scan.source)}'"
            )


def make(options: IndexOptions, progress: Progress | None = None) -> dict[str, Any]:
    """Scan; the new generation takes its place when it is complete. Returns the module's result.

    Raises:
        IngestError: another scan is at work there, or see :func:`.coordinator.scan`.
    """
    began = time.monotonic()
    with writing(options.folder) as place:
        why, marked = _make(options, place, progress)
        target = place.complete(options.keep)
    result = _result(target, time.monotonic() - began, why)
    if options.marks:
        for each in marked.values():
            folder = os.path.join(target, LISTS)
            each["lists"] = [os.path.join(folder, os.path.basename(path)) for path in each["lists"]]
        result["policies"] = marked
    return result


def _make(
    options: IndexOptions, place: Place, progress: Progress | None
) -> tuple[str, dict[str, dict[str, Any]]]:
    """Scan. Why that was not done as it was asked for, and what the policies have."""
    earlier, why = _earlier(options, place.old)
    number = 0
    if place.old is not None:
        with suppress(IngestError):  # what is broken is replaced
            number = int(complete(place.old).meta.get("scans", 0)) + (not options.subtrees)
    new = options.scan._replace(folder=place.new, earlier=earlier, scans=number)
    scan(new, progress)
    if not options.marks:
        return why, {}
    marked = mark(place.new, options.marks, options.list_format, time.time_ns())
    return why, {name: each._asdict() for name, each in marked.items()}


def _earlier(options: IndexOptions, old: str | None) -> tuple[Earlier | None, str]:
    """What of the last generation may be taken over, and why nothing may be. Raises IngestError:
    there is nothing to fold a subtree into."""
    if options.mode == FULL and not options.subtrees:
        return None, ""
    why = "there is no earlier generation"
    if old is not None:
        try:
            why = _differs(options.scan, complete(old).meta)
            subtrees = tuple(_known(old, path) for path in options.subtrees) if not why else ()
            found = None if why else Earlier.of(old, options.mode, subtrees, options.settled)
        except IngestError as error:
            found, why = None, str(error)
        if found is not None:
            return found, ""
        why = why or "the last generation has too many errors"
    if options.subtrees:
        raise IngestError(f"subtrees: all has to be scanned first, as {why}")
    return None, f"all was scanned, as {why}"


def _differs(options: ScanOptions, meta: dict[str, Any]) -> str:
    """Why an index with this ``meta`` is of no use for a scan with these options."""
    said = {
        "source": to_text(options.source).rstrip("/"),
        "include": list(map(to_text, options.include)),
        "exclude": list(map(to_text, options.exclude)),
        "one_file_system": options.one_file_system,
        "xattrs": options.xattrs,
        "links": options.links,
        "sums": options.sums,
        "globs": [],
    }
    known = {**meta, "source": str(meta.get("source")).rstrip("/")}
    differ = [name for name, value in said.items() if known.get(name) != value]
    return f"the last generation was made with another {differ[0]}" if differ else ""


def _known(folder: str, path: bytes) -> bytes:
    """The path, or the nearest directory above it that the index knows: that has to be listed, for
    the index to know the path, too."""
    index = Index(folder)
    try:
        while path and not index.has_directory(path):
            path = path.rpartition(b"/")[0]
    finally:
        index.close()
    return path


def _relative(text: str) -> bytes:
    """A path in the source. Raises IngestError: it leads out of it."""
    parts = [part for part in to_bytes(text).split(b"/") if part not in (b"", b".")]
    if text.startswith("/") or b".." in parts:
        raise IngestError(f"subtrees: '{text}' is not relative to the source")
    return b"/".join(parts)


def _result(folder: str, seconds: float, why: str) -> dict[str, Any]:
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
        "listed": totals.directories - meta["kept"],
        "failures": failures,
    }
    warnings = [why] if why else []
    if failures:
        warnings.append(
            f"the source could not be read completely: {totals.errors} errors, the first: "
            f"{failures[0]['path']}: {failures[0]['message']} ({failures[0]['operation']})"
        )
    return {**result, "warnings": warnings} if warnings else result
