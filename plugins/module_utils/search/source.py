# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked: the parts of an index, with relations and columns; whoever wrote it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import weakref
from typing import Mapping, NamedTuple, Protocol, Sequence

from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..index.generations import find
from ..index.gufi_reader import load, root_of
from ..index.parts import complete, open_part
from ..index.schema import MAX_PARTS
from ..index.views import columns_of_directories, columns_of_entries
from .compile import ALL, Columns, Sql, inlined, may_hold, sql
from .condition import Condition, contrary, fields
from .query import BOTH, DIRECTORIES, ENTRIES, Relation

_ROWS = {"entries": ENTRIES, "pentries": ENTRIES, "everything": BOTH}
_ROWS.update({"summary": DIRECTORIES, "tree": DIRECTORIES})
_MARKED = "marked"  # there if policies were applied to the index, see marks.py
_LARGEST = (1 << 63) - 1
_OTHERS = 1 << 20  # bytes: no link is as long, and nothing else but a file has a size


class Face(NamedTuple):
    """Rows of a part that a condition is asked of: a FROM and WHERE without these words (WHERE may
    be empty), and what the fields of a condition are there; ``directories``: these are all that
    the rows are."""

    tables: str
    where: str
    columns: Columns
    directories: bool = False


class Source(Protocol):
    """An index, to be asked. ``root`` is the tree's own path, which paths begin with."""

    root: bytes

    @property
    def relations(self) -> Mapping[str, Relation]:
        """What a query may read."""

    @property
    def trusted(self) -> Sequence[str]:
        """The files and folders that nobody else may write to."""

    @property
    def parts(self) -> Sequence[str]:
        """The files, each to be asked by itself. What is below one directory may be in several."""

    def open(self, part: str) -> sqlite3.Connection:
        """A part, read-only, with the relations as views or tables; any thread may have it. Raises
        IngestError."""

    def faces(self, part: str, condition: Condition | None, now: int) -> list[Face]:
        """Where the entries and the directories of a part are. What a condition can't find is left
        out as far as summaries tell."""

    def reading(
        self, relation: str, part: str, used: frozenset[str], condition: Condition | None
    ) -> str:
        """A SELECT of a relation's rows, at least with the columns that are ``used``, that is
        faster than the relation itself; it leaves out, as far as summaries tell, where no row meets
        the condition. Empty if there is nothing to win."""

    def counted(self, part: str, condition: Condition, now: int) -> Sql | None:
        """Statements that tell ``entries`` and ``bytes`` of what meets a condition in a part and is
        no directory, whose sums are the answer: where summaries tell that all of a directory does,
        its entries are not read. None if there is nothing to win."""


