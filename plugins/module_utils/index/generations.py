# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of generations: one index for each scan, and ``current``, which names the newest.

::

    INDEX/current -> 20260101T120000.000000
    INDEX/20260101T120000.000000/0.db …
    INDEX/20251231T120000.000000/0.db …
"""

from __future__ import annotations

import os
import re

from ..core.errors import IngestError
from .schema import has_index

CURRENT = "current"
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}")


def find(folder: str) -> str:
    """The folder of the index that ``folder`` means: itself, its newest generation, or that of an
    ingest's run folder.

    Raises:
        IngestError: there is none.
    """
    for way in ("", CURRENT, "index", os.path.join("index", CURRENT)):
        inner = os.path.join(folder, way) if way else folder
        if has_index(inner):
            return os.path.realpath(inner) if way.endswith(CURRENT) else inner
    if not os.path.isdir(folder):
        raise IngestError(f"there is no index in {folder}: it is no directory")
    raise IngestError(f"there is no index in {folder}: scan the source first")


def generations(folder: str) -> list[str]:
    """The folders of the complete generations in ``folder``, the newest first; one that holds an
    index itself has only that. Raises IngestError: it can't be read, or there is none."""
    if has_index(folder):
        return [folder]
    try:
        newest = os.path.basename(os.readlink(os.path.join(folder, CURRENT)))
        names = sorted(filter(_NAME.fullmatch, os.listdir(folder)), reverse=True)
    except OSError as error:
        raise IngestError(f"there is no index in {folder}: {error.strerror}") from error
    # One that is newer than the current one never took its place.
    found = [os.path.join(folder, name) for name in names if name <= newest]
    return [each for each in found if has_index(each)]
