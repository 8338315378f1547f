# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public views say what os.lstat says of a real tree."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index import parts
from ansible_collections.scaleout.ingest.plugins.module_utils.index.generations import find
from ansible_collections.scaleout.ingest.plugins.module_utils.index.sums import BOUNDS, FEW
from ansible_collections.scaleout.ingest.tests.support.indexes import KINDS, scan

GUFI = (
    "name type inode mode nlink uid gid size blksize blocks atime mtime ctime linkname xattr_names"
)
ROOT = os.geteuid() == 0
TIMES = ("atime", "mtime", "ctime")


@pytest.fixture(name="tree")
def make_tree(tmp_path: Path) -> bytes:
    """Every byte in names, links, specials, owners, sizes and times of all kinds."""
    root = os.fsencode(tmp_path / "tree")
    for folder in (b"", b"empty", b"a", b"a/b", b"a/b/c", b"a b", b"a-b", b"-rf", b"new\nline"):
        os.mkdir(os.path.join(root, folder))
    odd = [bytes([n]) for n in range(1, 256) if n not in b"./"]
    for n, name in enumerate([*odd, b"\xff\xfe\n'\"%", "Übergröße".encode(), b"x" * 255]):
        folder = (b"", b"a", b"a/b", b"a/b/c", b"new\nline")[n % 5]
        path = os.path.join(root, folder, b"f" + name[:254])
        with open(path, "wb") as file:
            file.write(b"x" * (n * 97 % 5000))
        os.utime(path, ns=(n * 10**9 + 7, (n - 100) * 10**9 + 999_999_999))
        if ROOT:
            os.chown(path, n % 3 if folder == b"a" else n, 5)
    os.symlink(b"to \xff", os.path.join(root, b"a/link"))
    os.mkfifo(os.path.join(root, b"a/fifo"))
    os.link(os.path.join(root, b"a/link"), os.path.join(root, b"a b/second"), follow_symlinks=False)
    os.truncate(os.open(os.path.join(root, b"a-b/large"), os.O_CREAT | os.O_WRONLY), 3 << 40)
    return root


def rows(folder: str, query: str, *arguments: Any) -> list[sqlite3.Row]:
    """What all parts answer, text as bytes."""
    found = []
    for file in parts.complete(folder).files:
        db = parts.open_part(file)
        db.text_factory = bytes
        db.row_factory = sqlite3.Row
        found += db.execute(query, arguments).fetchall()
        db.close()
    return found


def walk(root: bytes) -> dict[bytes, os.stat_result]:
    """All below a root, and the root, by relative path."""
    found = {b"": os.lstat(root)}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            found[path[len(root) + 1 :]] = os.lstat(path)
    return found


