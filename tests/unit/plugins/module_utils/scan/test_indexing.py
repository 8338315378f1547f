# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index of a tree, generation after generation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
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
