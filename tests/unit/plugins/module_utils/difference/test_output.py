# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a difference is written as: whatever is in a name, it comes back."""

from __future__ import annotations

import json
import os
from typing import Any, Tuple

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import to_bytes
from ansible_collections.scaleout.ingest.plugins.module_utils.difference.compare import Options
from ansible_collections.scaleout.ingest.plugins.module_utils.difference.output import (
    listed,
    pair,
    summary,
)
from ansible_collections.scaleout.ingest.tests.support import indexes

NAMES = [bytes([byte]) for byte in range(1, 256) if byte not in b"./"]


@pytest.fixture(name="pair_of_indexes")
def _pair_of_indexes(tmp_path: Any) -> Tuple[str, str]:
    """A tree to which a file of every byte came, and in which one was moved."""
    root = os.fsencode(tmp_path) + b"/tree"
    os.makedirs(root + b"/d\n")
    with open(root + b"/old \xff", "wb") as stream:
        stream.write(b"four")
    indexes.scan(root, str(tmp_path / "old"), workers=1, links=True)
    os.rename(root + b"/old \xff", root + b"/d\n/new\xfe")
    for name in NAMES:
        with open(root + b"/d\n/" + name, "wb"):
            pass
    indexes.scan(root, str(tmp_path / "new"), workers=1, links=True)
    return str(tmp_path / "old"), str(tmp_path / "new")


def test_json_lines(tmp_path: Any, pair_of_indexes: Tuple[str, str]) -> None:
    file = tmp_path / "changes"
    result = listed(Options(*pair_of_indexes), most=2, file=str(file))
    found = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert result["listed"] == len(found) == len(NAMES) + 3
    assert len(result["rows"]) == 2
    added = {to_bytes(row["path"]) for row in found if row["change"] == "added"}
    assert added == {b"d\n/" + name for name in NAMES}
    (moved,) = [row for row in found if row["change"] == "moved"]
    assert to_bytes(moved["path"]) == b"d\n/new\xfe" and to_bytes(moved["from"]) == b"old \xff"
    assert moved["fields"] == ["ctime"] and moved["old"]["ctime"] < moved["new"]["ctime"]
    (one,) = [row for row in found if row["path"] == "d\n/a"]
    expected = os.lstat(tmp_path / "tree" / "d\n" / "a")
    assert one["type"] == "f"
    assert [one["new"][name] for name in ("size", "inode", "mtime", "uid", "mode")] == [
        0,
        expected.st_ino,
        expected.st_mtime_ns,
        expected.st_uid,
        expected.st_mode,
    ]


def test_a_list_of_paths(tmp_path: Any, pair_of_indexes: Tuple[str, str]) -> None:
    file = tmp_path / "changes"
    listed(Options(*pair_of_indexes), ["added"], file=str(file), form="null")
    assert file.read_bytes().split(b"\0")[:-1] == sorted(b"d\n/" + name for name in NAMES)


def test_lines_for_people(tmp_path: Any, pair_of_indexes: Tuple[str, str]) -> None:
    file = tmp_path / "changes"
    result = listed(Options(*pair_of_indexes), file=str(file), form="text")
    lines = file.read_text().splitlines()
    assert len(lines) == result["listed"] and all(line.isprintable() for line in lines)
    assert "> old \\xff -> d\\n/new\\xfe" in lines
    assert "+ d\\n/\\\\" in lines and "~ d\\n/ (mtime, ctime)" in lines
    assert summary(result["counts"])[0] == (
        f"added    {len(NAMES)} files, links and others (0 B), 0 directories"
    )


def test_counts(tmp_path: Any) -> None:
    (tmp_path / "tree" / "d").mkdir(parents=True)
    (tmp_path / "tree" / "d" / "a").write_text("four")
    indexes.scan(str(tmp_path / "tree"), str(tmp_path / "old"), workers=1)
    (tmp_path / "tree" / "d" / "a").write_text("seven..")
    (tmp_path / "tree" / "e").mkdir()
    os.mkfifo(tmp_path / "tree" / "e" / "fifo")
    indexes.scan(str(tmp_path / "tree"), str(tmp_path / "new"), workers=1)
    counts = listed(Options(str(tmp_path / "old"), str(tmp_path / "new")))["counts"]
    none = dict.fromkeys(("files", "links", "others", "directories", "bytes"), 0)
    assert counts["changed"] == {**none, "files": 1, "directories": 1, "bytes": 7}
    assert counts["added"] == {**none, "others": 1, "directories": 1}
    assert counts["moved"] == counts["removed"] == none


def test_the_last_two_generations(tmp_path: Any) -> None:
    names = ["20260101T120000.000000", "20260102T120000.000000"]
    (tmp_path / "tree").mkdir()
    (tmp_path / "index").mkdir()
    os.symlink(names[0], tmp_path / "index" / "current")
    indexes.scan(str(tmp_path / "tree"), str(tmp_path / "index" / names[0]), workers=1)
    with pytest.raises(IngestError, match="has no earlier generation to compare with"):
        pair(None, str(tmp_path / "index"))
    indexes.scan(str(tmp_path / "tree"), str(tmp_path / "index" / names[1]), workers=1)
    os.unlink(tmp_path / "index" / "current")
    os.symlink(names[1], tmp_path / "index" / "current")
    found = pair(None, str(tmp_path / "index"))
    assert [os.path.basename(folder) for folder in found] == names
    assert pair("x", "y") == ("x", "y")


def test_a_file_that_can_not_be_written(tmp_path: Any, pair_of_indexes: Tuple[str, str]) -> None:
    with pytest.raises(IngestError, match="missing/changes can't be written"):
        listed(Options(*pair_of_indexes), file=str(tmp_path / "missing" / "changes"))
