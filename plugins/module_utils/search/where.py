# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what meets a condition: files, links, directories and all else, as find(1) does."""

from __future__ import annotations

import time
from typing import NamedTuple, Sequence

from .compile import Sql, inlined, sql
from .condition import Condition
from .engine import Answer, explained, statements
from .guard import Limits
from .source import Face, Source
from .tokens import literal

# What can be told of what was found: the column's name, and the field that it is.
COLUMNS = {
    "path": "path",
    "type": "type",
    "size": "size",
    "allocated": "allocated",
    "mode": "mode",
    "nlink": "links",
    "uid": "uid",
    "gid": "gid",
    "atime_ns": "atime",
    "mtime_ns": "mtime",
    "ctime_ns": "ctime",
}


class Counted(NamedTuple):
    """How much meets a condition: entries, the bytes of the files, and the statements that tell,
    with the database's own plans."""

    entries: int
    bytes: int
    asked: list[str]
    plans: list[str]


def find(
    source: Source,
    condition: Condition,
    limits: Limits,
    columns: Sequence[str] = ("path",),
    now: int | None = None,
) -> Answer:
    """The entries that meet a condition, the source itself among them, in no order; ``columns`` are
    of COLUMNS, the path begins with the source's; ``now``: epoch ns.

    Raises:
        IngestError: the index does not know what is asked for; so do the rows, as those of
            :func:`.engine.ask`.
    """
    asked = [
        (part, _select(", ".join(_shown(source, face, name) for name in columns), face, where))
        for part, face, where in _places(source, condition, now)
    ]
    return Answer(list(columns), statements(source, asked, limits))


def count(source: Source, condition: Condition, limits: Limits, now: int | None = None) -> Counted:
    """How much meets a condition. Raises as :func:`find` and its rows do."""
    at = time.time_ns() if now is None else now
    asked = []
    for part in source.parts:
        counted = source.counted(part, condition, at)
        faces = source.faces(part, condition, at)
        if counted is not None:
            asked.append((part, counted))
            faces = [face for face in faces if face.directories]
        for face in faces:
            files = f"total(CASE {face.columns.fields['type']} WHEN 'f' THEN"
            files += f" {face.columns.fields['size']} END)"
            question = sql(condition, face.columns, at)
            asked.append((part, _select(f"count(*), {files}", face, question)))
    found = [row for batch in statements(source, asked, limits) for row in batch]
    first = [(part, question) for part, question in asked if part == source.parts[0]]
    return Counted(
        int(sum(row[0] for row in found)),
        int(sum(row[1] for row in found)),
        [inlined(question) for part, question in first],
        explained(source, first),
    )


def _places(source: Source, condition: Condition, now: int | None) -> list[tuple[str, Face, Sql]]:
    at = time.time_ns() if now is None else now
    return [
        (part, face, sql(condition, face.columns, at))
        for part in source.parts
        for face in source.faces(part, condition, at)
    ]


def _select(columns: str, face: Face, where: Sql) -> Sql:
    condition = f"({face.where}) AND {where.text}" if face.where else where.text
    return Sql(f"SELECT {columns} FROM {face.tables} WHERE {condition}", where.parameters)


def _shown(source: Source, face: Face, name: str) -> str:
    value = face.columns.fields[COLUMNS[name]]
    if name != "path":
        return value
    root = source.root.rstrip(b"/")
    below = f"{literal(root + b'/')} || {value}"
    return f"CASE length({value}) WHEN 0 THEN {literal(root or b'/')} ELSE {below} END"
