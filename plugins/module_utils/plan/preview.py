# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host would do: check mode's answer."""

from __future__ import annotations

from typing import Any

from .queries import planned, would_change
from .store import PlanStore


def preview(store: PlanStore, host: str, destinations: list[str], listing: bool) -> dict[str, Any]:
    """Per mount the items, files and bytes that are planned for a host, the first and the last
    item, and whether anything would change; with ``listing`` also a diff that names each shard."""
    mounts: dict[str, dict[str, Any]] = {}
    lines: list[str] = []
    for shard in planned(store, host):
        path = destinations[shard.mount % len(destinations)]
        entry = mounts.setdefault(
            path, {"items": 0, "files": 0, "bytes": 0, "first": shard.first, "last": shard.last}
        )
        entry["items"] += shard.items
        entry["files"] += shard.files
        entry["bytes"] += shard.bytes
        entry["last"] = shard.last
        lines.append(
            f"shard {shard.id}: {shard.kind} {shard.items} items, {shard.bytes} bytes, "
            f"to {path}: {shard.first} … {shard.last}"
        )
    answer: dict[str, Any] = {"changed": would_change(store, host), "planned": mounts}
    if listing:
        answer["diff"] = {"prepared": "\n".join(lines) + "\n"}
    return answer
