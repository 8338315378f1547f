# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query over several parts has the answer that one database with all rows gives."""

from __future__ import annotations

import math
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.search.condition import Condition
from ansible_collections.scaleout.ingest.plugins.module_utils.search.engine import ask
from ansible_collections.scaleout.ingest.plugins.module_utils.search.guard import Limits
from ansible_collections.scaleout.ingest.plugins.module_utils.search.query import (
    ENTRIES,
    Query,
    Relation,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import Face
from ansible_collections.scaleout.ingest.plugins.module_utils.search.split import plan
from hypothesis import given, settings
from hypothesis import strategies as some

COLUMNS = {"name": "TEXT", "type": "TEXT", "size": "INTEGER", "uid": "INTEGER", "weight": ""}
RELATIONS = {
    "entries": Relation(COLUMNS, ENTRIES),
    "others": Relation({"uid": "INTEGER", "label": "TEXT"}, ENTRIES),
}
Row = tuple


class Files:
    """Rows in some SQLite files: all that the engine needs of an index."""

    root = b"/tree"
    relations = RELATIONS
    trusted = ()

    def __init__(self, folder: str, parts: list[list[Row]], others: list[Row]) -> None:
        self.parts = []
        for number, rows in enumerate(parts):
            self.parts.append(f"{folder}/{number}.db")
            fill(sqlite3.connect(self.parts[-1]), rows, others if number == 0 else []).close()

    def open(self, part: str) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{part}?mode=ro", uri=True, check_same_thread=False)

    def faces(self, part: str, condition: Condition | None, now: int) -> list[Face]:
        return []

    def reading(self, relation: str, part: str, used: frozenset, condition: Any) -> str:
        return ""

    def counted(self, part: str, condition: Condition, now: int) -> None:
        return None


def fill(db: sqlite3.Connection, rows: list[Row], others: list[Row]) -> sqlite3.Connection:
    db.execute("CREATE TABLE entries(name TEXT, type TEXT, size INTEGER, uid INTEGER, weight)")
    db.execute("CREATE TABLE others(uid INTEGER, label TEXT)")
    db.executemany("INSERT INTO entries VALUES (CAST(? AS TEXT), ?, ?, ?, ?)", rows)
    db.executemany("INSERT INTO others VALUES (?, ?)", others)
    db.commit()
    return db


rows = some.tuples(
    some.sampled_from([b"a", b"b.c", b"\xff", b"A", b"a/b", b"10"]),
    some.sampled_from("fl"),
    some.none() | some.integers(-3, 9),
    some.integers(0, 2),
    some.none() | some.sampled_from([0.5, 2, "2", "x", b"x", 1.25]),
)
parts = some.lists(some.lists(rows, max_size=6), min_size=1, max_size=4)
others = some.lists(some.tuples(some.integers(0, 2), some.sampled_from("pq")), max_size=3)

columns = some.sampled_from(["name", "type", "size", "uid", "weight", "entries.uid", '"size"'])
values = some.one_of(
    columns,
    some.sampled_from(["1", "'a'", "NULL", "0.5"]),
    some.sampled_from(
        ["size + uid", "-size", "size * 2", "length(name)", "max(size, uid)", "(uid)"]
    ),
    some.sampled_from(
        ['CASE type WHEN "f" THEN size ELSE 0 END', "upper(type)", "CAST(size AS TEXT)", "5 - uid"]
    ),
)
conditions = some.sampled_from(
    [
        "size > 2",
        "uid = 1",
        "uid = '1'",
        'type = "f"',
        "name LIKE 'a%' OR size IS NULL",
        "size BETWEEN 1 AND 5 AND NOT uid = 2",
        "size IN (1, 2, 3)",
        "0",
    ]
)
aggregates = some.one_of(
    some.just("COUNT(*)"),
    some.tuples(
        some.sampled_from(["count", "SUM", "min", "MAX", "avg", "total"]),
        some.sampled_from(["size", "uid", "size + uid", "entries.size", "name", "length(name)"]),
        some.sampled_from(["", "", " FILTER (WHERE uid > 0)"]),
    ).map(lambda three: f"{three[0]}({three[1]}){three[2]}"),
    some.sampled_from(
        ["count(DISTINCT uid)", "group_concat(DISTINCT 'x')", "max(size) - min(size)"]
    ),
    some.sampled_from(["SUM(size) * 2", "-count(*)", "coalesce(sum(size), 7)", "count(*) > 1"]),
)


def numbered(items: list[str]) -> str:
    return ", ".join(f"{item} AS x{number}" for number, item in enumerate(items))


@some.composite
def plain(draw: Any) -> tuple[str, bool]:
    items = draw(some.lists(values, min_size=1, max_size=3))
    text = f"SELECT {draw(some.sampled_from(['', 'DISTINCT ']))}{numbered(items)} FROM entries"
    if draw(some.booleans()):
        text += f" WHERE {draw(conditions)}"
    order = draw(some.sampled_from([0, 1, 2]))
    if order == 1:  # by all of them, so that the order is told but for equal rows
        text += " ORDER BY " + ", ".join(f"x{n} DESC" for n in range(len(items)))
    elif order == 2:
        text += " ORDER BY " + ", ".join(str(n + 1) for n in range(len(items)))
    if order and draw(some.booleans()):
        text += draw(
            some.sampled_from([" LIMIT 2", " LIMIT 3 OFFSET 1", " LIMIT 1, 4", " LIMIT 0"])
        )
    return text, bool(order)


@some.composite
def grouped(draw: Any) -> tuple[str, bool]:
    keys = draw(some.lists(values, max_size=2, unique=True))
    sums = draw(some.lists(aggregates, min_size=1, max_size=3))
    written = [*keys, *sums]
    text = f"SELECT {numbered(written)} FROM entries"
    if draw(some.booleans()):
        text += f" WHERE {draw(conditions)}"
    if keys:
        by = draw(some.sampled_from(["place", "alias", "text"]))
        said = {
            "place": [str(n + 1) for n in range(len(keys))],
            "alias": [f"x{n}" for n in range(len(keys))],
            "text": keys,
        }[by]
        if by != "text" or not {"1", "NULL", "'a'", "0.5"} & set(keys):
            text += " GROUP BY " + ", ".join(said)
            having = draw(
                some.sampled_from(["", "count(*) > 1", "x0 = 1", "x0 = '1' OR sum(size) > 3"])
            )
            if having:
                text += f" HAVING {having}"
    text += " ORDER BY " + ", ".join(f"x{n}" for n in range(len(written)))
    return text, True


def close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, abs_tol=1e-9)
    return type(one) is type(other) and one == other


