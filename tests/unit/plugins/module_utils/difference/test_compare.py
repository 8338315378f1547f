# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences against journals of random changes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from typing import Any, Dict, List

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.difference import join, sides
from ansible_collections.scaleout.ingest.plugins.module_utils.difference.compare import (
    Change,
    Difference,
    Options,
)
from ansible_collections.scaleout.ingest.tests.support import indexes
from ansible_collections.scaleout.ingest.tests.support.journals import OPERATIONS, Journal, Seen
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

NUMBERS = st.integers(0, 50)
STEPS = st.lists(st.tuples(st.sampled_from(OPERATIONS), NUMBERS, NUMBERS, NUMBERS), max_size=14)
START = st.lists(
    st.tuples(
        st.sampled_from(("create", "create", "mkdir", "mkdir", "symlink", "fifo", "link")),
        NUMBERS,
        NUMBERS,
        NUMBERS,
    ),
    max_size=16,
)


def difference(old: str, new: str, **options: Any) -> List[Change]:
    """All changes."""
    with Difference(Options(old, new, workers=1, **options)) as found:
        return list(found.changes())


def replayed(before: Dict[bytes, Seen], changes: List[Change]) -> Dict[bytes, bytes]:
    """The paths that a tree has after the changes, each with its old path: what was removed goes,
    what was moved takes with it all that is not named."""
    gone = {change.path for change in changes if change.change == "removed"}
    moved = {change.before: change.path for change in changes if change.change == "moved"}
    now: Dict[bytes, bytes] = {}
    places: Dict[bytes, bytes] = {b"": b""}
    for path in sorted(before, key=lambda path: path.replace(b"/", b"\0")):
        up, _slash, name = path.rpartition(b"/")
        if path:
            places[path] = moved.get(path, os.path.join(places[up], name))
        if path not in gone:
            assert places[path] not in now, "two things at one path"
            now[places[path]] = path
    return now


def check(before: Dict[bytes, Seen], after: Dict[bytes, Seen], changes: List[Change]) -> None:
    """The changes lead from one state to the other, say all that differs, and nothing that does
    not."""
    keys = [c.path.replace(b"/", b"\0") for c in changes if c.change != "removed"]
    assert keys == sorted(keys)
    now = replayed(before, changes)
    added = {change.path for change in changes if change.change == "added"}
    assert not added & set(now)
    assert {*now, *added} == set(after)
    by_path = {change.path: change for change in changes if change.change in ("changed", "moved")}
    for path, old_path in now.items():
        old, new = before[old_path], after[path]
        expected = fields(old, new)
        change = by_path.pop(path, None)
        assert set(change.fields if change else ()) == expected, (path, old_path, change)
        if change is not None:
            assert change.before == old_path
            assert change.change == "moved" or change.fields
            if change.change == "moved":
                assert old.object == new.object, "fooled"
    assert not by_path


def fields(old: Seen, new: Seen) -> set:
    """The names of what differs."""
    one, other = old.found, new.found
    pairs = {
        "mode": (one.st_mode, other.st_mode),
        "type": (one.st_mode & 0o170000, other.st_mode & 0o170000),
        "uid": (one.st_uid, other.st_uid),
        "gid": (one.st_gid, other.st_gid),
        "inode": (one.st_ino, other.st_ino),
        "mtime": (one.st_mtime_ns, other.st_mtime_ns),
        "ctime": (one.st_ctime_ns, other.st_ctime_ns),
        "linkname": (old.link, new.link),
    }
    sizes = [
        0 if seen.found.st_mode & 0o170000 == 0o040000 else seen.found.st_size
        for seen in (old, new)
    ]
    pairs["size"] = (sizes[0], sizes[1])
    return {name for name, (a, b) in pairs.items() if a != b}


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(START, STEPS)
def test_a_journal(start: Any, steps: Any) -> None:
    folder = tempfile.mkdtemp(dir="/var/tmp")
    try:
        journal = Journal(os.fsencode(folder) + b"/tree")
        journal.run(start)
        before = journal.seen()
        indexes.scan(journal.root, folder + "/old", workers=1, links=True)
        journal.touched.clear()
        journal.run(steps)
        after = journal.seen()
        indexes.scan(journal.root, folder + "/new", workers=2, links=True)
        changes = difference(folder + "/old", folder + "/new")
        check(before, after, changes)
        complete(before, after, changes, journal.touched)
    finally:
        shutil.rmtree(folder)