class IndexSource:
    """An index as :mod:`..index.writer` wrote it.

    Raises:
        IngestError: there is none in ``folder``, or it is damaged, or not complete.
    """

    def __init__(self, folder: str, small: int = 16 << 20) -> None:
        """Parts of less than ``small`` bytes are read as a whole, without a look at summaries."""
        folder = find(folder)
        self._small = small
        found = complete(folder)
        self.meta = found.meta
        self.root = to_bytes(str(found.meta.get("source", "")))
        self.parts: Sequence[str] = found.files
        self.folder = folder
        self.trusted = [folder, *found.files]
        self._wide = dict(zip(found.files, found.wide))
        self._numbers = {file: number for number, file in enumerate(found.files)}
        self._summed = bool(found.meta.get("sums"))
        db = self.open(found.files[0])
        try:
            self.relations = {
                name: Relation(_columns(db, name), rows) for name, rows in _ROWS.items()
            }
            if found.meta.get("policies") is not None:
                self.relations[_MARKED] = Relation(_columns(db, _MARKED), ENTRIES)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise IngestError(f"{found.files[0]} is damaged ({error}): scan again") from error
        finally:
            db.close()

    def is_wide(self, part: str) -> bool:
        """Whether it holds numbers beyond 63 bits, see ``..index.rows.narrow``."""
        return self._wide[part]

    def open(self, part: str) -> sqlite3.Connection:
        """See Source."""
        return open_part(part)

    def faces(self, part: str, condition: Condition | None, now: int) -> list[Face]:
        """See Source."""
        wide = self._wide[part]
        columns = self._entry_columns(wide)
        details = _DETAILS
        where = ""
        if condition is not None:
            details = _DETAILS if "xattrs" in fields(condition) else ""
            where = self._may(condition, columns, now, part)
        entries = Face((_SIFTED if where else _ENTRIES) + details, where, columns)
        return [entries, Face("raw_directories d", "", self._directory_columns(wide), True)]

    def reading(
        self, relation: str, part: str, used: frozenset[str], condition: Condition | None
    ) -> str:
        """See Source. SQLite reads a table that is joined even where nothing of it is used, if rows
        are only counted."""
        if relation not in ("entries", "pentries", "everything"):
            return ""
        wide = self._wide[part]
        columns = [name for name in self.relations[relation].columns if name in used] or ["id"]
        tables, where = "raw_entries e", ""
        if used & _OF_DIRECTORY:
            tables += " LEFT JOIN raw_directories d ON d.id = e.directory"
        if condition is not None:
            where = self._may(condition, self._entry_columns(wide), 0, part)
            if where:
                tables, where = _SIFTED, f" WHERE {where}"
        if used & _OF_DETAILS:
            tables += _DETAILS
        entries = _listed(columns_of_entries(wide, self._numbers[part]), columns)
        said = f"SELECT {entries} FROM {tables}{where}"
        if relation == "everything":
            directories = _listed(columns_of_directories(wide), columns)
            said += f" UNION ALL SELECT {directories} FROM raw_directories d"
        return said

    def counted(self, part: str, condition: Condition, now: int) -> Sql | None:
        """See Source."""
        columns = self._entry_columns(self._wide[part])
        some_may_not = may_hold(contrary(condition), columns, now)
        if some_may_not.text == "1" or not self._worth(part, inlined(some_may_not)):
            return None
        mixed, may = inlined(some_may_not), inlined(may_hold(condition, columns, now))
        each = sql(condition, columns, now)
        details = _DETAILS if "xattrs" in fields(condition) else ""
        return Sql(
            "SELECT ifnull(sum(d.entries), 0) AS entries, total(d.bytes) AS bytes"
            " FROM raw_directories d"
            f" WHERE d.entries > 0 AND NOT {mixed}"
            " UNION ALL SELECT count(*), total(CASE e.type WHEN 'f' THEN e.size END)"
            f" FROM {_SIFTED}{details} WHERE d.entries > 0 AND {mixed} AND {may} AND {each.text}",
            each.parameters,
        )

    def _may(self, condition: Condition, columns: Columns, now: int, part: str) -> str:
        """A condition on the directories, with its values in it; empty if it tells too little."""
        may = may_hold(condition, columns, now)
        if may.text == "1" or os.path.getsize(part) < self._small:
            return ""
        where = f"d.entries > 0 AND {inlined(may)}"
        return where if self._worth(part, where) else ""

    def _worth(self, part: str, where: str) -> bool:
        """Whether few entries are in directories of which this holds, as a sample tells."""
        if os.path.getsize(part) < self._small:
            return True
        db = self.open(part)
        try:
            query = _SAMPLE.format(may=where, step=MAX_PARTS)
            every, some = db.execute(query).fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise IngestError(f"{part} is damaged ({error}): scan again") from error
        finally:
            db.close()
        return bool(some <= every * _WORTH)

    def _entry_columns(self, wide: bool) -> Columns:
        known = dict(_FIELDS, name="e.name", type="e.type", links="e.nlink", depth="(d.depth + 1)")
        known.update(
            {name: f"e.{name}" for name in ("size", "blocks", "uid", "gid", "inode", "device")}
        )
        known.update({name: _time(f"e.{name}", wide) for name in _TIMES})
        known["allocated"] = "(e.blocks * 512)"
        known["mode"] = "e.mode"
        known["path"] = "(CASE WHEN d.depth = 0 THEN e.name ELSE d.path || '/' || e.name END)"
        if self.meta.get("xattrs"):
            known["xattrs"] = "(X'1F' || ifnull(x.xattr_names, X'') || X'1F')"
        ranges = {"depth": ("(d.depth + 1)", "(d.depth + 1)")}
        counts: dict[str, str] = {"f": "d.files", ALL: "d.entries"}
        if self._summed:
            ranges.update({n: (f"d.min{n}", f"d.max{n}") for n in (*_TIMES, "uid", "gid")})
            # The smallest and the largest are those of files.
            ranges["size"] = (
                "CASE WHEN d.entries = d.files THEN d.minsize ELSE 0 END",
                f"CASE WHEN d.entries = d.files THEN d.maxsize"
                f" ELSE max(ifnull(d.maxsize, 0), {_OTHERS}) END",
            )
            counts["l"] = "d.links"
        return Columns(known, ranges, counts, "d.path")

    def _directory_columns(self, wide: bool) -> Columns:
        known = dict(_FIELDS, name="d.name", type="'d'", links="d.nlink", depth="d.depth")
        known.update(
            {name: f"d.{name}" for name in ("size", "blocks", "uid", "gid", "inode", "device")}
        )
        known.update({name: _time(f"d.{name}", wide) for name in _TIMES})
        known["allocated"] = "(d.blocks * 512)"
        known["mode"] = "d.mode"
        known["path"] = "d.path"
        if self.meta.get("xattrs"):
            known["xattrs"] = "(X'1F' || ifnull(d.xattr_names, X'') || X'1F')"
        return Columns(known)


