# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A difference as JSON, as lines for people, and as a list of paths."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import Any, Callable, Dict, Iterable, Optional, Sequence

from ..core.atomic import written
from ..core.errors import IngestError
from ..core.paths import display, to_text
from ..core.units import count, size
from ..index.generations import generations
from .compare import ADDED, CHANGED, CHANGES, MOVED, REMOVED, Change, Difference, Options
from .rows import Row

_SIGNS = {ADDED: "+", REMOVED: "-", CHANGED: "~", MOVED: ">"}
_TEXTS = ("linkname", "xattr_names")
Counts = Dict[str, Dict[str, int]]


def pair(old: Optional[str], new: str) -> tuple[str, str]:
    """The two indexes; without ``old`` the last generation but one is compared with the last.

    Raises:
        IngestError: there is only one.
    """
    if old is not None:
        return old, new
    found = generations(new)
    if len(found) < 2:
        raise IngestError(f"{new} has no earlier generation to compare with: name an older index")
    return found[1], found[0]


def record(change: Change, text: Callable[[bytes], str] = to_text) -> Dict[str, Any]:
    """A change as JSON: of what was added or removed all that is known, else what differs. Times
    in ns, sizes in bytes; ``text`` makes text of names."""
    found: Dict[str, Any] = {
        "change": change.change,
        "path": text(change.path),
        "type": change.row.type,
    }
    if change.change == MOVED or change.before != change.path:
        found["from"] = text(change.before)
    if change.old is not None and change.new is not None:
        found["fields"] = list(change.fields)
    for word, row in (("old", change.old), ("new", change.new)):
        if row is not None:
            names = found.get("fields", [name for name in Row._fields if name != "name"])
            found[word] = _values(row, names, text)
    return found


def _values(row: Row, names: Sequence[str], text: Callable[[bytes], str]) -> Dict[str, Any]:
    values = {name: getattr(row, name) for name in names if getattr(row, name) is not None}
    return {
        name: text(value) if name in _TEXTS and isinstance(value, bytes) else value
        for name, value in values.items()
    }


def json_line(change: Change) -> bytes:
    """A change as a line of JSON; names come back by ``paths.to_bytes``."""
    return json.dumps(record(change), separators=(",", ":")).encode() + b"\n"


def line(change: Change) -> str:
    """A change as a line for people, whatever is in its names."""
    path = display(change.path) or "."
    if change.row.type == "d":
        path += "/"
    if change.change == MOVED:
        path = f"{display(change.before)} -> {path}"
    fields = f" ({', '.join(change.fields)})" if change.change == CHANGED else ""
    return f"{_SIGNS[change.change]} {path}{fields}"


def path_entry(change: Change) -> bytes:
    """The path as an entry of a NUL-separated list."""
    return (change.path or b".") + b"\0"


FORMATS: Dict[str, Callable[[Change], bytes]] = {
    "json": json_line,
    "text": lambda change: line(change).encode() + b"\n",
    "null": path_entry,
}


def summary(counts: Counts) -> list[str]:
    """A line for each kind of change."""
    lines = []
    for change in CHANGES:
        sums = counts[change]
        entries = sums["files"] + sums["links"] + sums["others"]
        lines.append(
            f"{change:8} {count(entries)} files, links and others ({size(sums['bytes'])}), "
            f"{count(sums['directories'])} directories"
        )
    return lines


def empty_counts() -> Counts:
    """Nothing yet; see :func:`add`."""
    names = ("files", "links", "others", "directories", "bytes")
    return {change: dict.fromkeys(names, 0) for change in CHANGES}


def add(counts: Counts, change: Change) -> None:
    """Count a change: ``bytes`` of files, of what was removed those that it had."""
    sums, row = counts[change.change], change.row
    sums[_KINDS.get(row.type, "others")] += 1
    sums["bytes"] += row.size if row.type == "f" else 0


_KINDS = {"f": "files", "l": "links", "d": "directories"}


def listed(
    options: Options,
    changes: Iterable[str] = CHANGES,
    most: int = 0,
    file: Optional[str] = None,
    form: str = "json",
) -> Dict[str, Any]:
    """What the module answers: the counts, the first ``most`` rows of the kinds in ``changes``, and
    all of those in ``file``.

    Raises:
        IngestError: an index can't be read, or the file not written.
    """
    wanted = frozenset(changes)
    counts, rows, number = empty_counts(), [], 0
    with ExitStack() as stack:
        difference = stack.enter_context(Difference(options))
        stream = None
        if file is not None:
            stream = stack.enter_context(written(os.path.abspath(file), binary=True))
        for change in difference.changes():
            add(counts, change)
            if change.change not in wanted:
                continue
            number += 1
            if number <= most:
                rows.append(record(change, display))
            if stream is not None:
                stream.write(FORMATS[form](change))
        result: Dict[str, Any] = {
            "counts": counts,
            "rows": rows,
            "listed": number,
            "fields": list(difference.compared.fields),
            "followed": difference.compared.moves,
            "own_moves": difference.own_moves,
        }
        if difference.warnings:
            result["warnings"] = difference.warnings
        return result
