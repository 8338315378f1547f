# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""GUFI's layout: what is written is what its statements read, and what it writes is read."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.difference.compare import (
    Difference,
    Options,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.index import gufi, gufi_reader
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.search.engine import ask
from ansible_collections.scaleout.ingest.plugins.module_utils.search.guard import Limits
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import source_of
from ansible_collections.scaleout.ingest.tests.support import gufi as theirs
from ansible_collections.scaleout.ingest.tests.support import indexes, trees


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: Any) -> Iterator[Path]:
    """A tree with hostile names, its index, and the same in GUFI's layout by us and by them."""
    folder: Path = tmp_path_factory.mktemp("gufi")
    root = os.fsencode(folder) + b"/tree"
    os.makedirs(root + b"/d '\"/deep\n%")
    for byte in range(1, 256):
        if byte not in b"./":
            with open(root + b"/d '\"/" + bytes([byte]), "wb") as stream:
                stream.write(b"x" * byte * 10)
    os.symlink(b"no\xffwhere", root + b"/link")
    os.mkfifo(root + b"/d '\"/deep\n%/fifo")
    os.mkdir(root + b"/empty")
    indexes.scan(root, str(folder / "index"), workers=2, sums=True, links=True)
    gufi.export(str(folder / "index"), str(folder / "ours"))
    theirs.write(root, os.fsencode(folder) + b"/theirs/tree", pools=True)
    yield folder
    trees.remove(root)


def queried(root: bytes, query: str) -> List[Tuple[Any, ...]]:
    """What gufi_query -E would print: the query's rows in each db.db."""
    rows = []
    for folder, _directories, names in os.walk(root):
        assert names == [b"db.db"]
        db = sqlite3.connect(os.path.join(os.fsdecode(folder), "db.db"))
        db.text_factory = bytes
        rows += [(os.path.relpath(folder, root), *row) for row in db.execute(query)]
        db.close()
    return rows


def walked(root: bytes) -> Dict[bytes, os.stat_result]:
    """Everything but directories."""
    found = {}
    for folder, directories, names in os.walk(root):
        for name in names + [n for n in directories if os.path.islink(os.path.join(folder, n))]:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, root)] = os.lstat(path)
    return found


def test_what_is_written(place: Path) -> None:
    root = os.fsencode(place) + b"/ours/tree"
    rows = queried(root, "SELECT name, size, inode, mtime, pinode, mode FROM pentries")
    expected = walked(os.fsencode(place) + b"/tree")
    assert len(rows) == len(expected)
    for folder, name, size, inode, mtime, pinode, mode in rows:
        path = os.path.normpath(os.path.join(folder, name))
        found = expected[path]
        above = os.stat(os.path.join(os.fsencode(place), b"tree", folder)).st_ino
        assert (size, int(inode), mtime, int(pinode), mode) == (
            found.st_size,
            found.st_ino,
            found.st_mtime_ns // 10**9,
            above,
            found.st_mode,
        )
    assert queried(root, "SELECT linkname FROM entries WHERE type = 'l'") == [
        (b".", b"no\xffwhere")
    ]


def test_every_view_can_be_asked(place: Path) -> None:
    root = os.fsencode(place) + b"/ours/tree"
    for view in (
        "vrsummary",
        "vrpentries",
        "summarylong",
        "vrsummarylong",
        "vsummarydir",
        "vsummaryuser",
        "vsummarygroup",
        "xattrs_avail",
        "external_dbs",
    ):
        queried(root, f"SELECT * FROM {view}")
    totals = queried(root, "SELECT totfiles, totlinks, totsize, minsize, maxsize FROM summary")
    found = walked(os.fsencode(place) + b"/tree")
    sizes = [s.st_size for p, s in found.items() if os.path.dirname(p) == b"d '\""]
    (row,) = [row for row in totals if row[0] == b"d '\""]
    assert row[1:] == (len(sizes), 0, sum(sizes), min(sizes), max(sizes))
    names = {row[1] for row in queried(root, "SELECT name FROM summary")}
    assert names == {b"tree", b"d '\"", b"deep\n%", b"empty"}
    joined = queried(root, "SELECT dname, sname, name, dtotfiles FROM vrpentries")
    assert len(joined) == len(found) and {row[1] for row in joined} < names


def test_another_takes_its_place(place: Path) -> None:
    target = str(place / "again")
    for _time in range(2):
        assert gufi.export(str(place / "index"), target) == 4
        assert os.listdir(target) == ["tree"]
    assert not [name for name in os.listdir(place) if ".part" in name]
    with pytest.raises(IngestError, match="can't be written to .*missing"):
        gufi.export(str(place / "index"), str(place / "missing" / "folder"))


