# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a tree fits the destination, as its index and the preflight tell."""

from __future__ import annotations

from typing import Any, Collection

from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight import shortfalls, space


def misfits(
    folder: str,
    holds: dict[str, Any] | None,
    preserve: Collection[str],
    check_space: bool,
    nodes: int,
) -> list[str]:
    """Warnings of what the destination can't keep or hold of the tree whose index is in ``folder``;
    ``holds`` is what the preflight found there, ``nodes`` the cluster's addresses. Raises
    IngestError where that is plain."""
    index = Index(folder)
    try:
        found = [space.too_many(index.totals().entries, nodes)]
        if holds:
            shortfalls.clashes(holds, index)
            if check_space:
                compared = bool(index.meta().get("compared"))
                found.append(space.check(space.need(index, holds, preserve), holds, compared))
            found += shortfalls.in_tree(holds, preserve, index)
        return [sentence for sentence in found if sentence]
    finally:
        index.close()
