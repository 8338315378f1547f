# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries on a real index, beside the file system itself; and what is said of wrong ones."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.search.engine import ask
from ansible_collections.scaleout.ingest.plugins.module_utils.search.guard import Limits
from ansible_collections.scaleout.ingest.plugins.module_utils.search.mistake import Mistake
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import (
    IndexSource,
    Source,
)
from ansible_collections.scaleout.ingest.tests.support import indexes, trees
from hypothesis import given, settings
from hypothesis import strategies as some


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, Source]]:
    """A tree, and its index."""
    folder = tmp_path_factory.mktemp("place")
    root = os.fsencode(folder / "tree")
    indexes.hostile(root, str(folder / "index"))
    yield root, IndexSource(str(folder / "index"), small=0)
    trees.remove(root)


def rows(source: Source, query: str, **options: Any) -> list[tuple]:
    answer = ask(source, query, Limits(2, **options))
    return [row for batch in answer.rows for row in batch]


WRONG = [
    ("SELEC 1", "an index is only read: a query begins with SELECT, not SELEC", 0),
    ("SELECT sise FROM entries", "there is no column 'sise' here: did you mean 'size'?", 7),
    ("SELECT e.sise FROM entries e", "there is no column 'e.sise' here: did you mean 'size'?", 7),
    ("SELECT size FORM entries", "'entries' can't stand here", 17),
    ("SELECT count(* FROM entries", "this '(' is not closed", 12),
    ("SELECT count(*)) FROM entries", "this ')' closes nothing", 15),
    ("SELECT 'a FROM entries", "this quote is not closed", 7),
    ("SELECT size FROM entires", "there is no table 'entires': entries, ", 17),
    ("SELECT humen(size) FROM entries", "there is no function humen(): did you mean 'human'?", 7),
    ("SELECT human() FROM entries", "human() does not take that many values", 7),
    ("SELECT size FROM entries WHERE", "the query ends too early", 30),
    ("SELECT size FROM entries; SELECT 1", "one query at a time: this ';' ends the first", 24),
    ("SELECT size FROM entries WHERE size > ?", "a query has no parameters here", 38),
    (
        "SELECT size FROM entries WHERE sum(size) > 1",
        "sum() adds up rows, and can't stand here",
        31,
    ),
    ("SELECT path() FROM entries a, summary b", "path() can't tell whose it is", 7),
    ("SELECT path(c) FROM entries a, summary b", "path(…) wants one of the tables", 12),
    ("SELECT path()", "path() can't tell whose it is", 7),
    (
        "SELECT id FROM entries e, summary s",
        "'id' is a column of several tables here: say whose",
        7,
    ),
    ("SELECT name FROM main.entries", "a table's name has nothing before it", 17),
    ("SELECT * FROM pragma_table_list()", "the function pragma_table_list() is no table here", 14),
    ("SELECT * FROM sqlite_master", "there is no table 'sqlite_master'", 14),
    ("SELECT * FROM raw_entries", "there is no table 'raw_entries'", 14),
    ("SELECT 1 WHERE 1 IN sqlite_master", "IN wants values, or a SELECT, in parentheses", 20),
    ("DELETE FROM entries", "an index is only read: a query begins with SELECT, not DELETE", 0),
    ("ATTACH 'x' AS y", "an index is only read", 0),
    ("PRAGMA query_only=0", "an index is only read", 0),
    ("WITH x AS (SELECT 1) DELETE FROM entries", "an index is only read", 0),
    ("WITH x AS (SELECT 1) INSERT INTO entries SELECT * FROM x", "only read", 0),
    ("SELECT load_extension('x')", "an index is only read", 0),
    ("", "there is no query", 0),
    ("SELECT €", "there is no column '€' here", 7),
    ("SELECT {}", "this is no SQL", 7),
    ("WITH path() AS x", "path() belongs into a SELECT", 5),
]


