# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What failed: one line of JSON for each item, and their number by client and by error."""

from __future__ import annotations

import base64
import errno
import json
import sqlite3
from collections import Counter
from itertools import groupby
from typing import Any, Iterator, NamedTuple

from ..core.atomic import written
from ..core.paths import display, to_text
from ..core.vocabulary import Phase
from ..index.reader import Index

SCAN = -1
PHASES = {
    SCAN: "scan",
    Phase.PREPARE: "prepare",
    Phase.DATA: "copy",
    Phase.FINISH: "finish",
    Phase.LINKS: "links",
    Phase.DIRECTORIES: "directories",
    Phase.LAST_DIRECTORIES: "directories",
    Phase.CHECK: "verify",
}
KEPT = 1000


class Failures(NamedTuple):
    """The sums over failures.jsonl. ``items`` is its number of lines; ``scan`` of them are what
    the scan could not read; ``first`` are the first lines, as many as a page can show."""

    items: int
    scan: int
    by_host: dict[str, int]
    by_error: dict[str, int]
    first: list[dict[str, Any]]


def write_failures(db: sqlite3.Connection, index: Index | None, path: str) -> Failures:
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
    with written(path) as stream:
        for record in _items(db, index):
            stream.write(json.dumps(record) + "\n")
            items += 1
            scan += record["phase"] == PHASES[SCAN]
            by_host[record["host"]] += 1
            by_error[record["error"] or "unknown"] += 1
            if len(first) < KEPT:
                first.append(record)
    return Failures(items, scan, dict(by_host), dict(by_error), first)


def sentence(record: dict[str, Any]) -> str:
    """A failure in one line of printable text, its path last because it can be long."""
    path = record["path"].encode("utf-8", "surrogateescape")
    return f"{record['message']}: {record['operation']} {display(path) or '.'}"


def _items(db: sqlite3.Connection, index: Index | None) -> Iterator[dict[str, Any]]:
    # SQLite sorts on disk, so ten million failures need no memory.
    db.execute("DROP TABLE IF EXISTS temp.scan_errors")
    db.execute(
        "CREATE TEMP TABLE scan_errors(path BLOB, operation TEXT, errno INTEGER, message TEXT)"
    )
    if index is not None:
        db.executemany("INSERT INTO scan_errors VALUES (?, ?, ?, ?)", index.errors())
    rows = db.execute(
        "SELECT CAST(path AS BLOB) AS path, phase, operation, errno, message, host, mount FROM failures"
        " UNION ALL SELECT CAST(path AS BLOB), ?, operation, errno, message, '', '' FROM scan_errors"
        " ORDER BY 1, 2",
        (SCAN,),
    )
    for path, group in groupby(rows, key=lambda row: row[0]):
        record: dict[str, Any] = {"path": to_text(path or b"")}
        if not _is_text(path or b""):
            record["path_base64"] = base64.b64encode(path).decode()
        causes: list[dict[str, Any]] = []
        for row in group:
            cause = _cause(*row[1:])
            if cause not in causes and len(causes) < 100:
                causes.append(cause)
        record.update(causes[0])
        if len(causes) > 1:
            record["further"] = causes[1:]
        yield record


def _cause(
    phase: int | None, operation: str, number: int | None, message: str, host: str, mount: str
) -> dict[str, Any]:
    return {
        "operation": operation,
        "errno": number,
        "error": errno.errorcode.get(number or 0),
        "message": message,
        "host": host or "",
        "mount": mount or "",
        "phase": PHASES.get(Phase.DATA if phase is None else phase, str(phase)),
    }


def _is_text(path: bytes) -> bool:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
