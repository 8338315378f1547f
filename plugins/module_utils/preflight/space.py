# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a tree has room at the destination, before anything is copied."""

from __future__ import annotations

from typing import Any, Collection, NamedTuple

from ..core.changes import COMPARED, NEW
from ..core.errors import IngestError
from ..core.units import count, size
from ..index.reader import Index

# "Typically 200 million files for a cluster of three nodes, 500 million for one of six, and so on":
# https://learn.microsoft.com/azure/avere-vfxt/avere-vfxt-data-ingest
SMALLEST_CLUSTER, ITS_FILES, FILES_A_NODE = 3, 200_000_000, 100_000_000


_MISSING = f"NOT state & {COMPARED} OR state & {NEW}"


class Need(NamedTuple):
    """What a tree takes at the least: bytes, and inodes."""

    bytes: int
    inodes: int


def need(index: Index, holds: dict[str, Any], preserve: Collection[str]) -> Need:
    """The least that the tree of an index can take where ``holds`` was found: that of what the scan
    did not see there. (What replaces something may need no more than there was.)

    A file counts with what is allocated for it where holes are kept, and a hard link with its share
    of the file; so the sum is right or, where names lie outside the tree, too low.
    """
    lacks = holds.get("lacks", {})
    data = "size"
    if "sparse" in preserve and "sparse" not in lacks:
        data = "min(size, blocks*512)"
    names = "1.0"
    if "links" in preserve and "hard_links" not in lacks:
        names = "max(nlink, 1)"
    used, inodes = index.sums(
        f"total(CASE WHEN type='f' THEN {data}*1.0/{names} ELSE 0 END), total(1.0/{names})",
        _MISSING,
    )
    directories, dummy = index.matching(f"({_MISSING}) AND depth>0", "directories")
    # The root is there, or takes the place of what is too little to count.
    return Need(round(used), round(inodes) + directories)


def check(needs: Need, holds: dict[str, Any], compared: bool = False) -> str | None:
    """A warning if the destination has too little room, but holds something already, and nobody
    has ``compared``.

    Raises:
        IngestError: it has too little room, and nothing more of the tree can be there.
    """
    short: list[str] = []
    if needs.bytes > holds["bytes_free"]:
        short.append(f"{size(needs.bytes)} are needed and {size(holds['bytes_free'])} free")
    if holds["inodes"] and needs.inodes > holds["inodes_free"]:
        short.append(
            f"{count(needs.inodes)} inodes are needed and {count(holds['inodes_free'])} free"
        )
    if not short:
        return None
    what = " and ".join(short)
    if holds["empty"] or compared:
        subject = "what is not there yet" if compared else "the source"
        raise IngestError(
            f"ingest_destinations: {subject} does not fit: {what} "
            "(ingest_check_space: false if the destination compresses)"
        )
    return "the source fits only if much of it is at the destination already: " + what


def too_many(files: int, nodes: int) -> str | None:
    """A warning beyond the number of files that a cluster of ``nodes`` (0: no cluster) manages."""
    limit = ITS_FILES + FILES_A_NODE * max(0, nodes - SMALLEST_CLUSTER)
    if not nodes or files <= limit:
        return None
    return (
        f"{count(files)} files are more than what the directory manager of a cluster with {nodes} "
        "addresses usually handles (200 million with 3 nodes, 500 million with 6): see "
        "docs/tuning.md"
    )