@pytest.mark.parametrize(("query", "sentence", "at"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_query_gets_a_sentence_and_a_mark(
    place: tuple[bytes, Source], query: str, sentence: str, at: int
) -> None:
    with pytest.raises(Mistake) as caught:
        rows(place[1], query)
    said = str(caught.value).split("\n")
    assert sentence in said[0]
    assert said[1:] == [f"  {query}", "  " + " " * at + "^"]


def test_paths_are_those_of_the_tree(place: tuple[bytes, Source]) -> None:
    root, source = place
    below = "path() || '/' || name"
    expected = indexes.found(root, "-not", "-type", "d")
    for relation in ("entries", "pentries", "entries AS e", "pentries p"):
        assert sorted(row[0] for row in rows(source, f"SELECT {below} FROM {relation}")) == expected
    everything = (
        'SELECT path() || CASE type WHEN "d" THEN "" ELSE \'/\' || name END FROM everything'
    )
    assert sorted(row[0] for row in rows(source, everything)) == indexes.found(root)
    directories = indexes.found(root, "-type", "d")
    assert sorted(row[0] for row in rows(source, "SELECT path() FROM summary")) == directories
    joined = "SELECT path(s) || '/' || e.name FROM entries e JOIN summary s ON s.id = e.directory"
    assert sorted(row[0] for row in rows(source, joined)) == expected
    inner = f"SELECT x FROM (SELECT {below} AS x FROM pentries) ORDER BY x"
    assert [row[0] for row in rows(source, inner)] == expected


def test_levels_are_those_of_directories(place: tuple[bytes, Source]) -> None:
    root, source = place
    levels = Counter(
        path.count(b"/") - root.count(b"/") for path in indexes.found(root, "-type", "d")
    )
    found = rows(source, "SELECT level(), count(*) FROM summary GROUP BY 1")
    assert dict(found) == levels
    entries = Counter(
        os.path.dirname(path).count(b"/") - root.count(b"/")
        for path in indexes.found(root, "-not", "-type", "d")
    )
    assert dict(rows(source, "SELECT level(), count(*) FROM entries GROUP BY level()")) == entries
    both = dict(rows(source, "SELECT level(), count(*) FROM everything GROUP BY level()"))
    assert both == levels + entries


def test_functions(place: tuple[bytes, Source]) -> None:
    root, source = place
    query = "SELECT human(size), user(uid), group(gid), age(mtime) > 0, extension(name)"
    query += ", modetotxt(mode)"
    ((size, user, group, past, ext, mode),) = rows(
        source, f"{query} FROM entries WHERE name = 'large'"
    )
    assert (size, past, ext, mode[:1]) == (b"3.0M", 1, b"", b"-")
    if os.geteuid() == 0:
        assert (user, group) == (b"root", b"root")
    names = rows(
        source, "SELECT name, extension(name), basename(path() || '/' || name) FROM entries"
    )
    for name, ext, base in names:
        assert base == name
        dot = name.rfind(b".")
        assert ext == (name[dot + 1 :] if dot > 0 else b"")
    assert rows(source, "SELECT human(NULL), user('x'), human('x')") == [(None, None, None)]


def test_directories_are_left_out_where_nothing_can_match(place: tuple[bytes, Source]) -> None:
    """The answer is the same, and less is read."""
    root, source = place
    sizes = [os.lstat(path).st_size for path in indexes.found(root, "-not", "-type", "d")]
    for condition, expected in (
        ("size > 2000000", [s for s in sizes if s > 2000000]),
        ("(size >= 3*1024*1024)", [s for s in sizes if s >= 3 << 20]),
        ("size > 2000000 OR size = 5", [s for s in sizes if s > 2000000 or s == 5]),
        ("size > 2000000 AND type = 'f'", [s for s in sizes if s > 2000000]),
        ("e.size BETWEEN 2000000 AND 4000000 AND 1", [s for s in sizes if s > 2000000]),
    ):
        found = rows(source, f"SELECT size FROM pentries e WHERE {condition}")
        assert sorted(row[0] for row in found) == sorted(expected), condition
    for text, expected in (
        ("mtime < 1100000000", b"old.tar.gz"),
        ("age(mtime) > 30*365*86400 - 1000000000 AND mtime <= 1000000000", b"old.tar.gz"),
        ("mtime = strftime('%s', '2001-09-09 01:46:40') + 0", b"old.tar.gz"),
        ("mtime_ns < 1000000000000000001", b"old.tar.gz"),
    ):
        assert rows(source, f"SELECT name FROM entries WHERE {text}") == [(expected,)], text
    ((nothing,),) = rows(source, "SELECT count(*) FROM pentries WHERE size > 1e15")
    assert nothing == 0


COUNTED = [
    "uid = 0 AND gid = 0",
    "uid = 1234",
    "NOT uid = 0",
    "type = 'f'",
    'type = "l" AND size < 100',
    "size >= 0 AND type = 'f'",
    "(size > 100) AND (uid = 0 AND gid <= 1)",
    "depth = 2",
    "mtime < 1100000000",
    "mtime_ns < 1600000000123456790 AND uid < 5",
    "size > 1e300",
    "size < -1.5",
    "size > 99.5",
    "uid = '0'",
    "size > 100 = 'f'",
    "size > 100 < 1",
    "size > 100 + (5 > 3) * 20 AND gid = 0",
    "size > 100 OR uid = 5",
]


@pytest.mark.parametrize("condition", COUNTED)
@pytest.mark.parametrize("small", [0, 1 << 40])
def test_counts_from_summaries_are_right(
    place: tuple[bytes, Source], condition: str, small: int
) -> None:
    folder = os.path.dirname(place[1].parts[0])
    source = IndexSource(folder, small=small)
    ((expected,),) = rows(
        source, f"SELECT count(nullif(size, NULL)) FROM pentries WHERE {condition}"
    )
    for what in ("count(*)", "COUNT(*) AS n", "count(*) + 0, count(*)"):
        ((found, *more),) = rows(source, f"SELECT {what} FROM pentries WHERE {condition}")
        assert isinstance(found, int)
        assert {found, *more} == {expected}


def test_a_part_is_never_written(place: tuple[bytes, Source]) -> None:
    """Not even if the words that look at a query were wrong."""
    dummy, source = place
    db = source.open(source.parts[0])
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("CREATE TABLE x(y)")
    db.close()


def test_only_so_many_rows(place: tuple[bytes, Source]) -> None:
    dummy, source = place
    assert len(rows(source, "SELECT name FROM entries", rows=7)) == 7
    assert len(rows(source, "SELECT name FROM entries ORDER BY 1", rows=7)) == 7
    assert len(rows(source, "SELECT name FROM entries LIMIT 3", rows=7)) == 3


# -- whatever is typed -----------------------------------------------------------------------------

TEMPLATES = [
    "SELECT name FROM pentries WHERE size > 1000 AND uid = 0 AND type = 'f' AND mtime > 5",
    "SELECT count(*) FROM pentries WHERE ( size > 50 ) AND type = 'f' AND age(mtime) > 5 * 3600",
    "SELECT count(*) FROM entries e WHERE e . size BETWEEN 5 AND 500 AND uid = 1 - 1",
    "SELECT type , count(*) n , sum(size) FROM pentries e GROUP BY type HAVING n > 1 ORDER BY 2",
    "SELECT path() || '/' || name FROM pentries e WHERE size > 5 AND age(mtime) > 3",
    "SELECT DISTINCT uid , level() FROM everything ORDER BY 1 DESC",
    "SELECT extension(name) AS x , max(size) , avg(size) FROM entries GROUP BY x , uid",
    "WITH x AS ( SELECT uid FROM entries ) SELECT count(*) FROM x",
    "SELECT e . name , path(s) FROM entries e JOIN summary s ON s . id = e . directory",
]
WORDS = sorted(
    {word for text in TEMPLATES for word in text.split()}
    | {"OR", "NOT", "IN", "IS", "NULL", "CASE", "WHEN", "THEN", "ELSE", "END", "UNION", "LIMIT"}
    | {"OVER", "COLLATE", "CAST", "ASC", ";", "*", "/", "%", "<", "=", "<>", "1.5", "x'00'"}
    | {'"d"', '"size"', "[name]", "min(name)", "entries"}
)
changes = some.lists(
    some.tuples(some.sampled_from("rid"), some.integers(0, 40), some.sampled_from(WORDS)),
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(some.sampled_from(TEMPLATES), changes)
def test_whatever_is_typed_is_answered_rightly_or_refused(
    place: tuple[bytes, Source], text: str, edits: list[tuple[str, int, str]]
) -> None:
    """Words are replaced, inserted and deleted. The answer is that of the same query as a
    sub-select, which is asked of all rows in one place."""
    words = text.split()
    for edit, at, word in edits:
        at %= len(words)
        words[at : at + (edit != "i")] = [] if edit == "d" and len(words) > 1 else [word]
    query = " ".join(words)
    now = 1_800_000_000.0

    def found(asked: str) -> list[str]:
        answer = ask(place[1], asked, Limits(2, 60.0, 5000), now)
        return sorted(repr(row) for batch in answer.rows for row in batch)

    try:
        answer = found(query)
    except IngestError as error:
        assert str(error)
        return
    if "LIMIT" not in words and len(answer) < 5000:
        assert answer == found(f"SELECT * FROM ({query.rstrip(' ;')})")
