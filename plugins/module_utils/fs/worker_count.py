# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many processes and threads work at once."""

from __future__ import annotations

import os
from typing import Iterable

from ..core.errors import IngestError
from .mount_table import NETWORK, file_system

MOST = 64  # what "auto" comes to at most
MOST_ADAPTED = 128  # when it adapts to the rate


def workers_for(
    paths: Iterable[bytes], workers: object = "auto", least: int = 1, cpus: int | None = None
) -> tuple[int, int]:
    """(processes, threads of each) for a number of workers or ``auto``, but at least ``least``
    processes.

    Threads of one process share the interpreter's lock: they pay where calls wait for a server.
    There ``auto`` is 16 a processor, at most 64, the article's best on four; elsewhere one
    process a processor.

    Raises:
        IngestError: ``workers`` is neither.
    """
    check_workers(workers)
    cpus = cpus or len(os.sched_getaffinity(0))
    waiting = any(waits(path) for path in paths)
    count = workers if isinstance(workers, int) else min(MOST, 16 * cpus) if waiting else cpus
    count = max(count, least)
    processes = max(min(count, cpus if waiting else max(cpus, 8)), least)
    return processes, -(-count // processes)


def waits(path: bytes) -> bool:
    """Whether the calls for a path wait for a server, or for another process."""
    kind = file_system(path)
    return kind in NETWORK or kind.startswith("fuse")


def most_for(paths: Iterable[bytes], workers: object, limited: bool) -> int:
    """Up to how many workers ``auto`` may become while running, by the rate; 0: it does not.

    Where no call waits for a server, more than one a processor gain nothing. ``limited``: what the
    client may do in a second is not its workers' matter.
    """
    if workers != "auto" or limited or not any(waits(path) for path in paths):
        return 0
    return MOST_ADAPTED


def chunk_for(threads: int) -> tuple[int, int]:
    """How many entries and bytes a worker is handed at once, at most: few where each takes long."""
    return (32, 4 << 20) if threads > 1 else (96, 8 << 20)


def check_workers(workers: object) -> None:
    """Raises IngestError if this is neither a number of workers nor ``auto``."""
    if workers != "auto" and not (
        isinstance(workers, int) and not isinstance(workers, bool) and workers > 0
    ):
        raise IngestError(f"workers: '{workers}' is neither 'auto' nor a number from 1")


def workers(text: object) -> object:
    """A number of workers, or ``auto``, from an option."""
    value = str(text).strip()
    return int(value) if value.isdigit() else value
