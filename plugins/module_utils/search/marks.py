# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies applied to a new index before it takes its place: what meets one is marked in it, and
listed. No second look at the tree is needed for that."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Iterator, NamedTuple, Sequence

from ..core.atomic import written
from ..core.errors import IngestError
from ..core.paths import display
from ..index.schema import part_path
from ..index.views import columns_of_entries
from .compile import register, sql
from .condition import Condition
from .language import parse
from .source import IndexSource
from .tokens import literal

LISTS = "lists"  # the folder in that of the index
ENDS = {"null": b"\0", "newline": b"\n"}
FORMS = (*ENDS, "sqlite")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_KEYS = ("name", "when", "priority")


class Mark(NamedTuple):
    """A policy's name, and what an entry must meet."""

    name: str
    when: Condition


class Marked(NamedTuple):
    """What a policy has: how many entries, the bytes of the regular files, the files of its lists
    (one of each part of the index)."""

    entries: int
    bytes: int
    lists: list[str]


def read(policies: Sequence[dict[str, Any]], form: str) -> list[Mark]:
    """The policies by priority, the lowest number first. Raises IngestError: one is not right."""
    if form not in FORMS:
        raise IngestError(f"list_format: '{form}' is none of {', '.join(FORMS)}")
    found: list[tuple[float, Mark]] = []
    for number, given in enumerate(policies, 1):
        place = f"policies: number {number}"
        unknown = sorted(set(given) - set(_KEYS))
        if unknown:
            raise IngestError(f"{place}: '{unknown[0]}' is none of {', '.join(_KEYS)}")
        name = given.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise IngestError(f"{place}: name: '{name}' is not made of letters, digits, _ . and -")
        if name in [mark.name for _priority, mark in found]:
            raise IngestError(f"{place}: there are two with the name '{name}'")
        if not given.get("when"):
            raise IngestError(f"policies: {name}: when is not given")
        try:
            priority = float(given.get("priority") or 0)
            when = parse(str(given["when"]))
        except ValueError as error:
            raise IngestError(f"policies: {name}: priority is no number") from error
        except IngestError as error:
            raise IngestError(f"policies: {name}: {error}") from error
        found.append((priority, Mark(name, when)))
    return [mark for _priority, mark in sorted(found, key=lambda each: each[0])]


def mark(folder: str, marks: Sequence[Mark], form: str, now: int) -> dict[str, Marked]:
    """Mark in a complete index what each policy has, and write its lists. The first one that an
    entry meets has it. ``now``: epoch ns; ``form``: of FORMS.

    Raises:
        IngestError: the index does not know what a policy asks for, a file can't be written, or a
            name can't be told in it.
    """
    source = IndexSource(folder)
    try:
        os.makedirs(os.path.join(folder, LISTS), exist_ok=True)
        numbers = range(len(source.parts))
        with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:
            parts = list(
                pool.map(lambda number: _Part(source, number, marks, form, now).run(), numbers)
            )
        found = {
            each.name: Marked(
                sum(part[at].entries for part in parts),
                sum(part[at].bytes for part in parts),
                [path for part in parts for path in part[at].lists],
            )
            for at, each in enumerate(marks)
        }
        with closing(sqlite3.connect(part_path(folder, 0), isolation_level=None)) as db:
            told = {name: each._asdict() for name, each in found.items()}
            for each in told.values():
                del each["lists"]
            db.execute("PRAGMA journal_mode=OFF")
            db.execute("INSERT OR REPLACE INTO meta VALUES ('policies', ?)", (json.dumps(told),))
    except (OSError, sqlite3.Error) as error:
        raise IngestError(f"policies: '{folder}' can't be written: {error}") from error
    return found


