# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of an index, made from its rows.

An index is a folder of SQLite files, its parts: 0.db, 1.db, …, one by each process of the scan.
The engine reads the tables, people and their queries the views (:mod:`.views`).
"""

from __future__ import annotations

import os
from typing import Any

from .rows import Directory, Entry, Extra, Passing, ScanError, Twin
from .sums import DIRECT

VERSION = 3  # of the schema, in each part's PRAGMA user_version
MAX_PARTS = 64

# What is no number.
_TYPES = {"path": "BLOB", "sort": "BLOB", "name": "BLOB", "xattr_names": "BLOB"}
_TYPES.update({"owners": "TEXT", "groups": "TEXT"})
_TYPES.update({"type": "TEXT", "operation": "TEXT", "message": "TEXT", "id": "INTEGER PRIMARY KEY"})
_ROWS: dict[str, Any] = {
    "raw_directories": Directory,
    "raw_entries": Entry,
    "errors": ScanError,
    "twins": Twin,
    "extras": Extra,
    "passing": Passing,
}
# What the views show and the engine does not read. Of a directory its own size in bytes, the inode
# of the directory that it lies in (0: it is the root), the names of its extended attributes, and
# the sums of what lies right in it (NULL: not asked for).
_MORE: dict[str, tuple[str, ...]] = {
    "raw_directories": ("name", "size", "blksize", "pinode", "xattr_names", *DIRECT),
    "raw_entries": ("blksize",),
}
SUMS = 1 + len(DIRECT)  # of these the last, which only a scan with sums fills


def columns(table: str) -> list[str]:
    """The columns of a table that its rows have, in the order of their fields."""
    return [name for name in _ROWS[table]._fields if name != "part"]


def stored(table: str) -> list[str]:
    """All columns of a table."""
    return [*columns(table), *_MORE.get(table, ())]


def _create(table: str) -> str:
    parts = [f"{name} {_TYPES.get(name, 'INTEGER')}" for name in stored(table)]
    return f"CREATE TABLE {table}({', '.join(parts)});\n"


def insert(table: str, conflict: str = "") -> str:
    """The statement that inserts a row; ``conflict``: such as ``OR REPLACE``."""
    marks = ",".join("?" * len(stored(table)))
    return f"INSERT {conflict} INTO {table} VALUES ({marks})"


def append(table: str, number: int) -> str:
    """The statement that inserts a row of the table's first ``number`` columns; that of an entry
    gets the next id, whatever is in its first column.

    What stands there is best a number: for None, and for bytes, Python's sqlite3 looks for an
    adapter, which takes as long as to bind four numbers.
    """
    marks = [f"?{at}" for at in range(1, number + 1)]
    if table == "raw_entries":
        marks[0] = "NULL"
    return f"INSERT INTO {table}({', '.join(stored(table)[:number])}) VALUES ({', '.join(marks)})"


SCHEMA = (
    f"PRAGMA user_version={VERSION};\n"
    + _create("raw_directories")
    + _create("raw_entries")
    # Of few entries: the text of links, the names of extended attributes (separated by 0x1f).
    + "CREATE TABLE raw_details(id INTEGER PRIMARY KEY, linkname BLOB, xattr_names BLOB);\n"
    + _create("errors")
    + _create("twins")
    + _create("extras")
    + "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);\n"
)
# Only while a scan with globs goes on.
PASSING = _create("passing")
# Made when a part is full: readers walk the directories in pre-order.
ORDER = "CREATE INDEX directories_sort ON raw_directories(sort)"

# So that a later scan knows a directory's subdirectories.
CHILDREN = "CREATE INDEX directories_parent ON raw_directories(parent)"


def part_path(folder: str, number: int) -> str:
    """The file of a part."""
    return os.path.join(folder, f"{number}.db")


def has_index(folder: str) -> bool:
    """Whether there is an index, complete or not."""
    return os.path.isfile(part_path(folder, 0))