def shown(found: os.stat_result) -> dict[str, Any]:
    """An entry's attributes as the views show them."""
    same = ("mode", "nlink", "uid", "gid", "size", "blksize", "blocks")
    return {
        **{name: getattr(found, f"st_{name}") for name in same},
        **{name: getattr(found, f"st_{name}_ns") // 10**9 for name in TIMES},
        **{f"{name}_ns": getattr(found, f"st_{name}_ns") for name in TIMES},
        "inode": b"%d" % found.st_ino,
        "device": found.st_dev,
        "type": KINDS[stat.S_IFMT(found.st_mode)].encode(),
    }


@pytest.mark.parametrize("sums", [True, False])
def test_entries_are_what_lstat_says(tree: bytes, tmp_path: Path, sums: bool) -> None:
    index = str(tmp_path / "index")
    scan(tree, index, workers=2, sums=sums, links=True)
    walked = walk(tree)
    expected = dict(walked)
    found = rows(index, "SELECT * FROM everything")
    names = " ".join(found[0].keys())
    assert names.startswith(GUFI) and " osstext2 pinode ppinode " in names
    assert len(found) == len(expected)
    for row in found:
        if row["type"] == b"d":
            path = row["path"]
            assert row["raw_path"] == path and row["name"] == path.rpartition(b"/")[2]
        else:
            path = os.path.join(row["path"], row["name"])
            assert row["raw_name"] == row["name"]
            above = walked[os.path.dirname(path)]
            assert row["pinode"] == b"%d" % above.st_ino
            if os.path.dirname(path):
                grand = walked[os.path.dirname(os.path.dirname(path))]
                assert row["ppinode"] == b"%d" % grand.st_ino
        assert row["depth"] == (path.count(b"/") + 1 if path else 0)
        want = shown(expected.pop(path))
        if row["type"] in (b"d", b"l"):  # looking at one may be reading it
            del want["atime"], want["atime_ns"]
        assert {name: row[name] for name in want} == want
        target = os.readlink(os.path.join(tree, path)) if row["type"] == b"l" else b""
        assert row["linkname"] == target
    assert not expected
    files = rows(index, "SELECT * FROM pentries")
    assert {row["id"] for row in files} == {row["id"] for row in found if row["type"] != b"d"}
    assert len(rows(index, "SELECT * FROM entries")) == len(files)


def test_the_notes_queries_run_as_they_are(tree: bytes, tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    scan(tree, index, workers=2)
    (mine,) = {row[0] for row in rows(index, "SELECT uid FROM pentries WHERE name LIKE 'LINK'")}
    counts = rows(index, "SELECT COUNT(*) FROM pentries WHERE uid=? AND name='link'", mine)
    assert sum(row[0] for row in counts) == 1
    named = rows(
        index, "SELECT path || (CASE type WHEN 'd' THEN '' ELSE '/' || name END) FROM pentries"
    )
    entries = {path for path, found in walk(tree).items() if not stat.S_ISDIR(found.st_mode)}
    assert {row[0].lstrip(b"/") for row in named} == entries


def test_tree_has_each_directory_with_the_one_it_is_in(tree: bytes, tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    scan(tree, index, workers=2)
    expected = {
        (b"%d" % os.lstat(os.path.join(tree, os.path.dirname(path))).st_ino, b"%d" % found.st_ino)
        for path, found in walk(tree).items()
        if path and stat.S_ISDIR(found.st_mode)
    }
    found = rows(index, "SELECT * FROM tree")
    assert {(row["pinode"], row["inode"]) for row in found} == expected


def sums_of(found: list[os.stat_result]) -> dict[str, Any]:
    """The sums of entries that are no directories."""
    files = [each for each in found if stat.S_ISREG(each.st_mode)]
    links = [each for each in found if stat.S_ISLNK(each.st_mode)]
    result: dict[str, Any] = {
        "files": len(files),
        "links": len(links),
        "others": len(found) - len(files) - len(links),
        "size": sum(each.st_size for each in files),
        "blocks": sum(each.st_blocks for each in found),
    }
    for name in BOUNDS:
        act, what = (min if name[:3] == "min" else max), name[3:]
        if what == "atime" and links:  # looking at a link may be reading it
            continue
        among, end = (files if what == "size" else found), "_ns" if what in TIMES else ""
        value = act([getattr(each, f"st_{what}{end}") for each in among], default=None)
        result[name] = value // 10**9 if end and value is not None else value
        if end:
            result[f"{name}_ns"] = value
    for name, column in (("owners", "uid"), ("groups", "gid")):
        some = sorted({getattr(each, f"st_{column}") for each in found})
        result[name] = " ".join(map(str, some)).encode() if len(some) <= FEW else None
    return result


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("sums", [True, False])
def test_summary_adds_up(tree: bytes, tmp_path: Path, workers: int, sums: bool) -> None:
    index = str(tmp_path / "index")
    scan(tree, index, workers=workers, sums=sums)
    everything = walk(tree)
    found = {row["raw_path"]: row for row in rows(index, "SELECT * FROM summary")}
    folders = {path for path, each in everything.items() if stat.S_ISDIR(each.st_mode)}
    assert set(found) == folders
    for path, row in found.items():
        inside = {
            other: each
            for other, each in everything.items()
            if other and (not path or other.startswith(path + b"/"))
        }
        below = sums_of([each for each in inside.values() if not stat.S_ISDIR(each.st_mode)])
        below["dirs"] = len(folders & set(inside))
        right = {k: each for k, each in inside.items() if os.path.dirname(k) == path}
        direct = sums_of([each for k, each in right.items() if k not in folders])
        direct["subdirs"] = len(folders & set(right))
        for name, value in direct.items():
            column = name if name[:3] in ("min", "max") or name in ("owners", "groups") else "tot"
            assert row[column if column == name else "tot" + name] == value, (path, name)
        for name, value in below.items():
            assert row["sub" + name] == (value if sums else None), (path, name)
        sizes = [each.st_size for each in right.values() if stat.S_ISREG(each.st_mode)]
        assert row["totzero"] == sizes.count(0)
        assert row["totltk"] == sum(size < 1024 for size in sizes)
        assert row["totmtt"] == sum(size >= 1 << 40 for size in sizes)
        assert row["isroot"] == (not path) and row["depth"] == (path.count(b"/") + bool(path))


def test_names_of_attributes_on_request(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    (source / "d" / "f").write_text("x")
    (source / "plain").write_text("x")
    try:
        for name in ("user.b", "user.a\udcff"):
            os.setxattr(source / "d" / "f", name, b"1")
        os.setxattr(source / "d", "user.of_directory", b"1")
    except OSError:
        pytest.skip("no extended attributes here")
    index = str(tmp_path / "index")
    scan(str(source), index, workers=1, sums=True, xattrs=True)
    found = {row["raw_name"]: row["xattr_names"] for row in rows(index, "SELECT * FROM everything")}
    assert found[b"f"] == b"user.a\xff\x1fuser.b"
    assert found[b"d"] == b"user.of_directory" and found[b"plain"] is None
    assert [row["totxattr"] for row in rows(index, "SELECT * FROM summary ORDER BY path")] == [0, 1]
    scan(str(source), index, workers=1, sums=True)
    assert not any(row["xattr_names"] for row in rows(index, "SELECT * FROM everything"))


def test_a_part_that_was_cut_short_is_named(tree: bytes, tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    scan(tree, index, workers=2)
    file = os.path.join(index, "1.db")
    os.truncate(file, os.path.getsize(file) - 16384)
    with pytest.raises(IngestError, match=r"1\.db is damaged: it has \d+ bytes and should have"):
        parts.complete(index)
    os.truncate(file, 0)
    with pytest.raises(IngestError, match=r"1\.db is not a part of an index"):
        parts.complete(index)


def test_a_part_of_another_scan_is_named(tree: bytes, tmp_path: Path) -> None:
    for name in ("one", "other"):
        scan(tree, str(tmp_path / name), workers=2)
    os.replace(tmp_path / "one" / "1.db", tmp_path / "other" / "1.db")
    with pytest.raises(IngestError, match=r"1\.db belongs to another scan than .*0\.db"):
        parts.complete(str(tmp_path / "other"))


@pytest.mark.parametrize(("version", "whose"), [(2, "an older"), (99, "a newer")])
def test_another_schema_is_named(tree: bytes, tmp_path: Path, version: int, whose: str) -> None:
    index = str(tmp_path / "index")
    scan(tree, index, workers=1)
    db = sqlite3.connect(os.path.join(index, "0.db"))
    db.execute(f"PRAGMA user_version={version}")
    if version == 2:  # as it was
        db.executescript("DROP VIEW entries; ALTER TABLE raw_entries RENAME TO entries")
    db.close()
    with pytest.raises(IngestError, match=rf"was written by {whose} version .*\(schema {version}"):
        parts.complete(index)


def test_find_knows_run_folders(tree: bytes, tmp_path: Path) -> None:
    scan(tree, str(tmp_path / "run" / "index"), workers=1)
    assert find(str(tmp_path / "run")) == find(str(tmp_path / "run" / "index"))
    with pytest.raises(IngestError, match="there is no index in"):
        find(str(tmp_path))
