# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index of GUFI, or of BeeGFS Hive Index, as one of ours: for queries, differences and policies.

Whoever owns a directory may have written its db.db, so nothing in it is taken on trust: only tables
are read, names are names, numbers are numbers, and no link is followed.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from typing import Any, Iterator, NamedTuple
from urllib.parse import quote_from_bytes

from ..core.errors import IngestError
from ..core.paths import display, join, to_text
from .rows import TYPES, Totals, add_totals
from .schema import MAX_PARTS, stored
from .sums import DIRECT, Direct
from .writer import Completion, PartWriter, clear, errors_named

# Today's name, and that of the old BeeGFS Index.
FILES = (b"db.db", b".bdm.db")
_SAME = ("inode", "mode", "nlink", "uid", "gid", "size", "blksize", "blocks")
_TIMES = ("atime", "mtime", "ctime")
_NUMBERS = (*_SAME, *_TIMES)
_XATTRS = ("xattr_names", "xattrs", "xattr")  # as it was called over the years
# Of BeeGFS, for the view beegfs.
BEEGFS = (
    "entry_id",
    "storage_pool_id",
    "stripe_pattern_type",
    "stripe_chunk_size",
    "stripe_num_targets",
    "file_data_state",
)
_FIELDS = stored("raw_entries")
_INSERT = f"INSERT OR IGNORE INTO beegfs VALUES ({','.join('?' * (1 + len(BEEGFS)))})"
_RUN = 20_000  # entries of a directory that are held at once
_LONGEST = 400  # bytes of a path that SQLite surely takes
_SECOND = 10**9
_LATEST = 18 * 10**9  # s: what 64 bits of nanoseconds hold


class Found(NamedTuple):
    """A directory of such an index: its path below the root, its file, what is below it."""

    path: bytes
    file: bytes


