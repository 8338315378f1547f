# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GUFI's layout of an index: a db.db for each directory, in folders as the tree has them.

Tables, views and columns are those of GUFI's dbutils.c (https://github.com/mar-file-system/GUFI);
BeeGFS Hive Index has the same, with tables ``beegfs_…`` beside them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from typing import Callable

from ..core.errors import IngestError
from ..core.paths import display, to_bytes
from ..core.task_pool import Task, TaskPool
from .parts import complete, open_part
from .views import columns_of_directories, columns_of_entries

FILE = "db.db"
_ENTRY = (
    "name TEXT, type TEXT, inode TEXT, mode INT64, nlink INT64, uid INT64, gid INT64, size INT64,"
    " blksize INT64, blocks INT64, atime INT64, mtime INT64, ctime INT64, linkname TEXT,"
    " xattr_names BLOB, crtime INT64, ossint1 INT64, ossint2 INT64, ossint3 INT64, ossint4 INT64,"
    " osstext1 TEXT, osstext2 TEXT"
)
_OWN = _ENTRY.partition(", crtime")[0]
# Of the values of what is in a directory: the smallest, the largest, their sum, and its squares.
_STATISTICS = ("ctime", "mtime", "atime", "blocks")
_OTHERS = ("crtime", "ossint1", "ossint2", "ossint3", "ossint4")


def _four(name: str) -> str:
    return f"min{name} INT64, max{name} INT64, tot{name} INT64, totsq{name} INT64"


_SUMMARY = ", ".join(
    [
        _OWN,
        "totfiles INT64, totlinks INT64, minuid INT64, maxuid INT64, mingid INT64, maxgid INT64",
        "minsize INT64, maxsize INT64, totzero INT64, totltk INT64, totmtk INT64, totltm INT64",
        "totmtm INT64, totmtg INT64, totmtt INT64, totsize INT64, totsqsize INT64, epoch INT64",
        *map(_four, _STATISTICS),
        "totxattr INT64, depth INT64",
        *map(_four, _OTHERS),
        "rectype INT64, pinode TEXT, isroot INT64, rollupscore INT64",
    ]
)


def _names(columns: str) -> list[str]:
    return [column.split()[0] for column in columns.split(", ")]


# In vrpentries the columns of the directory that an entry is in have a d before their names.
_DIRECTORY = [name for name in _names(_SUMMARY) if name not in ("name", "type", "inode", "rectype")]
_DIRECTORY = [name for name in _DIRECTORY if name not in ("pinode", "isroot", "rollupscore")]
_LAST = "replace({0}.name, rtrim({0}.name, replace({0}.name, '/', '')), '')"
_SCHEMA = f"""
CREATE TABLE entries({_ENTRY});
CREATE TABLE summary({_SUMMARY});
CREATE TABLE pentries_rollup({_ENTRY}, pinode TEXT, ppinode TEXT);
CREATE TABLE external_dbs_pwd(type TEXT, pinode TEXT, filename TEXT, mode INT64, uid INT64,
  gid INT64, PRIMARY KEY(type, pinode, filename));
CREATE TABLE external_dbs_rollup(type TEXT, pinode TEXT, filename TEXT, mode INT64, uid INT64,
  gid INT64, PRIMARY KEY(type, filename));
CREATE TABLE xattrs_pwd(inode TEXT, name TEXT, value TEXT);
CREATE TABLE xattrs_rollup(inode TEXT, name TEXT, value TEXT);
CREATE VIEW external_dbs AS SELECT * FROM external_dbs_pwd
  UNION SELECT * FROM external_dbs_rollup;
CREATE VIEW xattrs_avail AS SELECT * FROM xattrs_pwd UNION SELECT * FROM xattrs_rollup;
CREATE VIEW pentries AS SELECT entries.*, summary.inode AS pinode, summary.pinode AS ppinode
  FROM entries, summary WHERE isroot = 1 UNION SELECT * FROM pentries_rollup;
CREATE VIEW vrsummary AS SELECT {_LAST.format("summary")} AS dname, summary.name AS sname,
  summary.rollupscore AS sroll,
  (SELECT count(*) FROM summary AS c WHERE c.pinode = summary.inode) AS srollsubdirs, summary.*
  FROM summary;
CREATE VIEW vrpentries AS SELECT {_LAST.format("vrsummary")} AS dname, vrsummary.name AS sname,
  {", ".join(f"vrsummary.{name} AS d{name}" for name in _DIRECTORY)},
  vrsummary.rollupscore AS sroll, vrsummary.isroot AS atroot,
  vrsummary.srollsubdirs AS srollsubdirs, pentries.*
  FROM vrsummary, pentries WHERE vrsummary.inode = pentries.pinode;
CREATE VIEW summarylong AS SELECT * FROM summary;
CREATE VIEW vrsummarylong AS SELECT * FROM vrsummary;
CREATE VIEW vsummarydir AS SELECT * FROM summary WHERE rectype = 0;
CREATE VIEW vsummaryuser AS SELECT * FROM summary WHERE rectype = 1;
CREATE VIEW vsummarygroup AS SELECT * FROM summary WHERE rectype = 2;
"""


