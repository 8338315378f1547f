# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics of runs that have ended, read again."""

from __future__ import annotations

import json
import os
from typing import Any

from ..core.errors import IngestError
from .stats import STATS


def runs_at(folder: str) -> list[str]:
    """The folder if it is a run's, else those of the runs in it, by name. Raises IngestError."""
    if _has_run(folder):
        return [folder]
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise IngestError(f"{folder} can't be read: {error.strerror}") from error
    return [path for path in (os.path.join(folder, name) for name in names) if _has_run(path)]


def stats_of(folder: str) -> dict[str, Any]:
    """What a run's stats.json holds. Raises IngestError."""
    path = os.path.join(folder, STATS)
    try:
        with open(path, encoding="utf-8") as stream:
            stats: dict[str, Any] = json.load(stream)
        if not isinstance(stats["hosts"], dict) or not isinstance(stats["parameters"], dict):
            raise ValueError("it is not a run's")
        return stats
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IngestError(f"{path} can't be used: {error}") from error


def _has_run(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, STATS))