def check(text: str, ordered: bool, source: Files, everything: list[Row], more: list[Row]) -> None:
    whole = fill(sqlite3.connect(":memory:"), everything, more)
    whole.text_factory = bytes
    try:
        expected = whole.execute(text).fetchall()
    except sqlite3.Error:
        with pytest.raises(IngestError):
            [row for batch in ask(source, text, Limits(2)).rows for row in batch]
        return
    found = [row for batch in ask(source, text, Limits(2)).rows for row in batch]
    if not ordered:
        found, expected = sorted(found, key=repr), sorted(expected, key=repr)
    assert len(found) == len(expected), (found, expected)
    for one, other in zip(found, expected):
        assert all(map(close, one, other)), (one, other)


@settings(max_examples=80, deadline=None)
@given(parts, others, plain() | grouped())
def test_the_answer_is_that_of_one_database(
    rows_of_parts: list[list[Row]], more: list[Row], query: tuple[str, bool]
) -> None:
    text, ordered = query
    everything = [row for part in rows_of_parts for row in part]
    with tempfile.TemporaryDirectory() as folder:
        source = Files(folder, rows_of_parts, more)
        check(text, ordered, source, everything, more)


def test_a_group_is_compared_as_its_column_is(tmp_path: Path) -> None:
    text = "SELECT entries.uid AS x0, count(*) FROM entries GROUP BY 1 HAVING x0 = '1'"
    rows_of_part = [(b"a", "f", None, 0, None), (b"a", "f", None, 1, None)]
    check(text, True, Files(str(tmp_path), [rows_of_part], []), rows_of_part, [])


# -- which way a query goes ------------------------------------------------------------------------

STREAMED = [
    "SELECT * FROM entries",
    "SELECT name FROM entries e WHERE e.size > 1 LIMIT 5 OFFSET 2",
    "SELECT path() FROM entries",
]
SUMMED = [
    "SELECT COUNT(*) FROM entries WHERE uid = 0 AND gid = 0;",
    "SELECT type AS t, sum(size) s FROM entries GROUP BY t HAVING s > 3 ORDER BY s DESC LIMIT 3",
    "SELECT extension(name), human(avg(size)) FROM entries GROUP BY 1",
    "SELECT DISTINCT uid FROM entries",
    "SELECT name FROM entries ORDER BY size DESC, 1 NULLS LAST LIMIT 10",
    "SELECT max(size) AS size FROM entries ORDER BY size",
]
TOGETHER = [
    "SELECT name, max(size) FROM entries",
    "SELECT count(DISTINCT uid) FROM entries",
    "SELECT uid * 2, count(*) FROM entries GROUP BY uid + 1",
    "SELECT 5 * uid / 2, count(*) FROM entries GROUP BY uid / 2",
    "SELECT name FROM entries WHERE size = (SELECT max(size) FROM entries)",
    "SELECT a.name FROM entries a JOIN entries b ON a.size = b.size",
    "SELECT e.name FROM entries e, others o WHERE e.uid = o.uid",
    "SELECT name FROM entries UNION SELECT label FROM others",
    "WITH x AS (SELECT uid FROM entries) SELECT count(*) FROM x",
    "SELECT row_number() OVER (ORDER BY size) FROM entries",
    "SELECT name COLLATE NOCASE FROM entries ORDER BY 1",
    "SELECT size * 2 AS s FROM entries WHERE s > 3",
    "SELECT name FROM entries LIMIT 1 + 1",
    "SELECT group_concat(name) FROM entries",
    "SELECT 1",
]


