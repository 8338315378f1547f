# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of an index, made from its rows.

An index is a folder of SQLite files, its parts: 0.db, 1.db, …, one by each process of the scan.
"""

from __future__ import annotations

import os
from typing import Any

from .rows import Directory, Entry, Passing, ScanError

VERSION = 2  # of the schema, in each part's PRAGMA user_version
MAX_PARTS = 8

# What is no number.
_TYPES = {"path": "BLOB", "sort": "BLOB", "name": "BLOB"}
_TYPES.update({"type": "TEXT", "operation": "TEXT", "message": "TEXT", "id": "INTEGER PRIMARY KEY"})
_ROWS: dict[str, Any] = {
    "directories": Directory,
    "entries": Entry,
    "errors": ScanError,
    "passing": Passing,
}


def columns(table: str) -> list[str]:
    """The columns of a table, in the order of its row's fields."""
    return [name for name in _ROWS[table]._fields if name != "part"]


def _create(table: str) -> str:
    parts = [f"{name} {_TYPES.get(name, 'INTEGER')}" for name in columns(table)]
    return f"CREATE TABLE {table}({', '.join(parts)});\n"


def insert(table: str, conflict: str = "") -> str:
    """The statement that inserts a row; ``conflict``: such as ``OR REPLACE``."""
    marks = ",".join("?" * len(columns(table)))
    return f"INSERT {conflict} INTO {table} VALUES ({marks})"


SCHEMA = (
    f"PRAGMA user_version={VERSION};\n"
    + _create("directories")
    + _create("entries")
    + _create("errors")
    + "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);\n"
)
# Only while a scan with globs goes on.
PASSING = _create("passing")
# Made when a part is full: readers walk the directories in pre-order.
ORDER = "CREATE INDEX directories_sort ON directories(sort)"


def part_path(folder: str, number: int) -> str:
    """The file of a part."""
    return os.path.join(folder, f"{number}.db")


def has_index(folder: str) -> bool:
    """Whether there is an index, complete or not."""
    return os.path.isfile(part_path(folder, 0))
