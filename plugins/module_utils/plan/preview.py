# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host would do: check mode's answer."""

from __future__ import annotations

import sqlite3
from typing import Any


def preview(
    db: sqlite3.Connection, host: str, destinations: list[str], listing: bool
) -> dict[str, Any]:
    """Per mount the items, files and bytes that are planned for a host, the first and the last
    item; with ``listing`` also a diff that names each shard."""
    planned: dict[str, dict[str, Any]] = {}
    lines: list[str] = []
    for number, mount, op, items, files, size, first, last in db.execute(
        "SELECT id, mount, op, items, files, bytes, first, last FROM shards "
        "WHERE host=? AND phase BETWEEN 1 AND 2 ORDER BY phase, id",
        (host,),
    ):
        path = destinations[mount % len(destinations)]
        entry = planned.setdefault(
            path, {"items": 0, "files": 0, "bytes": 0, "first": first, "last": last}
        )
        entry["items"] += items
        entry["files"] += files
        entry["bytes"] += size
        entry["last"] = last
        lines.append(
            "shard %d: %s %d items, %d bytes, to %s: %s … %s"
            % (number, op, items, size, path, first, last)
        )
    answer: dict[str, Any] = {"changed": False, "planned": planned}
    if listing:
        answer["diff"] = {"prepared": "\n".join(lines) + "\n"}
    return answer