class _Part:
    """One part of the index, while it is marked."""

    def __init__(
        self, source: IndexSource, number: int, marks: Sequence[Mark], form: str, now: int
    ) -> None:
        self.source, self.number, self.marks, self.form, self.now = source, number, marks, form, now
        self.file = source.parts[number]

    def run(self) -> list[Marked]:
        """What each policy has of it."""
        with closing(sqlite3.connect(self.file, isolation_level=None)) as db:
            db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN")
            register(db)
            db.execute("CREATE TABLE raw_marks(id INTEGER PRIMARY KEY, policy INTEGER)")
            for number, one in enumerate(self.marks):
                face = self.source.faces(self.file, one.when, self.now)[0]
                where = sql(one.when, face.columns, self.now)
                also = f"({face.where}) AND " if face.where else ""
                db.execute(
                    f"INSERT OR IGNORE INTO raw_marks SELECT e.id, {number} FROM {face.tables}"
                    f" WHERE {also}{where.text}",
                    where.parameters,
                )
            db.execute(self._view())
            db.execute("COMMIT")
            return [self._listed(db, number) for number in range(len(self.marks))]

    def _view(self) -> str:
        names = " ".join(
            f"WHEN {number} THEN '{one.name}'" for number, one in enumerate(self.marks)
        )
        columns = columns_of_entries(self.source.is_wide(self.file), self.number)
        shown = ", ".join(f"{value} AS {name}" for name, value in columns.items())
        return (
            f"CREATE VIEW marked AS SELECT {shown}, CASE m.policy {names} END AS policy"
            " FROM raw_marks m JOIN raw_entries e ON e.id = m.id"
            " LEFT JOIN raw_directories d ON d.id = e.directory"
            " LEFT JOIN raw_details x ON x.id = e.id"
        )

    def _listed(self, db: sqlite3.Connection, number: int) -> Marked:
        name = f"{self.marks[number].name}.{self.number}"
        path = os.path.join(self.source.folder, LISTS, name)
        entries, size = db.execute(
            "SELECT count(*), total(CASE e.type WHEN 'f' THEN e.size END) FROM raw_marks m"
            " JOIN raw_entries e ON e.id = m.id WHERE m.policy = ?",
            (number,),
        ).fetchone()
        rows = db.execute(
            f"SELECT {self._path()}, {', '.join(f'e.{column}' for column in _TOLD)}"
            " FROM raw_marks m JOIN raw_entries e ON e.id = m.id"
            " JOIN raw_directories d ON d.id = e.directory WHERE m.policy = ?",
            (number,),
        )
        if self.form == "sqlite":
            path += ".db"
            self._database(path, rows)
        else:
            path += ".list"
            self._text(path, rows)
        return Marked(entries, int(size), [path])

    def _path(self) -> str:
        root = literal(self.source.root.rstrip(b"/") + b"/")
        above = "CASE d.depth WHEN 0 THEN '' ELSE d.path || '/' END"
        return f"CAST({root} || {above} || e.name AS BLOB)"

    def _text(self, path: str, rows: Iterator[tuple[Any, ...]]) -> None:
        end = ENDS[self.form]
        with written(path, binary=True) as stream:
            for found, *_more in rows:
                if end in found:
                    raise IngestError(
                        f"list_format: '{display(found)}' has a newline in its name and can't stand"
                        " in a file with one path a line: use null"
                    )
                stream.write(found + end)

    @staticmethod
    def _database(path: str, rows: Iterator[tuple[Any, ...]]) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN")
            db.execute(_FILES)
            db.executemany(f"INSERT INTO files VALUES ({','.join('?' * (1 + len(_TOLD)))})", rows)
            db.execute("COMMIT")


_NUMBERS = ("size", "blocks", "uid", "gid", "inode", "device", "nlink")
_TIMES = ("atime", "mtime", "ctime")
_TOLD = ("type", *_NUMBERS, *_TIMES)
_FILES = (
    "CREATE TABLE files(path BLOB, type TEXT,"
    f" {', '.join(f'{name} INTEGER' for name in _NUMBERS)},"
    f" {', '.join(f'{name}_ns INTEGER' for name in _TIMES)})"
)
