# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the parts of an index, each by itself: for whoever asks them in parallel.

::

    found = complete(folder)                  # all parts, or IngestError
    for file in found.files:                  # in processes or threads of their own
        db = open_part(file)                  # read-only; tables and views of schema.py, views.py
"""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any, NamedTuple

from ..core.errors import IngestError
from ..core.sqlite import read_only
from .schema import MAX_PARTS, VERSION, has_index, part_path


class Found(NamedTuple):
    """A complete index: the files of its parts, what the scan noted (see ``Index.meta``), and
    whether each part holds numbers beyond 63 bits (see ``rows.narrow``)."""

    files: list[str]
    meta: dict[str, Any]
    wide: list[bool]


def complete(folder: str) -> Found:
    """The parts of the index in ``folder``, each looked at.

    Raises:
        IngestError: there is none, it is not complete, a part is damaged, or belongs to another
            scan, or to another version.
    """
    if not has_index(folder):
        raise IngestError(f"there is no index in {folder}: scan the source first")
    files = []
    for number in range(MAX_PARTS):
        if not os.path.isfile(part_path(folder, number)):
            break
        files.append(part_path(folder, number))
    metas = []
    for file in files:
        db = open_part(file)
        try:
            metas.append(meta_of(db, file))
        finally:
            db.close()
    meta = metas[0]
    if "finished" not in meta or meta.get("parts", len(files)) != len(files):
        raise IngestError(f"the index in {folder} is not complete: scan the source again")
    for file, other in zip(files, metas):
        if other.get("scan") != meta.get("scan"):
            raise IngestError(f"{file} belongs to another scan than {files[0]}: scan again")
    return Found(files, meta, [bool(other.get("wide")) for other in metas])


def open_part(file: str) -> sqlite3.Connection:
    """A part, read-only: nobody writes a finished one, so nothing is locked. Raises IngestError: it
    is damaged, no part of an index, or of another version."""
    _whole(file)
    db: sqlite3.Connection | None = None
    try:
        db = read_only(file, immutable=True)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        known = "SELECT count(*) FROM sqlite_master WHERE name IN ('errors', 'meta')"
        (tables,) = db.execute(known).fetchone()
        if tables == 2 and version == VERSION:
            for table in ("raw_directories", "raw_entries", "errors", "meta"):
                db.execute(f"SELECT 1 FROM {table} LIMIT 1")
    except (sqlite3.Error, UnicodeDecodeError) as error:  # what is said may quote damaged text
        if db is not None:
            db.close()
        said = error if isinstance(error, sqlite3.Error) else "it is damaged"
        raise IngestError(f"{file} is not a part of an index: {said}") from error
    if tables == 2 and version == VERSION:
        return db
    db.close()
    if tables < 2:
        raise IngestError(f"{file} is not a part of an index")
    whose = "an older" if version < VERSION else "a newer"
    raise IngestError(
        f"{file} was written by {whose} version of scaleout.ingest (schema {version or 1}, "
        f"this one reads {VERSION}): scan the source again"
    )


def meta_of(db: sqlite3.Connection, file: str) -> dict[str, Any]:
    """What a part says of itself. Raises IngestError: it is damaged."""
    try:
        return {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta")}
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise IngestError(f"{file} is damaged: {error}") from error


def _whole(file: str) -> None:
    """SQLite would take a file that was cut short for one with fewer rows, if the cut is lucky: the
    header says how many pages there are (https://sqlite.org/fileformat2.html, 1.3)."""
    try:
        with open(file, "rb") as stream:
            header = stream.read(100)
            size = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise IngestError(f"{file} can't be read: {error.strerror}") from error
    if header[:16] != b"SQLite format 3\0" or len(header) < 100:
        raise IngestError(f"{file} is not a part of an index: it is no SQLite file")
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    expected = pages * (1 << 16 if page == 1 else page)
    if size != expected:
        raise IngestError(
            f"{file} is damaged: it has {size} bytes and should have {expected}: scan again"
        )
