# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which items are planned."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Set

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.choose import (
    Choice,
    Wanted,
    choose,
)
from ansible_collections.scaleout.ingest.tests.support import engine, indexes


def chosen(choice: Choice) -> Set[bytes]:
    """The paths of what is planned."""
    index = Index(choice.folder)
    try:
        return set(indexes.contents(index))
    finally:
        index.close()


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """A tree with hostile names, and an index of it in a run folder."""
    root = tmp_path / "tree"
    (root / "d").mkdir(parents=True)
    (root / "d" / "large\nfile").write_text("x" * 5000)
    (root / "d" / "small").write_text("x")
    with open(os.fsencode(root) + b"/\xff", "wb") as stream:
        stream.write(b"y" * 6000)
    (root / "empty").mkdir()
    scan(tmp_path, "first")
    return root


def scan(tmp_path: Path, run: str) -> str:
    """The tree's index as it is now, in a run folder."""
    folder = tmp_path / run
    folder.mkdir()
    indexes.scan(str(tmp_path / "tree"), str(folder / "index"), workers=1)
    return str(folder)


def test_what_is_given_says_which_items() -> None:
    assert Wanted.of(None, None, None) == Wanted("all")
    assert Wanted.of(None, "SELECT 1", None) == Wanted("query", "SELECT 1")
    assert Wanted.of("diff", None, "/old") == Wanted("diff", None, "/old")
    for given, said in (
        (("query", None, None), "items: query needs query, which is not given"),
        (("diff", "SELECT 1", None), "items: diff needs diff, which is not given"),
        (("all", None, "/old"), "items: all leaves nothing for diff to choose"),
        ((None, "SELECT 1", "/old"), "query and diff are both given"),
    ):
        with pytest.raises(IngestError, match=said):
            Wanted.of(*given)


def test_a_query(tree: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "first")
    large = {b"", b"d", b"d/large\nfile", b"\xff"}
    for first in ("path || '/' || name", "path() || '/' || name"):
        query = f"SELECT {first} FROM pentries WHERE size > 1000"
        assert chosen(choose(Wanted("query", query), run)) == large
    query = "SELECT path FROM summary WHERE name = 'd'"
    assert chosen(choose(Wanted("query", query), run)) == {b"", b"d"}
    query = "SELECT path || '/' || name FROM pentries ORDER BY size LIMIT 1"
    assert chosen(choose(Wanted("query", query), run)) == {b"", b"d", b"d/small"}
    choice = choose(Wanted(), run)
    assert choice.folder == os.path.join(run, "index") and choice.noted == {}
    assert not os.listdir(os.path.join(run, "chosen"))


def test_a_query_that_is_wrong(tree: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "first")
    for query, said in (
        ("SELECT size FROM entries", "its first column is to be a path, not '"),
        ("SELECT 'no/such' FROM entries", "such as 'no/such'"),
        ("SELECT name FROM entries WHERE nonsense", "nonsense"),
        ("DELETE FROM entries", "DELETE"),
    ):
        with pytest.raises(IngestError, match=said):
            choose(Wanted("query", query), run)


def test_a_difference(tree: Path, tmp_path: Path) -> None:
    (tree / "d" / "new").write_text("new")
    (tree / "d" / "large\nfile").write_text("other")
    os.unlink(os.fsencode(tree) + b"/\xff")
    (tree / "empty").rename(tree / "d" / "moved")
    run = scan(tmp_path, "second")
    choice = choose(Wanted("diff", None, str(tmp_path / "first")), run)
    assert chosen(choice) == {b"", b"d", b"d/new", b"d/large\nfile", b"d/moved"}
    counts = choice.noted["counts"]
    assert counts["removed"]["files"] == 1 and counts["removed"]["directories"] == 1
    assert "1 entries and 1 directories are gone from the source" in choice.warnings[-1]
    with open(os.path.join(run, "difference.jsonl"), encoding="utf-8") as stream:
        changes = [json.loads(line) for line in stream]
    assert [c["path"] for c in changes if c["change"] == "removed"] == ["empty", "\udcff"]


def test_nothing_differs(tree: Path, tmp_path: Path) -> None:
    choice = choose(Wanted("diff", None, str(tmp_path / "first")), scan(tmp_path, "second"))
    assert chosen(choice) == {b""} and choice.warnings == []


def test_an_earlier_run(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    earlier = tmp_path / "earlier"
    engine.ingest(os.fsencode(tree), [os.fsencode(copy)], str(earlier))
    run = scan(tmp_path, "second")
    assert chosen(choose(Wanted("diff", None, str(earlier)), run)) == {b""}
    assert chosen(choose(Wanted("diff", None, str(earlier / "index")), run)) == {b""}
    with pytest.raises(IngestError, match="is this run's own index"):
        choose(Wanted("diff", None, run), run)
    with pytest.raises(IngestError, match="there is no index in"):
        choose(Wanted("diff", None, str(tree)), run)


def test_an_earlier_run_that_did_not_copy_everything(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "d" / "small" / "in the way").mkdir(parents=True)
    earlier = tmp_path / "earlier"
    engine.ingest(os.fsencode(tree), [os.fsencode(copy)], str(earlier))
    run = scan(tmp_path, "second")
    with pytest.raises(IngestError, match="failed for 'd/small': what it did not copy would be"):
        choose(Wanted("diff", None, str(earlier)), run)
