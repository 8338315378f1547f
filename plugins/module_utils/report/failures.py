# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What failed: one line of JSON for each item, and their number by client and by error."""

from __future__ import annotations

import errno
import json
from collections import Counter
from itertools import groupby
from typing import Any, Iterator, NamedTuple

from ..core.atomic import written
from ..core.paths import path_record, split, to_bytes
from ..core.vocabulary import Phase
from ..index.reader import Index
from ..plan import results
from ..plan.results import SCAN, Failed
from ..plan.store import PlanStore

PHASES = {
    SCAN: "scan",
    Phase.PREPARE: "prepare",
    Phase.DATA: "copy",
    Phase.FINISH: "finish",
    Phase.LINKS: "links",
    Phase.DIRECTORIES: "directories",
    Phase.LAST_DIRECTORIES: "directories",
    Phase.CHECK: "verify",
    Phase.CHECK_DIRECTORIES: "verify",
}
KEPT = 1000
CAUSES = 200  # that are told apart by their words; what comes then goes by its errno


class Cause(NamedTuple):
    """Items that failed for one reason: how many, the directory that all of them lie below, and
    the first of them."""

    message: str
    operation: str
    items: int
    below: bytes
    first: bytes


class Failures(NamedTuple):
    """The sums over failures.jsonl. ``items`` is its number of lines; ``scan`` of them are what
    the scan could not read; ``first`` are the first lines, as many as a page can show; ``causes``
    begin with the one that most items failed for."""

    items: int
    scan: int
    by_host: dict[str, int]
    by_error: dict[str, int]
    first: list[dict[str, Any]]
    causes: list[Cause]


def write_failures(store: PlanStore, index: Index | None, path: str) -> Failures:
    """Write failures.jsonl: the failed items of a plan and the errors of its scan, by path.

    Streams; an item that failed more than once has one line, with its first failure at the top
    and the others in the list ``further``.

    Raises:
        IngestError: the file can't be written.
    """
    items = scan = 0
    by_host: Counter[str] = Counter()
    by_error: Counter[str] = Counter()
    first: list[dict[str, Any]] = []
    causes: dict[tuple[str, str], Cause] = {}
    with written(path) as stream:
        for record in _items(store, index):
            stream.write(json.dumps(record) + "\n")
            items += 1
            scan += record["phase"] == PHASES[SCAN]
            by_host[record["host"]] += 1
            by_error[record["error"] or "unknown"] += 1
            _count_cause(causes, record)
            if len(first) < KEPT:
                first.append(record)
    ordered = sorted(causes.values(), key=lambda cause: -cause.items)
    return Failures(items, scan, dict(by_host), dict(by_error), first, ordered)


def _count_cause(causes: dict[tuple[str, str], Cause], record: dict[str, Any]) -> None:
    path = to_bytes(record["path"])
    key = record["message"], record["operation"]
    if key not in causes and len(causes) >= CAUSES:
        key = record["error"] or "other failures", ""
    known = causes.get(key)
    if known is None:
        causes[key] = Cause(*key, 1, split(path)[0], path)
    else:
        below = _common(known.below, split(path)[0])
        causes[key] = known._replace(items=known.items + 1, below=below)


def _common(one: bytes, other: bytes) -> bytes:
    """The directory that holds both."""
    while one != other and not other.startswith(one + b"/" if one else b""):
        one = split(one)[0]
    return one


def _items(store: PlanStore, index: Index | None) -> Iterator[dict[str, Any]]:
    found = results.failures(store, index.errors() if index is not None else ())
    for path, group in groupby(found, key=lambda failed: failed.path):
        record = path_record(path)
        causes: list[dict[str, Any]] = []
        for failed in group:
            cause = _cause(failed)
            if cause not in causes and len(causes) < 100:
                causes.append(cause)
        record.update(causes[0])
        if len(causes) > 1:
            record["further"] = causes[1:]
        yield record


def _cause(failed: Failed) -> dict[str, Any]:
    phase = Phase.DATA if failed.phase is None else failed.phase
    return {
        "operation": failed.operation,
        "errno": failed.errno,
        "error": errno.errorcode.get(failed.errno or 0),
        "message": failed.message,
        "host": failed.host,
        "mount": failed.mount,
        "phase": PHASES.get(phase, str(phase)),
    }
