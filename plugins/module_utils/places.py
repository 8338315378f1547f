# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source and destinations on one host: what must be true of them before anything is written."""

from __future__ import annotations

import os
import socket
from typing import Any, Dict, List

from . import addresses
from .client import rate, workers
from .errors import IngestError
from .mounts import file_system
from .paths import display, to_bytes
from .runner import check_workers
from .select import depths


def destinations(options: Dict[str, Any]) -> List[str]:
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
    count = len(addresses.expand(options["cluster_addresses"]))
    return [
        os.path.join(point, below).rstrip("/")
        for point in addresses.paths(options["mount_base"], count)
    ]


def check_values(options: Dict[str, Any]) -> None:
    """Values that later steps read, while nothing is written yet. Raises IngestError."""
    for name, read in (
        ("workers", lambda text: check_workers(workers(text))),
        ("bandwidth_limit", rate),
    ):
        try:
            read(options[name])
        except IngestError as error:
            raise IngestError("ingest_%s" % error) from error
    try:
        depths(options["min_depth"], options["max_depth"])
    except IngestError as error:
        raise IngestError("ingest_%s" % error) from error


def check(source: str, targets: List[str]) -> Dict[str, str]:
    """Look at source and destinations; returns the file systems' types.

    Raises:
        IngestError: one sentence with the variable, the value and this host's name.
    """
    kinds = {source: _source(to_bytes(source))}
    seen: Dict[bytes, str] = {}
    for target in targets:
        path = to_bytes(target)
        kinds[target] = _target(path)
        # Two mounts may be at paths that differ; the same path twice is a mistake.
        real = os.path.realpath(path)
        if real in seen:
            raise _problem(
                "ingest_destinations", path, "is the same directory as '%s'" % seen[real]
            )
        seen[real] = target
        _nested(to_bytes(source), path)
    _one_directory(targets)
    return kinds


def _source(path: bytes) -> str:
    _absolute("ingest_source", path)
    if not os.path.lexists(path):
        raise _problem("ingest_source", path, "does not exist")
    if not os.path.isdir(path):
        raise _problem("ingest_source", path, "is not a directory")
    if not os.access(path, os.R_OK | os.X_OK):
        raise _problem("ingest_source", path, "can't be read by uid %d" % os.geteuid())
    return file_system(path)


def _target(path: bytes) -> str:
    _absolute("ingest_destinations", path)
    where = path
    if not os.path.lexists(path):
        where = os.path.dirname(path.rstrip(b"/"))
        if not os.path.isdir(where):
            raise _problem(
                "ingest_destinations", path,
                "does not exist, nor does the directory that it is to be made in",
            )
    elif not os.path.isdir(path):
        raise _problem("ingest_destinations", path, "is not a directory")
    if not os.access(where, os.W_OK | os.X_OK):
        raise _problem("ingest_destinations", path, "can't be written by uid %d" % os.geteuid())
    return file_system(where)


def _nested(source: bytes, target: bytes) -> None:
    inner, outer = os.path.realpath(target), os.path.realpath(source)
    if inner == outer or (os.path.isdir(target) and os.path.samefile(source, target)):
        raise _problem("ingest_destinations", target, "is the source itself")
    if inner.startswith(outer.rstrip(b"/") + b"/"):
        raise _problem(
            "ingest_destinations", target, "lies inside ingest_source '%s'" % display(source)
        )
    if outer.startswith(inner.rstrip(b"/") + b"/"):
        raise _problem(
            "ingest_source", source, "lies inside ingest_destinations '%s'" % display(target)
        )


def _one_directory(targets: List[str]) -> None:
    """Cheap and without writing: the copy itself makes sure with a file that it writes."""
    numbers: Dict[int, str] = {}
    for target in targets:
        if os.path.isdir(target):
            numbers.setdefault(os.stat(target).st_ino, target)
    if len(numbers) > 1:
        first, second = list(numbers.values())[:2]
        raise _problem(
            "ingest_destinations", to_bytes(second),
            "is not the same directory as '%s', but all must be one, over several mounts" % first,
        )


def _absolute(name: str, path: bytes) -> None:
    if not path.startswith(b"/"):
        raise _problem(name, path, "is not an absolute path")


def _problem(name: str, path: bytes, what: str) -> IngestError:
    return IngestError("%s '%s' %s on %s" % (name, display(path), what, socket.gethostname()))
