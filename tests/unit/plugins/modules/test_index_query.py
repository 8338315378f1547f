# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module index_query as Ansible runs it: a process that reads arguments and prints JSON."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.support import indexes, trees
from ansible_collections.scaleout.ingest.tests.support.modules import run as run_module

pytest.importorskip("ansible", reason="tests of modules need ansible-core")


def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
    """The module's answer."""
    return run_module("index_query", check, **arguments)


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, str]]:
    """A tree, and its index."""
    folder = tmp_path_factory.mktemp("place")
    root = os.fsencode(folder / "tree")
    indexes.hostile(root, str(folder / "index"))
    yield root, str(folder / "index")
    trees.remove(root)


def test_rows_are_in_the_result(place: tuple[bytes, str]) -> None:
    root, index = place
    query = "SELECT type AS t, count(*) AS n, count(*) FROM entries GROUP BY 1 ORDER BY 1"
    answer = run(index=index, query=query)
    files = len(indexes.found(root, "-type", "f"))
    assert answer["rows"][0] == {"t": "f", "n": files, "count(*)": files}
    assert answer["columns"] == ["t", "n", "count(*)"]
    assert answer["complete"] and not answer["changed"]

    few = run(index=index, query="SELECT name, name FROM entries", rows=3)
    assert few["columns"] == ["name", "name_2"]
    assert len(few["rows"]) == 3 and not few["complete"]
    none = run(index=index, query="SELECT name FROM entries", rows=0)
    assert none["rows"] == [] and not none["complete"]


@pytest.mark.parametrize("check", [False, True])
def test_all_rows_are_in_the_file(place: tuple[bytes, str], tmp_path: Path, check: bool) -> None:
    root, index = place
    expected = indexes.found(root, "-type", "f", "-size", "-200c")
    asked = {"index": index, "where": "small and not empty", "rows": 5}
    asked["classes"] = {"small": "type = f and size < 200 and not empty", "empty": "size = 0"}
    expected = [path for path in expected if 0 < os.lstat(path).st_size < 200]

    def file(form: str) -> bytes:
        answer = run(check, **asked, dest=str(tmp_path / form), format=form)
        assert answer["changed"] is not check
        assert len(answer["rows"]) == 5 and not answer["complete"]
        assert (tmp_path / form).exists() is not check
        if check:
            assert "written" not in answer
            return b""
        assert answer["written"] == len(expected)
        return (tmp_path / form).read_bytes()

    null, lines, table, text = map(file, ("null", "json", "csv", "text"))
    if not check:
        assert sorted(null.split(b"\0")[:-1]) == expected
        rows = [json.loads(line) for line in lines.splitlines()]
        assert sorted(os.fsencode(row["path"]) for row in rows) == expected
        assert all(os.lstat(os.fsencode(row["path"])).st_size == row["size"] for row in rows)
        decoded = table.decode("utf-8", "surrogateescape")
        read = list(csv.DictReader(io.StringIO(decoded, newline="")))
        assert sorted(os.fsencode(row["path"]) for row in read) == expected
        assert text.count(b"\n") == len(expected)


def test_reports(place: tuple[bytes, str]) -> None:
    root, index = place
    answer = run(index=index, report="largest", report_rows=1)
    assert answer["rows"][0]["size"] == 3 << 20
    assert os.fsencode(answer["rows"][0]["path"]) == root + b"/large"


REFUSED = [
    (
        {"query": "SELECT sise FROM entries"},
        "no column 'sise' here: did you mean 'size'?\n  SELECT",
    ),
    (
        {"where": "size > much"},
        "'much' is not a size such as 10M or 1.5GiB\n  size > much\n         ^",
    ),
    ({"where": "a", "classes": {"a": "size >"}}, "in the class 'a': a value is missing after '>'"),
    ({"query": "SELECT 1", "index": "/nowhere"}, "there is no index in /nowhere"),
    ({"query": "SELECT 1", "rows": -1}, "rows: -1 is negative"),
    ({"query": "SELECT 1", "memory_limit": "x"}, "memory_limit: 'x' is not a size"),
    ({"query": "SELECT 1", "dest": "/nowhere/x"}, "/nowhere/x can't be written"),
    ({"query": "SELECT 1", "where": "size > 1"}, "mutually exclusive"),
    ({}, "one of the following is required: query, where, report"),
    (
        {
            "time_limit": 0.3,
            "query": "SELECT count(*) FROM entries a, entries b, entries c, entries d",
        },
        "the query was ended: it took longer than 0.3 s",
    ),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSED, ids=range(len(REFUSED)))
def test_what_can_t_be_is_said(
    place: tuple[bytes, str], options: dict[str, Any], sentence: str
) -> None:
    answer = run(**{"index": place[1], **options})
    assert answer["failed"]
    assert sentence in answer["msg"]


def test_an_index_of_others_is_read_only_on_request(place: tuple[bytes, str]) -> None:
    dummy, index = place
    os.chmod(index, 0o777)
    try:
        refused = run(index=index, query="SELECT 1")
        assert refused["failed"] and "the index is not trusted" in refused["msg"]
        assert run(index=index, query="SELECT 1 AS x", trust=True)["rows"] == [{"x": 1}]
    finally:
        os.chmod(index, 0o755)
