# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run that wants to copy while it scans can do that."""

from __future__ import annotations

from typing import Any, Callable, Collection


def staged_because(
    value: Callable[[str], Any], stages: Collection[str], check_mode: bool, batches: bool
) -> str | None:
    """Why the source must be scanned before anything is copied; None if it need not. ``value``
    gives a variable's value, None if it is not set."""
    if check_mode:
        return "check mode shows the whole plan"
    if not {"scan", "plan", "copy"} <= set(stages):
        return "the tags leave out the scan, the plan or the copy"
    if batches:
        return "with serial each batch has a plan of its own"
    method, split = value("ingest_method") or "copy", value("ingest_split") or "round_robin"
    if method != "copy":
        return f"ingest_method {method} takes its lists from a plan that is complete"
    if split == "balanced":
        return "ingest_split balanced needs all sizes first"
    if value("ingest_scan_host"):
        return "ingest_scan_host names the one host that scans"
    if split == "round_robin" and _is_set(value, "ingest_min_depth", "ingest_max_depth"):
        return "items of several levels are dealt out whole (ingest_split dynamic deals none out)"
    for name in ("ingest_query", "ingest_diff", "ingest_items"):
        if value(name) not in (None, "", "all"):
            return f"{name} chooses of the whole index"
    for name in ("ingest_copy_commands", "ingest_plain_files"):
        if value(name):
            return f"{name} is made of the whole index before anything is copied"
    if value("ingest_retry_failed"):
        return "ingest_retry_failed takes its items from an earlier run"
    return None


def _is_set(value: Callable[[str], Any], *names: str) -> bool:
    return any(value(name) is not None for name in names)
