# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run folder's report: numbers, failures, extras, tables, metrics, a page and a summary."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any, NamedTuple

from ..core.errors import IngestError
from ..index.reader import Index
from ..index.schema import has_index
from ..plan.store import PlanStore
from . import prometheus, summary, tables
from .advice import advice
from .earlier import earlier, estimate
from .extras import write_extras
from .failures import write_failures
from .html.page import write_page
from .stats import STATS, gather, write_stats

PLAN, INDEX = "plan.db", "index"
FAILURES, METRICS, PAGE = "failures.jsonl", "metrics.prom", "report.html"
EXTRAS = "extras.jsonl"
HOSTS, FAILED = "hosts.csv", "failures.csv"
FILES = (STATS, FAILURES, EXTRAS, METRICS, PAGE, HOSTS, FAILED)


class Report(NamedTuple):
    """What a run came to: the content of stats.json, the summary's lines, the files by their
    label, and one sentence that says why the run failed, empty if it did not."""

    stats: dict[str, Any]
    summary: list[str]
    files: dict[str, str]
    complaint: str


def make_report(folder: str, assets: str, version: str = "") -> Report:
    """Write the report of the run in ``folder``; everything in it is read from plan.db and index/.

    ``assets`` is the folder of the page's template and library, ``version`` the collection's.

    Raises:
        IngestError: there is no plan, it can't be read, or the report can't be written.
    """
    paths = {name: os.path.join(folder, name) for name in FILES}
    store = PlanStore.open(os.path.join(folder, PLAN), readonly=True)
    index = _index(os.path.join(folder, INDEX))
    try:
        failures = write_failures(store, index, paths[FAILURES])
        extras = write_extras(store, index, paths[EXTRAS])
        stats = gather(store, index, failures, extras, version)
        _look_around(store, stats, folder)
        write_stats(stats, paths[STATS])
        tables.write_hosts(stats, paths[HOSTS])
        tables.write_failed(paths[FAILURES], paths[FAILED])
        prometheus.write_metrics(stats, paths[METRICS])
        write_page(store, index, stats, failures, extras, assets, paths[PAGE])
    except sqlite3.Error as error:
        raise IngestError(f"the run in {folder} can't be read: {error}") from error
    finally:
        store.close()
        if index is not None:
            index.close()
    files = {"report": paths[PAGE], "numbers": paths[STATS]}
    if failures.items:
        files["failures"] = paths[FAILURES]
    if extras.items:
        files["extras"] = paths[EXTRAS]
    if stats["check"]:
        lines = summary.plan(stats, files)
    else:
        lines = summary.summary(stats, failures, files)
    complaint = summary.complaint(stats, paths[FAILURES], paths[EXTRAS])
    return Report(stats, lines, paths, complaint)


def _look_around(store: PlanStore, stats: dict[str, Any], folder: str) -> None:
    """Add what the last runs to this destination say of this one, or of the one that is to come."""
    runs = earlier(folder, stats["destinations"], stats["started"] or time.time())
    planned = stats["planned"]
    found = estimate(
        planned["files"], planned["bytes"], len(stats["hosts"]), str(stats["method"]), runs
    )
    stats["estimate"] = found.to_json() if found else None
    stats["advice"] = advice(store, stats, runs)


def _index(folder: str) -> Index | None:
    # A run's index may have been thrown away to save space; the plan alone will do.
    return Index(folder) if has_index(folder) else None
