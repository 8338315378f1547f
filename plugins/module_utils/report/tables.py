# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""hosts.csv and failures.csv, for spreadsheets and for whatever reads no JSON.

No cell is a formula to a spreadsheet: a path is relative to the tree and begins with ``./``, and
other text that begins as a formula does gets an apostrophe.
"""

from __future__ import annotations

import csv
import json
from typing import Any, Dict, Iterable, Iterator, Sequence

from ..core.atomic import written
from ..core.errors import IngestError
from ..core.paths import display, to_bytes

Json = Dict[str, Any]
HOST = (
    "state", "files", "directories", "bytes", "skipped", "failed", "repaired", "seconds",
    "copy_seconds", "check_seconds", "files_per_second", "bytes_per_second",
)  # fmt: skip
FAILURE = ("operation", "errno", "error", "message", "host", "mount", "phase")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_hosts(stats: Json, path: str) -> None:
    """A line for each client of a stats.json. Raises IngestError if it can't be written."""
    rows = ((name, *(host.get(key) for key in HOST)) for name, host in stats["hosts"].items())
    _write(path, ("host", *HOST), rows)


def write_failed(jsonl: str, path: str) -> None:
    """A line for each of failures.jsonl, names in a printable form; ``path_base64`` has the bytes
    of those that are not UTF-8. Raises IngestError."""
    try:
        with open(jsonl, encoding="utf-8") as lines:
            _write(path, ("path", *FAILURE, "path_base64"), map(_failure, map(json.loads, lines)))
    except OSError as error:
        raise IngestError(f"{jsonl} can't be read: {error.strerror}") from error


def _failure(record: Json) -> Iterator[Any]:
    yield "./" + display(to_bytes(record["path"]))
    for key in FAILURE:
        yield record.get(key)
    yield record.get("path_base64", "")


def _write(path: str, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    with written(path) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(header)
        for row in rows:
            table.writerow([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (int, float)):
        return value
    text = display(to_bytes(str(value)))
    return "'" + text if text.startswith(_FORMULA) else text
