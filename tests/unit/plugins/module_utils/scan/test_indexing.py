# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index of a tree, generation after generation."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index import earlier, parts
from ansible_collections.scaleout.ingest.plugins.module_utils.index.generations import (
    find,
    generations,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import indexing
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.indexing import IndexOptions
from ansible_collections.scaleout.ingest.tests.support import indexes, trees

DEFAULTS: dict[str, Any] = {
    "generations": 2,
    "scan": "full",
    "settled": "0",
    "subtrees": [],
    "policies": [],
    "list_format": "null",
    "include": [],
    "exclude": [],
    "xattrs": False,
    "one_file_system": False,
    "workers": "2",
    "threads": "auto",
    "stall_timeout": 60,
}


@pytest.fixture(name="source")
def make_source(tmp_path: Path) -> Iterator[bytes]:
    """Where the tree goes."""
    root = os.fsencode(tmp_path / "source")
    os.mkdir(root)
    yield root
    trees.remove(root)


def fill(root: bytes, *paths: str) -> None:
    """Make files, and directories where the path ends with a slash."""
    for path in paths:
        full = os.path.join(os.fsdecode(root), path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if not path.endswith("/"):
            with open(full, "w", encoding="ascii") as stream:
                stream.write(path)


def index(
    root: bytes, folder: object, progress: Callable[[Any], None] | None = None, **more: Any
) -> dict[str, Any]:
    """Index a tree."""
    named = {"source": os.fsdecode(root), "index_dir": str(folder)}
    options = IndexOptions.from_params({**DEFAULTS, **named, **more})
    indexing.check(options)
    return indexing.make(options, progress)


def contents(folder: object) -> dict[bytes, tuple[Any, ...]]:
    """All that the newest generation has."""
    found = Index(find(str(folder)))
    indexes.check(found)
    result = indexes.contents(found)
    found.close()
    return result


def test_generations_follow_one_another(source: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    fill(source, "a", "b/c", "empty/")
    first = index(source, folder)
    assert contents(folder) == indexes.tree(source)
    assert (first["files"], first["directories"], first["errors"]) == (2, 3, 0)
    fill(source, "b/d")
    second = index(source, folder)
    assert contents(folder) == indexes.tree(source)
    assert generations(str(folder)) == [second["generation"], first["generation"]]


def test_the_hostile_tree(source: bytes, tmp_path: Path) -> None:
    trees.build(source, trees.hostile())
    index(source, tmp_path / "index")
    assert contents(tmp_path / "index") == indexes.tree(source)


def test_a_scan_that_fails_leaves_the_last_one(source: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    fill(source, "a")
    first = index(source, folder)

    def stop(dummy: object) -> None:
        raise IngestError("given up")

    with pytest.raises(IngestError, match="given up"):
        index(source, folder, progress=stop)
    assert generations(str(folder)) == [first["generation"]]
    assert set(os.listdir(folder)) == {".lock", "current", os.path.basename(first["generation"])}


_SLOW = """
import sys, time
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import coordinator
coordinator._INTERVAL = 0.0
from ansible_collections.scaleout.ingest.tests.unit.plugins.module_utils.scan import test_indexing
def wait(dummy):
    print("scanning", flush=True)
    time.sleep(60)
test_indexing.index(sys.argv[1].encode(), sys.argv[2], progress=wait)
"""


_ONCE = """
import sys
from ansible_collections.scaleout.ingest.tests.unit.plugins.module_utils.scan import test_indexing
test_indexing.index(sys.argv[1].encode(), sys.argv[2], generations=3)
"""


def test_a_scan_that_is_killed_leaves_the_last_one(source: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    fill(source, *(f"d{n}/f" for n in range(300)))
    first = index(source, folder)
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, os.fsdecode(source), str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stdout.readline()
    assert (folder / ".new").is_dir()
    with pytest.raises(IngestError, match=f"another scan .* process {process.pid}"):
        index(source, folder)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert generations(str(folder)) == [first["generation"]]
    assert contents(folder) == indexes.tree(source)
    # Its workers see the end of their pipes; until then the lock is theirs.
    until = time.monotonic() + 30
    while True:
        try:
            second = index(source, folder)
            break
        except IngestError as error:
            assert "another scan" in str(error) and time.monotonic() < until
            time.sleep(0.05)
    assert generations(str(folder)) == [second["generation"], first["generation"]]
    assert not (folder / ".new").exists()


def test_ten_readers_while_scans_go_on(source: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    fill(source, *(f"d{n % 20}/f{n}" for n in range(400)))
    index(source, folder)
    expected = contents(folder)
    ended = threading.Event()
    read: list[int] = [0] * 10
    wrong: list[object] = []

    def reader(number: int) -> None:
        while not ended.is_set():
            try:
                found = Index(find(str(folder)))
                if indexes.contents(found) != expected:
                    wrong.append("differs")
                found.close()
                read[number] += 1
            except Exception as error:  # pylint: disable=broad-except
                wrong.append(error)

    threads = [threading.Thread(target=reader, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    try:
        for dummy in range(3):
            before = list(read)
            # Of its own process: what forks must not have threads that hold SQLite's locks.
            subprocess.run(
                [sys.executable, "-c", _ONCE, os.fsdecode(source), str(folder)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                check=True,
                timeout=120,
            )
            until = time.monotonic() + 60
            while not wrong and any(now <= then for now, then in zip(read, before)):
                assert time.monotonic() < until
                time.sleep(0.01)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not wrong and min(read) >= 3


def test_options_are_looked_at(source: bytes, tmp_path: Path) -> None:
    inside = os.path.join(os.fsdecode(source), "index")
    for folder, more, message in (
        (inside, {}, "index_dir .* lies inside the source"),
        (tmp_path, {"generations": 0}, "generations: 0 is less than 1"),
        ("", {}, "index_dir: '' is no path"),
        (tmp_path, {"workers": "0"}, "workers: '0'"),
    ):
        with pytest.raises(IngestError, match=message):
            index(source, folder, **more)
    assert not os.listdir(source)


# -- again, cheaper --------------------------------------------------------------------------------


@pytest.fixture(name="soon")
def make_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories may be trusted at once: this file system's clock is fine enough for a test."""
    monkeypatch.setattr(earlier, "_STEP", 0)


def pause() -> None:
    """Until what was just done lies before what is done next, on any of a kernel's clocks."""
    time.sleep(0.05)


def summaries(folder: object) -> dict[bytes, tuple[Any, ...]]:
    """The view summary of the newest generation, by path, without times of access and ids."""
    found: dict[bytes, tuple[Any, ...]] = {}
    for file in parts.complete(find(str(folder))).files:
        db = parts.open_part(file)
        db.text_factory = bytes
        db.row_factory = sqlite3.Row
        for row in db.execute("SELECT * FROM summary"):
            values = zip(row.keys(), row)
            found[row["raw_path"]] = tuple(
                value for name, value in values if "atime" not in name and name not in _NUMBERS
            )
        db.close()
    return found


_NUMBERS = ("id", "directory")


def same(source: bytes, folder: Path, beside: Path) -> None:
    """The newest generation is what a whole scan of the tree finds now, with all sums."""
    assert contents(folder) == indexes.tree(source)
    index(source, beside)
    assert summaries(folder) == summaries(beside)


def write(root: bytes, path: str, text: str) -> None:
    """Give a file other contents; its directory does not notice."""
    with open(os.path.join(os.fsdecode(root), path), "w", encoding="ascii") as stream:
        stream.write(text)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("workers", ["1", "3"])
def test_changed_sees_every_change(source: bytes, tmp_path: Path, workers: str) -> None:
    folder, at = tmp_path / "index", os.fsdecode(source)
    fill(source, *(f"d{n % 7}/e{n % 3}/f{n}" for n in range(60)), "d0/gone/deep/x", "top", "empty/")
    os.symlink("one", os.path.join(source, b"link"))
    pause()
    first = index(source, folder, workers=workers)
    assert first["listed"] == first["directories"]
    unchanged = index(source, folder, workers=workers, scan="changed")
    assert unchanged["listed"] == 0
    same(source, folder, tmp_path / "beside")
    write(source, "d1/e1/f1", "longer than before")
    os.chmod(f"{at}/d2/e2/f2", 0o600)
    fill(source, "d3/new/sub/file", "empty/first")
    shutil.rmtree(f"{at}/d0/gone")
    os.rename(f"{at}/d4/e1", f"{at}/d5/moved")
    times = os.stat(f"{at}/d6").st_mtime_ns
    os.unlink(f"{at}/d6/e0/f27")
    os.mkdir(f"{at}/d6/hidden")
    os.utime(f"{at}/d6", ns=(times, times))  # its ctime tells
    os.unlink(f"{at}/link")
    os.symlink("other", f"{at}/link")
    os.rename(f"{at}/d1/e2", f"{at}/away")
    os.mkdir(f"{at}/d1/e2")
    os.rename(f"{at}/away/f8", f"{at}/d1/e2/f8")
    changed = index(source, folder, workers=workers, scan="changed")
    assert 0 < changed["listed"] < changed["directories"]
    same(source, folder, tmp_path / "beside")


@pytest.mark.usefixtures("soon")
def test_directories_sees_names_and_not_contents(source: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    fill(source, *(f"d{n % 7}/e{n % 3}/f{n}" for n in range(60)))
    os.symlink("target", os.path.join(source, b"d1/link"))
    pause()
    index(source, folder)
    before = contents(folder)
    assert index(source, folder, scan="directories")["listed"] == 0
    same(source, folder, tmp_path / "beside")
    write(source, "d1/e1/f1", "longer than before")
    fill(source, "d2/e2/new")
    again = index(source, folder, scan="directories")
    assert again["listed"] == 1
    found, now = contents(folder), indexes.tree(source)
    assert set(found) == set(now) == {*before, b"d2/e2/new"}
    assert found[b"d1/e1/f1"] == before[b"d1/e1/f1"] != now[b"d1/e1/f1"]
    index(source, folder, scan="changed")
    same(source, folder, tmp_path / "beside")


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("mode", ["changed", "directories"])
def test_the_hostile_tree_again(source: bytes, tmp_path: Path, mode: str) -> None:
    trees.build(source, trees.hostile())
    pause()
    index(source, tmp_path / "index", xattrs=True)
    again = index(source, tmp_path / "index", scan=mode, xattrs=True)
    now = time.time_ns()
    future = [each for each in indexes.tree(source).values() if each[0] == "d" and each[1][7] > now]
    assert again["listed"] == len(future)  # they can't be told from what changes just now
    assert contents(tmp_path / "index") == indexes.tree(source)
    index(source, tmp_path / "beside", xattrs=True)
    assert summaries(tmp_path / "index") == summaries(tmp_path / "beside")


def test_what_changed_just_before_a_scan_is_not_trusted(source: bytes, tmp_path: Path) -> None:
    fill(source, "a/b", "c/d")
    for dummy in range(2):
        found = index(source, tmp_path / "index", scan="directories")
        assert found["listed"] == found["directories"] == 3


@pytest.mark.usefixtures("soon")
def test_settled_directories_have_their_turn(source: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    fill(source, *(f"d{n}/f" for n in range(40)))
    pause()
    index(source, folder)
    for n in range(40):
        write(source, f"d{n}/f", "longer than before")
    seen = []
    for dummy in range(earlier.TURNS):
        index(source, folder, scan="changed", settled="0.01s")
        found, now = contents(folder), indexes.tree(source)
        seen.append(sum(found[path] == now[path] for path in now if path.endswith(b"f")))
    assert 0 < seen[0] < 40 and seen == sorted(seen) and seen[-1] == 40
    assert index(source, folder, scan="changed")["listed"] == 0


@pytest.mark.usefixtures("soon")
def test_a_subtree_is_folded_in(source: bytes, tmp_path: Path) -> None:
    folder, at = tmp_path / "index", os.fsdecode(source)
    fill(source, *(f"d{n % 7}/e{n % 3}/f{n}" for n in range(60)))
    pause()
    index(source, folder)
    before = contents(folder)
    write(source, "d1/e1/f1", "longer than before")
    fill(source, "d1/e1/new/file")
    shutil.rmtree(f"{at}/d1/e2")
    write(source, "d2/e2/f2", "this is not looked at")
    found = index(source, folder, subtrees=["d1"])
    assert found["listed"] == 4
    now = indexes.tree(source)
    expected = {path: now[path] if path[:2] == b"d1" else before[path] for path in now}
    assert contents(folder) == expected
    write(source, "d2/e2/f2", "f2/e2/d2")
    index(source, folder, subtrees=["./d2//e2/", "d3/e0"])
    same(source, folder, tmp_path / "beside")
    # One that the index does not know is reached from the nearest that it knows.
    fill(source, "d4/e1/x/y/z", "d4/w")
    index(source, folder, subtrees=["d4/e1/x/y"])
    assert b"d4/e1/x/y/z" in contents(folder) and b"d4/w" not in contents(folder)
    index(source, folder, subtrees=["d4"], scan="changed")
    same(source, folder, tmp_path / "beside")


@pytest.mark.usefixtures("soon")
def test_what_was_kept_is_no_newer_for_that(
    source: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that changed just before its listing stays suspect, however often it is kept."""
    monkeypatch.setattr(earlier, "_STEP", 2 * 10**9)
    fill(source, "a/b", "c/d")
    index(source, tmp_path / "index")
    time.sleep(2.1)
    index(source, tmp_path / "index", subtrees=["c"])
    assert index(source, tmp_path / "index", scan="directories")["listed"] == 3
    assert index(source, tmp_path / "index", scan="directories")["listed"] == 0


def test_without_an_earlier_generation_all_is_scanned(source: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    fill(source, "a/b")
    with pytest.raises(IngestError, match="subtrees: all has to be scanned first"):
        index(source, folder, subtrees=["a"])
    assert not contents_or_none(folder)
    first = index(source + b"/", folder, scan="changed")
    assert first["warnings"] == ["all was scanned, as there is no earlier generation"]
    assert "warnings" not in index(source, folder, scan="changed")
    other = index(source, folder, scan="changed", exclude=["*.tmp"])
    assert other["warnings"] == [
        "all was scanned, as the last generation was made with another exclude"
    ]
    os.truncate(os.path.join(other["generation"], "1.db"), 100)
    broken = index(source, folder, scan="changed", exclude=["*.tmp"])
    assert "1.db is damaged" in broken["warnings"][0]
    assert contents(folder) == indexes.tree(source)


def contents_or_none(folder: Path) -> object:
    """The newest generation's, if there is one."""
    try:
        return contents(folder)
    except IngestError:
        return None


def test_subtrees_lie_in_the_source(source: bytes, tmp_path: Path) -> None:
    fill(source, "a/b")
    os.symlink("a", os.path.join(source, b"link"))
    index(source, tmp_path / "index")
    for path, message in (
        ("../x", "is not relative to the source"),
        ("/a", "is not relative to the source"),
        ("nowhere", "is no directory in"),
        ("link", "is no directory in"),
    ):
        with pytest.raises(IngestError, match=f"subtrees: '{path}' {message}"):
            index(source, tmp_path / "index", subtrees=[path])


@pytest.mark.usefixtures("soon")
def test_numbers_beyond_63_bits_are_taken_over(source: bytes, tmp_path: Path) -> None:
    fill(source, "a/late", "b/c")
    late = 9_900_000_000  # 2283; times in ns are beyond 63 bits from 2262 on
    os.utime(os.path.join(source, b"a/late"), (late, late))
    assert os.stat(os.path.join(source, b"a/late")).st_mtime == late
    pause()
    for options in ({}, {"scan": "directories"}, {"subtrees": ["b"]}, {"scan": "changed"}):
        index(source, tmp_path / "index", **options)
        same(source, tmp_path / "index", tmp_path / "beside")