def complete(
    before: Dict[bytes, Seen], after: Dict[bytes, Seen], changes: List[Change], touched: set
) -> None:
    """What only went to another path is nowhere called gone and new."""
    gone = {before[change.path].object for change in changes if change.change == "removed"}
    new = {after[change.path].object for change in changes if change.change == "added"}
    names: Dict[int, int] = {}
    for state in (before, after):
        for seen in state.values():
            names[seen.object] = max(
                names.get(seen.object, 0),
                1 if seen.found.st_mode & 0o170000 == 0o040000 else seen.found.st_nlink,
            )
    directories = {
        seen.object for seen in before.values() if seen.found.st_mode & 0o170000 == 0o040000
    }
    assert not {one for one in gone & new if names[one] == 1 and one not in touched | directories}


def scanned(tmp_path: Any, name: str, tree: str = "tree", **options: Any) -> str:
    """An index of a tree, as it is now."""
    folder = str(tmp_path / name)
    indexes.scan(str(tmp_path / tree), folder, workers=1, links=True, **options)
    return folder


def told(changes: List[Change]) -> List[tuple]:
    """The changes but those of directories in which only something came or went."""
    return [
        (change.change, change.path) + ((change.before,) if change.change == "moved" else ())
        for change in changes
        if change.row.type != "d" or change.change != "changed"
    ]


def test_a_moved_directory_is_one_move(tmp_path: Any) -> None:
    deep = tmp_path / "tree" / "d" / "e"
    deep.mkdir(parents=True)
    for number in range(50):
        (deep / f"f{number}").write_text("x" * number)
    (tmp_path / "tree" / "other").mkdir()
    old = scanned(tmp_path, "old")
    (tmp_path / "tree" / "d").rename(tmp_path / "tree" / "other" / "D")
    (tmp_path / "tree" / "other" / "D" / "e" / "f7").write_text("other")
    (tmp_path / "tree" / "other" / "D" / "e" / "f8").unlink()
    (tmp_path / "tree" / "other" / "D" / "e" / "new").write_text("new")
    found = difference(old, scanned(tmp_path, "new"))
    assert sorted(told(found)) == [
        ("added", b"other/D/e/new"),
        ("changed", b"other/D/e/f7"),
        ("moved", b"other/D", b"d"),
        ("removed", b"d/e/f8"),
    ]
    changed = next(change for change in found if change.path == b"other/D/e/f7")
    assert changed.before == b"d/e/f7" and set(changed.fields) == {"size", "mtime", "ctime"}


def test_a_further_name_is_no_move(tmp_path: Any) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("x")
    old = scanned(tmp_path, "old")
    os.link(tmp_path / "tree" / "a", tmp_path / "tree" / "b")
    middle = scanned(tmp_path, "middle")
    assert told(difference(old, middle)) == [("changed", b"a"), ("added", b"b")]
    (tmp_path / "tree" / "a").unlink()
    new = scanned(tmp_path, "new")
    assert told(difference(middle, new)) == [("removed", b"a"), ("changed", b"b")]
    assert told(difference(old, new)) == [("moved", b"b", b"a")]


def renumbered(folder: str, change: str) -> None:
    """An index of which SQL changes something."""
    for name in os.listdir(folder):
        db = sqlite3.connect(os.path.join(folder, name))
        for table in ("raw_directories", "raw_entries"):
            db.execute(f"UPDATE {table} SET {change}")
        db.commit()
        db.close()


