# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a source: the module's options, looked at, and the scan that they mean."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..index.result import ResultOptions
from ..index.rows import Totals
from .coordinator import Progress, check_output, check_source, scan
from .options import Comparing, ScanOptions, number


class ManifestOptions(NamedTuple):
    """What the module is asked for; the index goes to ``output``/index."""

    output: str
    scan: ScanOptions
    result: ResultOptions

    @classmethod
    def from_params(cls, params: dict[str, Any], output: str) -> ManifestOptions:
        """Those of the module's parameters. Raises IngestError: one can't be used."""
        if not params["source"]:
            raise IngestError("source: '' is no path")
        options = ScanOptions(
            to_bytes(params["source"]),
            os.path.join(output, "index"),
            workers=number(params.get("workers") or "auto", "workers"),
            threads=number(params.get("threads") or "auto", "threads"),
            include=_patterns(params, "include"),
            exclude=_patterns(params, "exclude"),
            globs=_patterns(params, "globs"),
            one_file_system=bool(params.get("one_file_system")),
            stall=float(params.get("stall_timeout") or 0),
            compare=_comparing(params),
        )
        return cls(output, options, ResultOptions.from_params(params))


def check(options: ManifestOptions, name: str = "output") -> None:
    """Look at the source and the output, which the user calls ``name``, before anything is
    written. Raises IngestError."""
    check_source(options.scan.source)
    check_output(options.scan.source, options.output, name)


def make(options: ManifestOptions, progress: Progress | None = None) -> Totals:
    """Scan, and write the index.

    Raises:
        IngestError: see :func:`.coordinator.scan`.
    """
    return scan(options.scan, progress)


def _comparing(params: dict[str, Any]) -> Comparing | None:
    if not params.get("compare_to"):
        return None
    granularity = params["granularity"]
    if granularity < 1:
        raise IngestError(f"granularity: {granularity} is less than 1")
    return Comparing(to_bytes(params["compare_to"]), tuple(params["preserve"]), granularity)


def _patterns(params: dict[str, Any], name: str) -> tuple[bytes, ...]:
    return tuple(map(to_bytes, params.get(name) or ()))
