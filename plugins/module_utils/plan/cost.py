# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What work costs: an estimate that shares out shards, and a measure of progress."""

from __future__ import annotations

# What one file costs beside its bytes, and the bytes' rate: relative, in s and bytes/s.
FILE_COST = 0.001
RATE = 100e6


def cost_of(files: int, size: int) -> float:
    """What so many files of ``size`` bytes together cost, relative to others."""
    return files * FILE_COST + size / RATE
