# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the destination has and the source has not: one line of JSON for each."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple

from ..core.atomic import written
from ..core.paths import path_record
from ..index.reader import Index
from ..plan import results
from ..plan.store import PlanStore

KEPT = 1000
_TYPES = {"d": "directory", "f": "file"}


class Extras(NamedTuple):
    """The sum over extras.jsonl. ``items`` were counted, ``named`` is its number of lines;
    ``first`` are the first lines, as many as a page can show."""

    items: int
    named: int
    first: List[Dict[str, Any]]


class _Counted:
    """Counts what is taken from it."""

    def __init__(self, rows: Iterable[tuple[bytes, str]]) -> None:
        self.count = 0
        self._rows = rows

    def __iter__(self) -> Iterator[tuple[bytes, str]]:
        for row in self._rows:
            self.count += 1
            yield row


def write_extras(store: PlanStore, index: Index | None, path: str) -> Extras:
    """Write extras.jsonl, by path: what the scan found, if it has compared the trees, and what the
    second pass found. Streams. Raises IngestError if it can't be written."""
    first: list[dict[str, Any]] = []
    named = 0
    count, rows = 0, _Counted(())
    if index is not None and store.meta().get("compared"):
        count, found = index.extras()
        rows = _Counted((extra.path, extra.type) for extra in found)
    with written(path) as stream:
        for extra in results.extras(store, rows):
            record = dict(path_record(extra.path), type=_TYPES.get(extra.type, extra.type))
            stream.write(json.dumps(record) + "\n")
            named += 1
            if len(first) < KEPT:
                first.append(record)
    return Extras(named + max(0, count - rows.count) + results.unnamed_extras(store), named, first)
