# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of an index."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate import material
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.manifest import sample
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.tests.support import indexes


def tree(where: Path, count: int, size: int = 100) -> str:
    for number in range(count):
        folder = where / f"d{number // 40}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_bytes(b"x" * (size + number))
    os.symlink("nowhere", where / "link")
    return str(where)


def test_all_of_a_small_tree(tmp_path: Path) -> None:
    source, index = tree(tmp_path / "source", 50), str(tmp_path / "index")
    indexes.scan(source, index, workers=2)
    found = sample(index, source + "/")
    files = material.from_ascii(found.text)
    assert {(file.directory, file.name, file.want.size) for file in files} == {
        (b"d%d" % (number // 40), b"f%d" % number, 100 + number) for number in range(50)
    }
    assert found.bound == "files" and found.whole.files == 50
    assert found.whole.bytes == sum(100 + number for number in range(50))
    state = os.stat(os.path.join(source, "d0", "f0"))
    (one,) = [file for file in files if file.name == b"f0"]
    assert (one.want.mtime, one.want.mode) == (state.st_mtime_ns, state.st_mode)


def test_some_of_a_large_one_in_runs_of_neighbours(tmp_path: Path) -> None:
    source, index = tree(tmp_path / "source", 3000), str(tmp_path / "index")
    indexes.scan(source, index, workers=2)
    files = material.from_ascii(sample(index, source, 300).text)
    assert 200 <= len(files) <= 600 and len(set(files)) == len(files)
    folders = {file.directory for file in files}
    assert 8 <= len(folders) <= 40, "from all over the tree, and some of each directory"
    assert material.from_ascii(sample(index, source, 300).text) == files


def test_large_files_count_by_bytes(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with open(tmp_path / "source" / "large", "wb") as file:
        file.truncate(100 << 20)
    index = str(tmp_path / "index")
    indexes.scan(str(tmp_path / "source"), index, workers=1)
    assert sample(index, str(tmp_path / "source")).bound == "bytes"


def test_an_index_of_something_else_is_refused(tmp_path: Path) -> None:
    source, index = tree(tmp_path / "source", 5), str(tmp_path / "index")
    indexes.scan(source, index, workers=1)
    with pytest.raises(IngestError, match="is of '.*source', not of the source '/other'"):
        sample(index, "/other")
    with pytest.raises(IngestError, match="there is no index"):
        sample(str(tmp_path / "nowhere"), source)
    empty = tmp_path / "empty"
    empty.mkdir()
    indexes.scan(str(empty), str(tmp_path / "none"), workers=1)
    with pytest.raises(IngestError, match="no files to calibrate with"):
        sample(str(tmp_path / "none"), str(empty))
