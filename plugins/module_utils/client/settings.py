# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a client copies."""

from __future__ import annotations

from typing import NamedTuple

from ..core.vocabulary import PRESERVE


class Settings(NamedTuple):
    """How a client copies. ``bandwidth_limit`` in bytes/s for the whole client, 0: none."""

    source: bytes
    destinations: tuple[bytes, ...]
    preserve: tuple[str, ...] = PRESERVE
    processes: int = 1
    threads: int = 1
    bandwidth_limit: float = 0.0
    fsync: bool = False
    digests: bool = False
    # About what a worker is handed at once; also what one rsync gets at most.
    chunk_files: int = 96
    chunk_bytes: int = 8 << 20
    # For the methods with rsync: the command, and how its second phase verifies.
    rsync: tuple[str, ...] = ()
    rsync_verify: str = "metadata"
    # Whether what the second pass finds wrong is copied again at once.
    repair: bool = False
