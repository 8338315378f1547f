# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a client copies."""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional

from ..core.allowance import Allowance
from ..core.vocabulary import PRESERVE
from ..scan.selection import Selection


class Settings(NamedTuple):
    """How a client copies. ``allowance``: what all its workers together may do in a second; None:
    as much as they can."""

    source: bytes
    destinations: tuple[bytes, ...]
    preserve: tuple[str, ...] = PRESERVE
    processes: int = 1
    threads: int = 1
    allowance: Optional[Allowance] = None
    fsync: bool = False
    digests: bool = False
    # About what a worker is handed at once; also what one rsync gets at most.
    chunk_files: int = 96
    chunk_bytes: int = 8 << 20
    # For the methods with rsync: what copies a chunk's lines in the engine's place, so that only
    # the hosts that need it are sent it; the command, and how its second phase verifies.
    copy_lines: Callable[..., list[int]] | None = None
    rsync: tuple[str, ...] = ()
    rsync_verify: str = "metadata"
    # Whether what the second pass finds wrong is copied again at once.
    repair: bool = False
    # What the scan took, and whether the second pass looks for what came after it; if there is
    # none, this is done with the last metadata.
    selection: Selection = Selection()
    second_pass: bool = True
    # How often what failed as may pass is tried again, after pauses that grow.
    retries: int = 0
    # Whether the plan holds only what the scan found to be missing or different.
    compared: bool = False
    # Up to how many workers there may be at once when their number adapts to the rate; 0: it stays.
    most: int = 0
    # Whether the second pass looks at what the copy found right, too.
    verify_all: bool = False

    @property
    def compared_is_proved(self) -> bool:
        """Whether what the copy has compared with the source needs no second pass."""
        return self.second_pass and not (self.digests or self.verify_all)
