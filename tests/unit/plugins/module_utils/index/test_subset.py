# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of an index: exactly what was chosen, and the way to it."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from typing import Any, Dict, Set, Tuple

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.changes import EQUAL
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import NOT_LISTED
from ansible_collections.scaleout.ingest.plugins.module_utils.index import subset
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.tests.support import indexes

NAMES = [b"a", b"a b", b"a\nb", b"\xff", b"-", b"\x01", b"b"]


@pytest.fixture(name="whole", scope="module")
def _whole(tmp_path_factory: Any) -> Tuple[str, Dict[bytes, Tuple[Any, ...]]]:
    """An index of a tree, and what it holds."""
    folder = tmp_path_factory.mktemp("subset")
    root = os.fsencode(folder) + b"/tree"
    random.seed(7)
    folders = [root]
    os.mkdir(root)
    for number in range(30):
        path = random.choice(folders) + b"/" + random.choice(NAMES) + b"%d" % number
        os.mkdir(path)
        folders.append(path)
    for number in range(200):
        with open(random.choice(folders) + b"/" + random.choice(NAMES) + b".%d" % number, "wb"):
            pass
    indexes.scan(root, str(folder / "index"), workers=2)
    index = Index(str(folder / "index"))
    found = indexes.contents(index)
    index.close()
    return str(folder / "index"), found


def written(whole: str, folder: str, paths: Set[bytes], all_known: bool = True) -> Index:
    """The index of the chosen paths."""
    index = Index(whole)
    try:
        with subset.Chosen(folder) as chosen:
            for path in paths:
                chosen.add(path)
            subset.write(index, chosen, folder, all_known)
    finally:
        index.close()
    return Index(folder)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("batch", [1, 8192])
def test_what_was_chosen(
    whole: Any, tmp_path: Any, monkeypatch: Any, seed: int, batch: int
) -> None:
    monkeypatch.setattr(subset, "_BATCH", batch)
    folder, everything = whole
    rng = random.Random(seed)
    paths = set(rng.sample(sorted(everything), rng.randrange(60)))
    index = written(folder, str(tmp_path / "chosen"), paths)
    indexes.check(index)
    found = indexes.contents(index)
    ways = {b""}
    for path in paths:
        while path:
            path = path.rpartition(b"/")[0]
            ways.add(path)
    assert found == {path: everything[path] for path in {*paths, *ways}}
    assert os.listdir(tmp_path / "chosen") == ["0.db"]
    assert index.meta()["source"].endswith("/tree")
    index.close()


def test_what_the_destination_had_is_counted_anew(whole: Any, tmp_path: Any) -> None:
    """Only entries that differ there are planned, if the scan compared."""
    folder = str(tmp_path / "compared")
    shutil.copytree(whole[0], folder)
    for name in os.listdir(folder):
        db = sqlite3.connect(os.path.join(folder, name))
        db.execute("UPDATE raw_entries SET state = CASE WHEN id % 3 THEN ? ELSE 0 END", (EQUAL,))
        db.execute("UPDATE raw_directories SET different = 1000")
        db.commit()
        db.close()
    paths = set(random.Random(3).sample(sorted(whole[1]), 100))
    index = written(folder, str(tmp_path / "chosen"), paths)
    for directory in index.directories():
        entries = list(index.entries(directory))
        assert directory.different == sum(entry.state != EQUAL for entry in entries)
    assert any(directory.different for directory in index.directories())
    index.close()


def test_nothing_is_chosen(whole: Any, tmp_path: Any) -> None:
    index = written(whole[0], str(tmp_path / "chosen"), set())
    assert set(indexes.contents(index)) == {b""} and index.totals().directories == 1
    index.close()


@pytest.mark.parametrize("known", [True, False])
def test_what_a_directory_is_known_to_hold(whole: Any, tmp_path: Any, known: bool) -> None:
    """Whoever looks for what came since must not take what was not chosen for that."""
    full = Index(whole[0])
    names = {directory.path: directory.names for directory in full.directories()}
    full.close()
    path = next(p for p, found in whole[1].items() if found[0] == "f" and p.count(b"/") > 1)
    index = written(whole[0], str(tmp_path / "chosen"), {path}, known)
    for directory in index.directories():
        assert directory.names == (names[directory.path] if known else NOT_LISTED)
    index.close()


@pytest.mark.parametrize(
    "path", [b"missing", b"missing/deep", b"zz\xff\nzz", b"a/../b", b"/etc/passwd", b"."]
)
def test_what_is_not_there_is_named(whole: Any, tmp_path: Any, path: bytes) -> None:
    with pytest.raises(IngestError, match="of 2 chosen paths some are not in the index, such as"):
        written(whole[0], str(tmp_path / "chosen"), {path, sorted(whole[1])[5]})


def test_a_folder_that_can_not_be_written(whole: Any, tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IngestError, match="the index can't be written to"):
        written(whole[0], str(tmp_path / "file"), set())