def export(folder: str, target: str, workers: int = 0) -> int:
    """Write an index as GUFI lays it out to ``target``, in place of what is there when all is
    written; returns how many directories. Below ``target`` is a folder of the source's name, for
    ``gufi_query``.

    Everything belongs to who writes it, and is open to nobody else: who may read the index may
    see all that it holds, unlike in one of ``gufi_dir2index``.

    Raises:
        IngestError: there is no complete index in ``folder``, a path is too long, or there is no
            room.
    """
    found = complete(folder)
    source = to_bytes(str(found.meta["source"])).rstrip(b"/")
    name = os.path.basename(source) or b"root"
    part = f"{target}.{os.getpid()}.part"
    try:
        os.mkdir(part, 0o700)
        _template(os.path.join(part, ".template"))
        todo: list[Task] = [
            (file, number, wide) for number, (file, wide) in enumerate(zip(found.files, found.wide))
        ]
        count = _in_crew(todo, part, name, float(found.meta["started"]), workers)
        os.unlink(os.path.join(part, ".template"))
        _take_place(part, target)
    except OSError as error:
        raise IngestError(_sentence(target, error)) from error
    except sqlite3.Error as error:
        raise IngestError(f"the index can't be written to {target}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return count


def _sentence(target: str, error: OSError) -> str:
    where = display(os.fsencode(error.filename)) if error.filename else target
    return f"the index can't be written to {target}: {where}: {error.strerror}"


def _take_place(part: str, target: str) -> None:
    """Not in one step, as folders can't: for a moment there is none."""
    old = f"{part}.old"
    if os.path.lexists(target):
        os.rename(target, old)
    os.rename(part, target)
    shutil.rmtree(old, ignore_errors=True)


def _template(path: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        # There are as many files as directories, and most are small.
        db.executescript("PRAGMA page_size=1024; PRAGMA journal_mode=OFF;" + _SCHEMA)
    finally:
        db.close()


def _in_crew(todo: list[Task], part: str, name: bytes, epoch: float, workers: int) -> int:
    count = 0

    def make() -> Callable[[list[Task]], int]:
        def parts(tasks: list[Task]) -> int:
            try:
                return sum(_Part(part, name, int(epoch), *task).run() for task in tasks)
            except OSError as error:
                raise IngestError(_sentence(part, error)) from error

        return parts

    def take(done: int) -> None:
        nonlocal count
        count += done

    processes = workers or len(os.sched_getaffinity(0))
    pool = TaskPool((max(1, min(processes, len(todo))), 1), make)
    try:
        pool.drain(lambda: [todo.pop()] if todo else [], take)
    finally:
        pool.close()
    return count


class _Part:
    """The directories of one part of an index, each written to a file of its own."""

    def __init__(
        self, target: str, name: bytes, epoch: int, file: str, number: int, wide: bool
    ) -> None:
        self._top = os.path.join(os.fsencode(target), name)
        self._name = name
        with open(os.path.join(target, ".template"), "rb") as stream:
            self._blank = stream.read()
        # Written under a short name: SQLite takes no path of more than some 500 bytes.
        self._work = os.path.join(target, f".{number}")
        self._db = open_part(file)
        self._db.isolation_level = None
        self._db.execute("PRAGMA query_only=OFF")
        self._entries = _insert_entries(columns_of_entries(wide, number))
        self._summary = _insert_summary(columns_of_directories(wide), epoch)

    def run(self) -> int:
        """Write them; returns how many."""
        count = 0
        try:
            rows = self._db.execute("SELECT id, path, first, last, entries FROM raw_directories")
            for row in rows.fetchall():
                self._directory(*row)
                count += 1
        finally:
            self._db.close()
            if os.path.exists(self._work):
                os.unlink(self._work)
        return count

    def _directory(self, number: int, path: bytes, first: int, last: int, entries: int) -> None:
        with open(self._work, "wb") as stream:
            stream.write(self._blank)
        self._db.execute("ATTACH ? AS out", (self._work,))
        try:
            self._db.execute("PRAGMA out.journal_mode=OFF")
            self._db.execute("PRAGMA out.synchronous=OFF")
            self._db.execute("BEGIN")
            if entries:
                self._db.execute(self._entries, (first, last, number))
            name = path.rpartition(b"/")[2] or self._name
            self._db.execute(self._summary, {"name": name, "id": number})
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._db.execute("DETACH out")
        place = os.path.join(self._top, path) if path else self._top
        os.makedirs(place, 0o700, exist_ok=True)
        os.rename(self._work, os.path.join(place, FILE.encode()))


def _insert_entries(columns: dict[str, str]) -> str:
    wanted = ", ".join(columns[name] for name in _names(_ENTRY))
    return (
        f"INSERT INTO out.entries SELECT {wanted} FROM raw_entries e"
        " LEFT JOIN raw_details x ON x.id = e.id LEFT JOIN raw_directories d ON d.id = e.directory"
        " WHERE e.id BETWEEN ? AND ? AND e.directory = ?"
    )


def _insert_summary(columns: dict[str, str], epoch: int) -> str:
    """Sums over what was just written."""
    values = {name: f"d_{name}" for name in _names(_OWN)}
    values["name"] = "CAST(:name AS TEXT)"
    counted = {
        "totfiles": "type = 'f'",
        "totlinks": "type = 'l'",
        "totzero": "size = 0",
        "totltk": "size < 1024",
        "totmtk": "size >= 1024",
        "totltm": "size < 1048576",
        "totmtm": "size >= 1048576",
        "totmtg": "size >= 1073741824",
        "totmtt": "size >= 1099511627776",
        "totxattr": "length(xattr_names) > 0",
    }
    values.update({name: _total(condition) for name, condition in counted.items()})
    for name in ("uid", "gid", "size", *_STATISTICS, *_OTHERS):
        for act in ("min", "max"):
            values[f"{act}{name}"] = f"ifnull({act}({name}), 0)"
        values[f"tot{name}"] = _total(name)
        values[f"totsq{name}"] = f"total(1.0 * {name} * {name})"
    values.update(epoch=str(epoch), rectype="0", isroot="1", rollupscore="0")
    values.update(depth="d_depth", pinode="d_pinode")
    text = ", ".join(values[name] for name in _names(_SUMMARY))
    own = ", ".join(f"{columns[name]} AS d_{name}" for name in [*_names(_OWN), "pinode", "depth"])
    return (
        f"INSERT INTO out.summary SELECT {text} FROM (SELECT {own} FROM raw_directories d"
        " WHERE d.id = :id) LEFT JOIN out.entries"
    )


def _total(expression: str) -> str:
    return f"CAST(total({expression}) AS INT)"