def root_of(folder: str) -> bytes | None:
    """The folder of the tree's root, if this is such an index or the folder of a single one."""
    top = os.fsencode(folder)
    if _file(top):
        return top
    try:
        below = [entry.path for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return None
    found = [path for path in below if _file(path)]
    return found[0] if len(found) == 1 == len(below) else None


def _file(folder: bytes) -> bytes | None:
    for name in FILES:
        path = os.path.join(folder, name)
        try:
            if stat.S_ISREG(os.lstat(path).st_mode):
                return path
        except OSError:
            continue
    return None


def directories(root: bytes) -> Iterator[Found]:
    """All directories in pre-order, names by their bytes; one without a file is not in the index,
    nor what is below it. Raises IngestError: one can't be listed."""
    pending = [b""]
    while pending:
        path = pending.pop()
        folder = os.path.join(root, path) if path else root
        file = _file(folder)
        if file is None:
            continue
        yield Found(path, file)
        try:
            with os.scandir(folder) as entries:
                names = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
        except OSError as error:
            raise IngestError(f"{display(folder)} can't be listed: {error.strerror}") from error
        pending += [join(path, name) for name in sorted(names, reverse=True)]


def load(root: bytes, folder: str) -> Totals:
    """Write the index below ``root`` as one of ours to ``folder``; returns its sums.

    Raises:
        IngestError: a file is none of GUFI's, or holds what can't be; or there is no room.
    """
    with errors_named(folder):
        os.makedirs(folder, exist_ok=True)
        clear(folder)
        part = PartWriter(folder, 0, sums=True)
        work = os.path.join(folder, "work.part")
        loading = _Loading(part, work)
        try:
            for found in directories(root):
                loading.take(found)
            while loading.open:
                loading.leave()
            finished = part.finish()
            loading.close()
            completion = Completion(folder, 1)
            completion.sum_up()
            _views(completion.parts[0], f"{work}.beegfs")
        finally:
            for name in (work, f"{work}.beegfs"):
                if os.path.exists(name):
                    os.unlink(name)
        scanned = os.lstat(_file(root) or root).st_mtime
        meta = {
            "source": to_text(root),
            "started": scanned,
            "finished": scanned,
            "layout": "gufi",
            "sums": True,
            "links": True,
            "xattrs": True,
            "include": [],
            "exclude": [],
            "globs": [],
            "unmatched_globs": [],
            "workers": 1,
            "threads": 1,
        }
        completion.finish([finished], meta)
    return finished[0]


def _views(db: sqlite3.Connection, beegfs: str) -> None:
    """What BeeGFS knows of entries, beside all that is known of them."""
    other = sqlite3.connect(beegfs)
    try:
        rows = other.execute("SELECT * FROM beegfs")
        first = rows.fetchone()
        if first is None:
            return
        db.execute(f"CREATE TABLE raw_beegfs(id INTEGER PRIMARY KEY, {', '.join(BEEGFS)})")
        insert = _INSERT.replace("INTO beegfs", "INTO raw_beegfs")
        db.execute(insert, first)
        db.executemany(insert, rows)
    finally:
        other.close()
    columns = ", ".join(f"b.{name}" for name in BEEGFS)
    db.execute(
        f"CREATE VIEW beegfs AS SELECT p.*, {columns} FROM pentries p"
        f" JOIN raw_beegfs b ON b.id = p.id / {MAX_PARTS}"
    )


class _Open:
    """A directory while what lies below it is read."""

    def __init__(self, path: bytes, identity: int, values: dict[str, Any]) -> None:
        self.path = path
        self.id = identity
        self.values = values


class _Loading:
    """Writes one directory after the other."""

    def __init__(self, part: PartWriter, work: str) -> None:
        self._part = part
        self._work = work
        self.open: list[_Open] = []
        self.beegfs = sqlite3.connect(f"{work}.beegfs", isolation_level=None)
        self.beegfs.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN;"
            f"CREATE TABLE beegfs(id INTEGER PRIMARY KEY, {', '.join(BEEGFS)})"
        )

    def close(self) -> None:
        """Nothing more is to be written."""
        self.beegfs.execute("COMMIT")
        self.beegfs.close()

    def take(self, found: Found) -> None:
        """Add a directory, with its entries."""
        while self.open and not _within(found.path, self.open[-1].path):
            self.leave()
        above = self.open[-1] if self.open else None
        if above is not None:
            above.values["subdirectories"] += 1
        identity = self._part.next_id()
        db = _opened(found.file, self._work)
        try:
            values = self._own(db, found, identity, above)
            self._entries(db, found, identity, values)
        except (sqlite3.Error, ValueError) as error:
            raise IngestError(f"{display(found.file)} is not GUFI's: {error}") from error
        finally:
            db.close()
        self.open.append(_Open(found.path, identity, values))

    def leave(self) -> None:
        """Write the last directory that is open: all below it is known."""
        values = self.open.pop().values
        self._part.record(tuple(values[name] for name in stored("raw_directories")), None)

    def _own(
        self, db: sqlite3.Connection, found: Found, identity: int, above: _Open | None
    ) -> dict[str, Any]:
        columns = _columns(db, "summary")
        root = "isroot = 1" if b"isroot" in columns else "rectype = 0"
        row = db.execute(
            f"SELECT {', '.join(_NUMBERS)}, {_xattrs(columns)} FROM summary WHERE {root} LIMIT 1"
        ).fetchone()
        if row is None:
            raise ValueError("it does not describe its directory")
        values: dict[str, Any] = dict.fromkeys(stored("raw_directories"), 0)
        values.update(_numbers(row))
        values.update(
            id=identity,
            parent=above.id if above else 0,
            path=found.path,
            sort=found.path.replace(b"/", b"\0"),
            depth=found.path.count(b"/") + 1 if found.path else 0,
            name=found.path.rpartition(b"/")[2],
            pinode=above.values["inode"] if above else 0,
            xattr_names=_text(row[-1]),
            last=-1,
        )
        return values

    def _entries(
        self, db: sqlite3.Connection, found: Found, identity: int, values: dict[str, Any]
    ) -> None:
        columns = _columns(db, "entries")
        stream = db.execute(
            f"SELECT {', '.join(_NUMBERS)}, CAST(name AS BLOB), type, CAST(linkname AS BLOB),"
            f" {_xattrs(columns)} FROM entries ORDER BY CAST(name AS BLOB)"
        )
        direct, sums = Direct(), Totals()
        beegfs = _has_beegfs(db)
        while True:
            some = stream.fetchmany(_RUN)
            if not some:
                break
            entries = [entry for entry in map(_entry, some) if entry is not None]
            if not entries:
                continue
            for one in entries:
                one["directory"] = identity
            rows = [tuple(one.get(name, 0) for name in _FIELDS) for one in entries]
            totals = _sums(entries)
            direct.add(rows, totals.files, totals.links)
            first, last = self._part.store(rows, totals)
            values.update(first=values["first"] or first, last=last)
            sums = add_totals([sums, totals])
            told = [(first + n, one["link"], one["xattrs"]) for n, one in enumerate(entries)]
            self._part.details([row for row in told if row[1:] != (None, None)])
            if beegfs:
                self._beegfs(db, {one["name"]: first + n for n, one in enumerate(entries)})
        values.update(entries=sums.entries, files=sums.files, bytes=sums.bytes, disk=sums.disk)
        values.update(zip(DIRECT, direct.row()))

    def _beegfs(self, db: sqlite3.Connection, ids: dict[bytes, int]) -> None:
        """Note what the plugin of BeeGFS wrote of entries, by their ids here."""
        columns = _columns(db, "beegfs_entries")
        chosen = ", ".join(name if name.encode() in columns else "NULL" for name in BEEGFS)
        bounds = min(ids), max(ids)
        for name, *values in db.execute(
            f"SELECT CAST(name AS BLOB), {chosen} FROM beegfs_entries"
            " WHERE CAST(name AS BLOB) BETWEEN ? AND ?",
            bounds,
        ):
            if name in ids:
                plain = [
                    v.decode("ascii", "replace") if isinstance(v, bytes) else v for v in values
                ]
                self.beegfs.execute(_INSERT, (ids.pop(name), *plain))


