# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source and destinations on one host: what must be true of them before anything is written."""

from __future__ import annotations

import os
from typing import Any

from ..core.errors import IngestError
from ..core.paths import display, to_bytes
from ..core.units import rate
from ..fs.mount_table import file_system
from ..fs.worker_count import check_workers, workers
from ..index.items import depths
from ..mounts import addresses, same_export
from ..mounts.same_export import problem


def destinations(options: dict[str, Any]) -> list[str]:
    """The destinations that the module's options mean: given, or one a cluster address.

    Raises:
        IngestError: none are given.
    """
    if options["destinations"]:
        return list(options["destinations"])
    if not options["cluster_addresses"]:
        raise IngestError(
            "ingest_destinations is not set (nor ingest_cluster_addresses): where to copy to?"
        )
    below = options["destination"].strip("/")
    points = options.get("mounts")
    if points is None:
        points = addresses.paths(
            options["mount_base"], len(addresses.expand(options["cluster_addresses"]))
        )
    return [os.path.join(point, below).rstrip("/") for point in points]


def check_values(options: dict[str, Any]) -> None:
    """Values that later steps read, while nothing is written yet. Raises IngestError."""
    for name, read in (
        ("workers", lambda text: check_workers(workers(text))),
        ("bandwidth_limit", rate),
    ):
        try:
            read(options[name])
        except IngestError as error:
            raise IngestError(f"ingest_{error}") from error
    try:
        depths(options["min_depth"], options["max_depth"])
    except IngestError as error:
        raise IngestError(f"ingest_{error}") from error


def check(source: str, targets: list[str], write: bool = True) -> dict[str, Any]:
    """Look at source and destinations, and prove with ``write`` that all destinations are one
    directory that can be written, else only look whether they seem to be.

    Returns ``kinds``, the file systems' types, and ``seen`` for
    :func:`..mounts.same_export.true_times`.

    Raises:
        IngestError: one sentence with the variable, the value and this host's name.
    """
    kinds = {source: _source(to_bytes(source))}
    paths = [to_bytes(target) for target in targets]
    for path in paths:
        _absolute("ingest_destinations", path)
    places = same_export.levels(paths)
    seen: dict[bytes, str] = {}
    for target, path, place in zip(targets, paths, places):
        kinds[target] = file_system(place.path)
        # Two mounts may be at paths that differ; the same path twice is a mistake.
        real = os.path.realpath(path)
        if real in seen:
            raise problem("ingest_destinations", path, f"is the same directory as '{seen[real]}'")
        seen[real] = target
        _nested(to_bytes(source), path)
    return {"kinds": kinds, "seen": same_export.prove(paths) if write else same_export.look(paths)}


def _source(path: bytes) -> str:
    _absolute("ingest_source", path)
    if not os.path.lexists(path):
        raise problem("ingest_source", path, "does not exist")
    if not os.path.isdir(path):
        raise problem("ingest_source", path, "is not a directory")
    if not os.access(path, os.R_OK | os.X_OK):
        raise problem("ingest_source", path, f"can't be read by uid {os.geteuid()}")
    return file_system(path)


def _nested(source: bytes, target: bytes) -> None:
    inner, outer = os.path.realpath(target), os.path.realpath(source)
    if inner == outer or (os.path.isdir(target) and os.path.samefile(source, target)):
        raise problem("ingest_destinations", target, "is the source itself")
    if inner.startswith(outer.rstrip(b"/") + b"/"):
        raise problem(
            "ingest_destinations", target, f"lies inside ingest_source '{display(source)}'"
        )
    if outer.startswith(inner.rstrip(b"/") + b"/"):
        raise problem(
            "ingest_source", source, f"lies inside ingest_destinations '{display(target)}'"
        )


def _absolute(name: str, path: bytes) -> None:
    if not path.startswith(b"/"):
        raise problem(name, path, "is not an absolute path")
