# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan is to do."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..core.errors import IngestError
from ..core.vocabulary import PRESERVE
from ..index.earlier import Earlier
from ..index.schema import MAX_PARTS

_AUTO = 8  # processes, at most


class Comparing(NamedTuple):
    """What the source is compared with while it is scanned: a mount of the destination as this host
    sees it, what the copy is to preserve, and the steps (ns) in which times are kept there."""

    destination: bytes
    preserve: tuple[str, ...] = PRESERVE
    granularity: int = 1


class ScanOptions(NamedTuple):
    """What is to be scanned, and how.

    ``folder`` is for the index. ``workers`` are processes, one part of the index each, or ``auto``:
    one for each processor, at most 8. ``threads`` are per process; more than one is for network
    mounts; ``auto``: 8 there, else 1. ``include`` and ``exclude`` have rsync's meaning, see
    :class:`.filters.Filter`. If there are ``globs``, only what they match is taken, whole; see
    :class:`.globs.Globs`. ``one_file_system``: no directory that is another file system's is
    listed. ``stall``: seconds that the source may not answer (0: for ever). ``sums``: those of each
    directory are wanted, too, ``links`` the text of links, ``xattrs`` the names of extended
    attributes. ``compare``: with what, if there is something. ``earlier``: what may be taken over
    from an earlier index with such options; then there are no ``globs``, and nothing to
    ``compare`` with. ``scans``: how many whole scans came before.
    """

    source: bytes
    folder: str
    workers: int | str = "auto"
    threads: int | str = "auto"
    include: tuple[bytes, ...] = ()
    exclude: tuple[bytes, ...] = ()
    globs: tuple[bytes, ...] = ()
    one_file_system: bool = False
    stall: float = 0.0
    sums: bool = False
    links: bool = False
    xattrs: bool = False
    compare: Comparing | None = None
    earlier: Earlier | None = None
    scans: int = 0


def processes(workers: int | str) -> int:
    """How many processes ``workers`` means. Raises IngestError."""
    count = number(workers, "workers")
    if isinstance(count, int):
        return min(count, MAX_PARTS)
    return max(1, min(_AUTO, len(os.sched_getaffinity(0))))


def number(value: object, option: str) -> int | str:
    """An option that is ``auto`` or a number from 1, maybe as text. Raises IngestError."""
    if value == "auto":
        return "auto"
    try:
        count = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        count = 0
    if count < 1:
        raise IngestError(f"{option}: '{value}' is neither 'auto' nor a number from 1")
    return count