_TIMES = ("atime", "mtime", "ctime")
_FIELDS: Mapping[str, str] = {}
_DETAILS = " LEFT JOIN raw_details x ON x.id = e.id"
_ENTRIES = "raw_entries e LEFT JOIN raw_directories d ON d.id = e.directory"
# Columns for which these tables are joined.
_OF_DIRECTORY = frozenset(("pinode", "ppinode", "path", "raw_path", "depth"))
_OF_DETAILS = frozenset(("linkname", "xattr_names", "raw_linkname"))
# The order of CROSS JOIN is kept: first the directories, then the entries of those that are left.
_SIFTED = (
    "raw_directories d CROSS JOIN raw_entries e"
    " ON e.id BETWEEN d.first AND d.last AND +e.directory = d.id"  # +: no index is made for it
)
# How many entries are in some directories, evenly spaced, and how many of them where {may} holds.
_SAMPLE = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999),
  ends AS (SELECT min(id) AS low, max(id) AS high FROM raw_directories)
SELECT total(entries), total(CASE WHEN {may} THEN entries END) FROM (
  SELECT d.* FROM n, ends CROSS JOIN raw_directories d
  ON d.id = low + (high - low) / {step} * i / 999 * {step}
) d"""
_WORTH = 0.3  # of the entries: for more, all are looked at, one after the other


def _listed(expressions: Mapping[str, str], columns: list[str]) -> str:
    return ", ".join(f'{expressions[name]} AS "{name}"' for name in columns)


def _time(column: str, wide: bool) -> str:
    """In ns; in a part with numbers beyond 63 bits the largest there is stands for all of those."""
    if not wide:
        return column
    return f"(CASE WHEN {column} < {-(1 << 62)} THEN {_LARGEST} ELSE {column} END)"


def _columns(db: sqlite3.Connection, relation: str) -> dict[str, str]:
    rows = db.execute(f"SELECT name, type FROM pragma_table_info('{relation}')")
    return {str(name).lower(): str(kind) for name, kind in rows}


class GufiSource(IndexSource):
    """An index of GUFI, or of BeeGFS Hive Index: read once, into a temporary folder. Paths begin
    with the folder of the index, as GUFI's do. What BeeGFS knows is in the relation ``beegfs``.

    Raises:
        IngestError: it can't be read, or there is no room.
    """

    def __init__(self, root: bytes) -> None:
        folder = tempfile.mkdtemp(prefix="ingest-gufi-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        load(root, folder)
        super().__init__(folder)
        self.trusted = [os.fsdecode(root)]
        db = self.open(self.parts[0])
        try:
            known = _columns(db, "beegfs")
        finally:
            db.close()
        if known:
            self.relations = {**self.relations, "beegfs": Relation(known, ENTRIES)}


def source_of(folder: str) -> Source:
    """The index in a folder, of whichever kind it is. Raises IngestError."""
    root = root_of(os.path.abspath(folder))
    return IndexSource(os.path.abspath(folder)) if root is None else GufiSource(root)