def parsed(text: str) -> Query:
    columns = dict(COLUMNS, gid="INTEGER", path="TEXT", depth="INTEGER")
    relations = dict(RELATIONS, entries=Relation(columns, ENTRIES))
    return Query(text, relations, b"/tree", 0)


@pytest.mark.parametrize("text", STREAMED)
def test_rows_are_streamed(text: str) -> None:
    assert not plan(parsed(text)).final


@pytest.mark.parametrize("text", SUMMED)
def test_each_part_adds_up_for_itself(text: str) -> None:
    (question,) = plan(parsed(text)).asks
    assert question.table == "ingest_rows"


@pytest.mark.parametrize("text", TOGETHER)
def test_anything_else_is_asked_of_all_rows(text: str) -> None:
    found = plan(parsed(text))
    assert found.final
    assert {question.table for question in found.asks} <= {"entries", "others"}


HANDWRITTEN = [
    *("SELECT * FROM entries", "SELECT e.*, 1 FROM entries AS e"),
    *(
        "SELECT count(*), count(size), count(weight) FROM entries",
        "SELECT sum(weight) FROM entries",
    ),
    *("SELECT avg(weight), total(size), avg(NULL) FROM entries", "SELECT max(weight) FROM entries"),
    "SELECT uid, min(name), max(name) FROM entries GROUP BY uid ORDER BY uid DESC",
    "SELECT type t, count(*) n FROM entries GROUP BY t HAVING n > 1 ORDER BY n DESC, t",
    "SELECT uid FROM entries GROUP BY uid HAVING uid = '1'",
    "SELECT count(*) FROM entries GROUP BY uid, type ORDER BY uid, type",
    'SELECT [uid], `type`, "size" FROM entries ORDER BY 1, 2, 3',
    "SELECT DISTINCT type, uid FROM entries ORDER BY uid DESC, type LIMIT 3",
    "SELECT name, size FROM entries ORDER BY size IS NULL, size DESC, name, uid, weight LIMIT 4",
    "SELECT \"no column\", 'it''s', x'00ff' FROM entries LIMIT 1",
    "SELECT o.label, count(*) FROM entries e JOIN others o ON o.uid = e.uid GROUP BY 1 ORDER BY 1",
    "SELECT count(*) FROM entries WHERE uid IN (SELECT uid FROM others)",
    "SELECT (SELECT count(*) FROM others), count(*) FROM entries",
    "SELECT count(*) FROM (SELECT DISTINCT uid, type FROM entries)",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5)"
    " SELECT i, count(uid) FROM n LEFT JOIN entries ON uid = i GROUP BY i ORDER BY i",
    "SELECT uid, sum(size) OVER (ORDER BY uid RANGE UNBOUNDED PRECEDING) FROM entries ORDER BY 1",
    'SELECT sum(size) FILTER (WHERE type = "f") - sum(size) FROM entries',
    "SELECT type, uid FROM entries EXCEPT SELECT 'f', uid FROM others ORDER BY 1, 2",
    "SELECT max(size), max(size, 3), uid FROM entries GROUP BY uid, max(size, 3) ORDER BY 1, 2, 3",
    "/* how many */ SELECT count(*) -- of all\nFROM entries ;",
    "SELECT 9223372036854775807 + size FROM entries WHERE 0",
]


@settings(max_examples=4, deadline=None)
@given(parts, others)
@pytest.mark.parametrize("text", HANDWRITTEN)
def test_what_people_write_is_right_too(
    text: str, rows_of_parts: list[list[Row]], more: list[Row]
) -> None:
    everything = [row for part in rows_of_parts for row in part]
    with tempfile.TemporaryDirectory() as folder:
        source = Files(folder, rows_of_parts, more)
        check(text, "ORDER BY" in text, source, everything, more)
