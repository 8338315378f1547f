# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the coordinator of a scan and its processes say to each other."""

from __future__ import annotations

from typing import NamedTuple

from ..fs.worker_count import waits
from ..index.earlier import Earlier
from ..index.rows import Totals
from .compare import UNKNOWN
from .filters import Filter
from .globs import Active, Globs
from .options import Comparing, ScanOptions, number


class Group(NamedTuple):
    """Subdirectories of one directory that are still to be listed."""

    parent: int  # id of the directory; 0 with the name b"" is the root
    path: bytes
    depth: int  # of the subdirectories
    active: Active | None  # globs that are still to be fulfilled below; None: all is taken
    names: bytes  # NUL-separated
    inode: int  # of the directory
    place: int = UNKNOWN  # what the destination has in theirs, as :mod:`.compare` says


class Report(NamedTuple):
    """What a worker tells the coordinator."""

    batch_done: bool
    found: list[Group]
    lost: list[int]  # ids of directories, once for each subdirectory that has no row
    matched: set[int]  # globs
    totals: Totals  # of this worker so far
    kept: int  # directories of which nothing was listed, so far
    unanswered: bool = False  # whether a call timed out: the source's server may be dead


class Task(NamedTuple):
    """What every process of a scan knows."""

    source: bytes
    remote: bool  # whether a server has it
    folder: str
    threads: int
    filter: Filter
    globs: Globs
    one_file_system: bool
    sums: bool
    links: bool
    xattrs: bool
    compare: Comparing | None = None
    earlier: Earlier | None = None  # what may be taken over


def task_of(options: ScanOptions, compare: Comparing | None) -> Task:
    """What the options mean to a process; ``compare`` is what is left of theirs when somebody has
    looked. Raises IngestError: one can't be used."""
    remote = waits(options.source)
    threads = number(options.threads, "threads")
    if not isinstance(threads, int):
        threads = 8 if remote or (compare is not None and waits(compare.destination)) else 1
    return Task(
        options.source,
        remote,
        options.folder,
        threads,
        Filter(options.include, options.exclude),
        Globs(options.globs),
        options.one_file_system,
        options.sums,
        options.links,
        options.xattrs,
        compare,
        options.earlier,
    )