def test_a_reused_inode_is_no_move(tmp_path: Any) -> None:
    """What has a lost file's inode, but was made since, is another file."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("x")
    os.utime(tmp_path / "tree" / "a", ns=(10**18, 10**18))
    old = scanned(tmp_path, "old")
    (tmp_path / "tree" / "a").unlink()
    (tmp_path / "tree" / "b").write_text("y")
    new = scanned(tmp_path, "new")
    for folder in (old, new):
        renumbered(folder, "inode = 4711")
    assert told(difference(old, new)) == [("removed", b"a"), ("added", b"b")]


def test_a_server_that_was_mounted_again_has_another_device(tmp_path: Any) -> None:
    (tmp_path / "tree" / "d").mkdir(parents=True)
    (tmp_path / "tree" / "d" / "a").write_text("x")
    old = scanned(tmp_path, "old")
    os.rename(tmp_path / "tree" / "d" / "a", tmp_path / "tree" / "d" / "b")
    new = scanned(tmp_path, "new")
    renumbered(new, "device = device + 1000")
    assert told(difference(old, new)) == [("moved", b"d/b", b"d/a")]
    assert told(difference(new, new)) == []


def test_two_trees_have_no_inodes_in_common(tmp_path: Any) -> None:
    (tmp_path / "tree" / "d").mkdir(parents=True)
    (tmp_path / "tree" / "d" / "a").write_text("x")
    os.symlink("one", tmp_path / "tree" / "link")
    subprocess.run(["cp", "-a", tmp_path / "tree", tmp_path / "copy"], check=True)
    old, new = scanned(tmp_path, "old"), scanned(tmp_path, "new", tree="copy")
    assert difference(old, new) == []
    os.unlink(tmp_path / "copy" / "link")
    os.symlink("two", tmp_path / "copy" / "link")
    newer = scanned(tmp_path, "newer", tree="copy")
    assert [(c.path, c.fields) for c in difference(old, newer, fields=("linkname",))] == [
        (b"link", ("linkname",))
    ]
    assert told(difference(old, newer)) == [("changed", b"link")]


def test_what_counts_can_be_chosen(tmp_path: Any) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("x")
    old = scanned(tmp_path, "old")
    os.chmod(tmp_path / "tree" / "a", 0o600)
    new = scanned(tmp_path, "new")
    assert [c.fields for c in difference(old, new)] == [("mode", "ctime")]
    assert [c.fields for c in difference(old, new, fields=("mode",))] == [("mode",)]
    assert difference(old, new, fields=("size",)) == []
    with pytest.raises(IngestError, match="fields: 'smell' is not one of type, inode"):
        difference(old, new, fields=("smell",))


def test_what_was_not_scanned_is_not_compared(tmp_path: Any) -> None:
    (tmp_path / "tree").mkdir()
    os.symlink("one", tmp_path / "tree" / "link")
    old = scanned(tmp_path, "old")
    indexes.scan(str(tmp_path / "tree"), str(tmp_path / "new"), workers=1)
    assert difference(old, str(tmp_path / "new")) == []
    with pytest.raises(IngestError, match="fields: the index in .*new has no 'linkname'"):
        difference(old, str(tmp_path / "new"), fields=("linkname",))


def test_what_makes_a_difference_that_is_none_is_said(tmp_path: Any) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.o").write_text("x")
    old = scanned(tmp_path, "old")
    new = scanned(tmp_path, "new", exclude=[b"*.o"])
    with Difference(Options(old, new)) as found:
        assert "'exclude'" in found.warnings[0]
        assert told(list(found.changes())) == [("removed", b"a.o")]


def test_more_than_a_chunk_in_many_stretches(tmp_path: Any, monkeypatch: Any) -> None:
    """A directory that is read in chunks, and stretches of one directory each."""
    monkeypatch.setattr(sides, "CHUNK", 7)
    monkeypatch.setattr(join, "CHUNK", 7)
    monkeypatch.setattr(sides, "_LEAST", 1)
    for folder in range(5):
        (tmp_path / "tree" / str(folder)).mkdir(parents=True)
        for number in range(50):
            (tmp_path / "tree" / str(folder) / f"f{number}").write_text("x")
    old = scanned(tmp_path, "old")
    expected = []
    for folder in range(5):
        (tmp_path / "tree" / str(folder) / f"f{folder * 9}").write_text("longer")
        (tmp_path / "tree" / str(folder) / f"f{folder * 9 + 1}").unlink()
        expected += [("changed", b"%d/f%d" % (folder, folder * 9))]
        expected += [("removed", b"%d/f%d" % (folder, folder * 9 + 1))]
    new = scanned(tmp_path, "new")
    with Difference(Options(old, new, workers=3)) as found:
        assert sorted(told(list(found.changes()))) == sorted(expected)


def test_nothing_is_left_behind(tmp_path: Any) -> None:
    (tmp_path / "tree").mkdir()
    old = scanned(tmp_path, "old")
    (tmp_path / "spools").mkdir()
    options = Options(old, old, temporary=str(tmp_path / "spools"))
    with Difference(options) as found:
        assert list(found.changes()) == []
    with pytest.raises(IngestError, match="there is no index in"):
        Difference(options._replace(new=str(tmp_path)))
    assert os.listdir(tmp_path / "spools") == []
    missing = options._replace(temporary=str(tmp_path / "missing"))
    with pytest.raises(IngestError, match="temporary files can't be written to .*missing"):
        Difference(missing)


def test_a_damaged_index_is_refused(tmp_path: Any) -> None:
    (tmp_path / "tree").mkdir()
    old = scanned(tmp_path, "old")
    new = scanned(tmp_path, "new")
    with open(os.path.join(new, "0.db"), "r+b") as stream:
        stream.seek(0, os.SEEK_END)
        stream.truncate(stream.tell() - 4096)
    with pytest.raises(IngestError, match="is damaged"):
        Difference(Options(old, new))