def _within(path: bytes, folder: bytes) -> bool:
    return not folder or path.startswith(folder + b"/")


def _opened(file: bytes, work: str) -> sqlite3.Connection:
    if len(file) > _LONGEST:
        shutil.copyfile(file, work)
        file = os.fsencode(work)
    address = f"file:{quote_from_bytes(file)}?mode=ro&immutable=1"
    db = sqlite3.connect(address, uri=True)
    db.text_factory = bytes
    db.execute("PRAGMA trusted_schema=OFF")
    return db


def _columns(db: sqlite3.Connection, table: str) -> set[bytes]:
    """The columns of a table; a view might do anything. Raises ValueError."""
    kind = db.execute("SELECT type FROM sqlite_master WHERE name=?", (table,)).fetchone()
    if kind is None or kind[0] != b"table":
        raise ValueError(f"it has no table {table}")
    return {name for (name,) in db.execute(f"SELECT name FROM pragma_table_info('{table}')")}


def _xattrs(columns: set[bytes]) -> str:
    known = [name for name in _XATTRS if name.encode() in columns]
    return known[0] if known else "NULL"


def _numbers(row: tuple[Any, ...]) -> dict[str, int]:
    found = {name: _number(name, value) for name, value in zip(_NUMBERS, row)}
    for name in _TIMES:
        found[name] = max(-_LATEST // 4, min(found[name], _LATEST)) * _SECOND
    return found


def _number(name: str, value: Any) -> int:
    """A number, which may be text. Raises ValueError: it is none."""
    if value is None:
        return 0
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"its {name} '{display(_shown(value))}' is no number") from None
    if not -(1 << 63) <= number < 1 << 64:
        raise ValueError(f"its {name} {number} is too large")
    return number


def _shown(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _text(value: Any) -> bytes | None:
    return value or None if isinstance(value, bytes) else None


def _entry(row: tuple[Any, ...]) -> dict[str, Any] | None:
    """The columns of an entry; None for a directory, which has a file of its own. Raises
    ValueError."""
    name, kind, link, xattrs = row[-4:]
    if name in (b"", b".", b"..", None) or b"/" in name or b"\0" in name:
        raise ValueError(f"it names an entry '{display(name or b'')}'")
    one: dict[str, Any] = dict(_numbers(row))
    kind = _kind(one["mode"], kind)
    if kind is None:
        return None
    one.update(
        name=name, type=kind, link=_text(link) if kind == "l" else None, xattrs=_text(xattrs)
    )
    return one


def _kind(mode: int, kind: Any) -> str | None:
    """The type of an entry; None for a directory."""
    if stat.S_IFMT(mode) == stat.S_IFDIR or kind == b"d":
        return None
    return TYPES.get(stat.S_IFMT(mode), "l" if kind == b"l" else "f")


def _sums(entries: list[dict[str, Any]]) -> Totals:
    files = [one for one in entries if one["type"] == "f"]
    links = sum(one["type"] == "l" for one in entries)
    return Totals(
        files=len(files),
        links=links,
        specials=len(entries) - len(files) - links,
        entries=len(entries),
        bytes=sum(one["size"] for one in files),
        disk=sum(one["blocks"] for one in files) * 512,
    )


def _has_beegfs(db: sqlite3.Connection) -> bool:
    kind = db.execute("SELECT type FROM sqlite_master WHERE name='beegfs_entries'").fetchone()
    return kind is not None and kind[0] == b"table"