@pytest.mark.parametrize("whose", ["ours", "theirs"])
@pytest.mark.parametrize("run", [7, 20_000])
def test_what_is_read(place: Path, tmp_path: Path, monkeypatch: Any, whose: str, run: int) -> None:
    monkeypatch.setattr(gufi_reader, "_RUN", run)
    root = gufi_reader.root_of(str(place / whose))
    assert root == os.fsencode(place) + os.fsencode(f"/{whose}/tree")
    gufi_reader.load(root, str(tmp_path / "index"))
    assert os.listdir(tmp_path / "index") == ["0.db"]
    index, original = Index(str(tmp_path / "index")), Index(str(place / "index"))
    try:
        indexes.check(index)
        found, expected = indexes.contents(index), indexes.contents(original)
        assert set(found) == set(expected)
        at = [indexes.FIELDS.index(name) for name in ("inode", "mode", "nlink", "uid", "gid")]
        for path, entry in expected.items():
            assert found[path][0] == entry[0]
            assert [found[path][1][n] for n in at] == [entry[1][n] for n in at]
            mtime = indexes.FIELDS.index("mtime")
            assert found[path][1][mtime] == entry[1][mtime] // 10**9 * 10**9
            assert found[path][2:3] == entry[2:3]
    finally:
        index.close()
        original.close()


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_it_is_searched_and_compared_as_it_is(place: Path, whose: str) -> None:
    folder = str(place / whose)
    with Difference(Options(folder, str(place / "index"))) as found:
        assert list(found.changes()) == [] and found.compared.seconds
    source = source_of(folder)
    query = "SELECT count(*), sum(size) FROM pentries WHERE type = 'f'"
    rows = [row for batch in ask(source, query, Limits()).rows for row in batch]
    found_sizes = [
        found.st_size
        for found in walked(os.fsencode(place) + b"/tree").values()
        if stat.S_ISREG(found.st_mode)
    ]
    assert rows == [(len(found_sizes), sum(found_sizes))]
    query = "SELECT path() || '/' || name FROM pentries WHERE type = 'l'"
    rows = [row for batch in ask(source, query, Limits()).rows for row in batch]
    assert rows == [(os.fsencode(folder) + b"/tree/link",)]


def test_what_beegfs_knows(place: Path) -> None:
    source = source_of(str(place / "theirs"))
    query = "SELECT count(*), max(storage_pool_id), min(entry_id) FROM beegfs WHERE size >= 2000"
    rows = [row for batch in ask(source, query, Limits()).rows for row in batch]
    assert rows == [(56, 2, b"ABC-1")]


def hostile(place: Path, tmp_path: Path, sql: str) -> bytes:
    """Their index after somebody wrote to one of its files."""
    root = os.fsencode(tmp_path) + b"/tree"
    theirs.write(os.fsencode(place) + b"/tree", root)
    db = sqlite3.connect(os.fsdecode(root) + "/empty/db.db")
    db.executescript(sql)
    db.commit()
    db.close()
    return root


@pytest.mark.parametrize(
    "sql, said",
    [
        ("INSERT INTO entries(name, type) VALUES ('../../etc/passwd', 'f')", "names an entry '"),
        ("INSERT INTO entries(name, type) VALUES ('..', 'f')", "names an entry '..'"),
        ("INSERT INTO entries(name, type) VALUES ('', 'f')", "names an entry ''"),
        ("INSERT INTO entries(name, type) VALUES (CAST(X'61002f' AS TEXT), 'f')", "names an entry"),
        ("INSERT INTO entries(name, type) VALUES (NULL, 'f')", "names an entry ''"),
        ("INSERT INTO entries(name, size) VALUES ('x', 'many')", "its size 'many' is no number"),
        ("INSERT INTO entries(name, inode) VALUES ('x', '99999999999999999999')", "is too large"),
        ("INSERT INTO entries(name, mtime) VALUES ('x', X'00')", "its mtime"),
        ("DELETE FROM summary", "does not describe its directory"),
        ("DROP TABLE entries; CREATE VIEW entries AS SELECT * FROM summary", "no table entries"),
        ("DROP TABLE entries", "no table entries"),
        ("ALTER TABLE entries RENAME COLUMN size TO much", "size"),
    ],
)
def test_nothing_in_it_is_taken_on_trust(place: Path, tmp_path: Path, sql: str, said: str) -> None:
    root = hostile(place, tmp_path, sql)
    with pytest.raises(IngestError, match="empty/db.db is not GUFI's: ") as error:
        gufi_reader.load(root, str(tmp_path / "index"))
    assert said in str(error.value)


def test_links_are_not_followed(place: Path, tmp_path: Path) -> None:
    root = hostile(place, tmp_path, "SELECT 1")
    os.symlink(os.fsencode(place) + b"/theirs/tree", root + b"/elsewhere")
    os.rename(root + b"/empty/db.db", root + b"/empty/real")
    os.symlink("real", root + b"/empty/db.db")
    gufi_reader.load(root, str(tmp_path / "index"))
    index = Index(str(tmp_path / "index"))
    paths = {directory.path for directory in index.directories()}
    index.close()
    assert paths == {b"", b"d '\"", b"d '\"/deep\n%"}


def test_a_file_that_is_none(place: Path, tmp_path: Path) -> None:
    root = hostile(place, tmp_path, "SELECT 1")
    with open(root + b"/empty/db.db", "wb") as stream:
        stream.write(b"no database" * 100)
    with pytest.raises(IngestError, match="empty/db.db is not GUFI's: file is not a database"):
        gufi_reader.load(root, str(tmp_path / "index"))


def test_paths_that_sqlite_does_not_take(tmp_path: Path) -> None:
    """Directories below more than 512 bytes."""
    root = os.fsencode(tmp_path) + b"/tree"
    deep = root + b"/" + b"/".join([b"n" * 200] * 5)
    os.makedirs(deep)
    with open(deep + b"/file", "wb") as stream:
        stream.write(b"deep")
    indexes.scan(root, str(tmp_path / "index"), workers=1, sums=True)
    gufi.export(str(tmp_path / "index"), str(tmp_path / "gufi"))
    totals = gufi_reader.load(os.fsencode(tmp_path) + b"/gufi/tree", str(tmp_path / "back"))
    assert (totals.files, totals.bytes, totals.directories) == (1, 4, 6)


def test_what_is_no_index(tmp_path: Path) -> None:
    assert gufi_reader.root_of(str(tmp_path)) is None
    assert gufi_reader.root_of(str(tmp_path / "missing")) is None
