# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies applied to a new index: marks and lists."""

from __future__ import annotations

import glob
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.generations import find
from ansible_collections.scaleout.ingest.plugins.module_utils.index.parts import complete, open_part
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import indexing
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.indexing import IndexOptions
from ansible_collections.scaleout.ingest.plugins.module_utils.search.marks import read

NAMES = (b"plain.txt", b"new\nline.txt", b"\xff\xfe.txt", b"quote'\".txt", b"-rf.txt", b"other.dat")


@pytest.fixture(name="source")
def make_source(tmp_path: Path) -> bytes:
    """Files of several sizes with all kinds of names."""
    root = os.fsencode(tmp_path / "source")
    for folder in (b"", b"a", b"a/b\n"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
        for n, name in enumerate(NAMES):
            with open(os.path.join(root, folder, name), "wb") as file:
                file.write(b"x" * (1000 * n))
    os.symlink("x.txt", os.path.join(root, b"link.txt"))
    return root


def index(source: bytes, folder: Path, policies: list[dict[str, Any]], form: str) -> Any:
    """A new generation."""
    options = IndexOptions.from_params(
        {
            "source": os.fsdecode(source),
            "index_dir": str(folder),
            "generations": 2,
            "scan": "full",
            "settled": "0",
            "subtrees": [],
            "policies": policies,
            "list_format": form,
            "include": [],
            "exclude": [],
            "xattrs": False,
            "one_file_system": False,
            "workers": "2",
            "threads": "auto",
            "stall_timeout": 60,
        }
    )
    return indexing.make(options)


POLICIES = [
    {"name": "text", "when": "type = f and name ~ '*.txt'", "priority": 2},
    {"name": "large", "when": "type = f and size > 2500b", "priority": 1},
]


def expected(source: bytes) -> dict[str, set[bytes]]:
    """What the policies have, without the engine."""
    found: dict[str, set[bytes]] = {"text": set(), "large": set()}
    for folder, _folders, names in os.walk(source):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                continue
            if os.path.getsize(path) > 2500:
                found["large"].add(path)
            elif name.endswith(b".txt"):
                found["text"].add(path)
    return found


def test_the_first_policy_has_an_entry(source: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    result = index(source, folder, POLICIES, "null")
    want = expected(source)
    for name, paths in want.items():
        told = result["policies"][name]
        lists = sorted(glob.glob(f"{result['generation']}/lists/{name}.*"))
        assert sorted(told["lists"]) == lists and len(lists) == 2
        listed = b"".join(Path(file).read_bytes() for file in lists).split(b"\0")
        assert listed.pop() == b""
        assert len(listed) == len(paths) == told["entries"] and set(listed) == paths
        assert told["bytes"] == sum(map(os.path.getsize, paths))
    marked: dict[str, set[bytes]] = {"text": set(), "large": set()}
    for file in complete(find(str(folder))).files:
        db = open_part(file)
        for path, name, policy in db.execute("SELECT raw_path, raw_name, policy FROM marked"):
            marked[policy].add(os.path.join(source, path, name))
        db.close()
    assert marked == want


def test_a_list_can_be_a_database(source: bytes, tmp_path: Path) -> None:
    result = index(source, tmp_path / "index", POLICIES, "sqlite")
    found: dict[bytes, int] = {}
    for file in result["policies"]["large"]["lists"]:
        db = sqlite3.connect(file)
        found.update(db.execute("SELECT path, size FROM files").fetchall())
        db.close()
    assert found == {path: os.path.getsize(path) for path in expected(source)["large"]}


def test_a_name_that_a_line_can_not_hold_is_refused(source: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with pytest.raises(IngestError, match="list_format: .*has a newline in its name"):
        index(source, folder, POLICIES, "newline")
    with pytest.raises(IngestError, match="there is no index"):
        find(str(folder))
    plain = [{"name": "plain", "when": "name = 'other.dat' and depth = 1"}]
    result = index(source, folder, plain, "newline")
    text = b"".join(Path(file).read_bytes() for file in result["policies"]["plain"]["lists"])
    assert text == os.path.join(source, b"other.dat") + b"\n"


def test_an_index_without_policies_has_no_lists(source: bytes, tmp_path: Path) -> None:
    result = index(source, tmp_path / "index", [], "null")
    assert "policies" not in result and not os.path.exists(result["generation"] + "/lists")


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([{"name": "a/b", "when": "size > 1"}], "number 1: name: 'a/b' is not made of"),
        ([{"when": "size > 1"}], "number 1: name: 'None'"),
        ([{"name": "a"}], "policies: a: when is not given"),
        ([{"name": "a", "when": "sise > 1"}], r"policies: a: .*sise(.|\n)*\^"),
        ([{"name": "a", "when": "size > 1", "what": 1}], "'what' is none of name, when, priority"),
        (
            [{"name": "a", "when": "size > 1", "priority": "x"}],
            "policies: a: priority is no number",
        ),
        ([{"name": "a", "when": "size > 1"}] * 2, "number 2: there are two with the name 'a'"),
    ],
)
def test_mistakes_are_named(policies: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(IngestError, match=message):
        read(policies, "null")
    with pytest.raises(IngestError, match="list_format: 'csv' is none of"):
        read([], "csv")
