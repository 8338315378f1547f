# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A condition as SQL takes the entries that the condition itself takes, and a summary never hides
one of them."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.search.compile import (
    Columns,
    Sql,
    literal_start,
    may_hold,
    register,
    sql,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.condition import (
    TIMES,
    Age,
    AllOf,
    AnyOf,
    Attribute,
    Bits,
    Compare,
    Condition,
    Facts,
    Glob,
    Not,
    OneOf,
    contrary,
    meets,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.language import parse
from hypothesis import given, settings
from hypothesis import strategies as some

NOW = 1_000_000_000
STORED = ("path", "type", "size", "blocks", "mode", "links", "uid", "gid", "inode", "device")
FIELDS = {name: name for name in (*STORED, *TIMES, "name", "depth", "pool")}
FIELDS["allocated"] = "(blocks * 512)"
FIELDS["xattrs"] = "xattrs"
# As a real summary has them: of the direct entries, or of all below.
RANGED = ("size", "uid", "gid", "depth", *TIMES)

letters = some.sampled_from([b"a", b"b", b".", b"*", b"\\", b"[", b"?", b"\xff", b"\xc3\xa9", b"Z"])
names = some.lists(letters, min_size=1, max_size=4).map(b"".join)
paths = some.lists(names, min_size=1, max_size=3).map(b"/".join)
numbers = some.integers(0, 9)
times = some.sampled_from([NOW - 5, NOW - 1, NOW, NOW + 3])
operators = some.sampled_from(["<", "<=", "=", "!=", ">", ">="])
equals = some.sampled_from(["=", "!="])
patterns = some.lists(
    some.sampled_from([b"*", b"**", b"?", b"[a-z]", b"[!b]", b"\\*", b"/", b"a", b"b.", b"\xff"]),
    min_size=1,
    max_size=5,
).map(b"".join)
numeric = some.sampled_from(["size", "links", "uid", "gid", "depth", "blocks"])
leaves = some.one_of(
    some.builds(Compare, numeric, operators, numbers),
    some.builds(Compare, some.just("allocated"), operators, numbers.map(lambda n: n * 512)),
    some.builds(Compare, some.sampled_from(TIMES), operators, times),
    some.builds(Age, some.sampled_from(TIMES), operators, some.integers(-5, 8)),
    some.builds(Compare, some.just("name"), equals, names),
    some.builds(Compare, some.just("path"), equals, paths),
    some.builds(Compare, some.just("type"), equals, some.sampled_from("fld")),
    some.builds(Compare, some.just("pool"), equals, some.sampled_from(["fast", "slow"])),
    some.builds(Compare, some.just("inode"), equals, some.sampled_from([5, (1 << 64) - 1])),
    some.builds(OneOf, numeric, some.lists(numbers, min_size=1, max_size=3).map(tuple)),
    some.builds(OneOf, some.just("type"), some.just(("f", "l"))),
    some.builds(OneOf, some.just("path"), some.lists(paths, min_size=1, max_size=2).map(tuple)),
    some.builds(Glob, some.sampled_from(["name", "path"]), patterns),
    some.builds(Glob, some.sampled_from(["name"]), names.map(lambda name: b"?*." + name)),
    some.builds(Glob, some.just("path"), paths.map(lambda path: path + b"/**")),
    some.builds(Bits, numbers),
    some.builds(Attribute, some.sampled_from([b"user.a", b"user.b"])),
)
conditions = some.recursive(
    leaves,
    lambda inner: some.one_of(
        inner.map(contrary),
        inner.map(Not),
        some.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        some.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=8,
)
entries = some.builds(
    Facts,
    path=paths,
    type=some.sampled_from("fld"),
    size=numbers,
    blocks=numbers,
    mode=numbers,
    links=numbers,
    uid=numbers,
    gid=numbers,
    inode=some.sampled_from([5, (1 << 64) - 1]),
    device=numbers,
    atime=times,
    mtime=times,
    ctime=times,
    crtime=some.none() | times,
    xattrs=some.none() | some.frozensets(some.sampled_from([b"user.a", b"user.b"])),
    pool=some.none() | some.sampled_from(["fast", "slow"]),
)


def row(facts: Facts) -> dict[str, Any]:
    """As a table holds it: names as text of any bytes, sometimes as blobs."""
    known: dict[str, Any] = {name: getattr(facts, name) for name in FIELDS if name != "allocated"}
    known["inode"] -= (1 << 64) if known["inode"] >= 1 << 63 else 0
    if facts.xattrs is not None:
        known["xattrs"] = b"\x1f" + b"".join(name + b"\x1f" for name in sorted(facts.xattrs))
    return known


def database(facts: list[Facts]) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    register(db)
    rows = [row(one) for one in facts]
    for one in rows:
        db.execute(f"CREATE TABLE IF NOT EXISTS entries({', '.join(one)})")
        marks = ", ".join("CAST(? AS TEXT)" if name in ("name",) else "?" for name in one)
        db.execute(f"INSERT INTO entries VALUES ({marks})", tuple(one.values()))
    return db


def answers(db: sqlite3.Connection, question: Sql) -> list[bool]:
    query = f"SELECT ({question.text}) IS 1 FROM entries ORDER BY rowid"
    return [bool(answer) for (answer,) in db.execute(query, question.parameters)]


@settings(max_examples=150, deadline=None)
@given(conditions, some.lists(entries, min_size=1, max_size=6))
def test_sql_takes_what_the_condition_takes(condition: Condition, facts: list[Facts]) -> None:
    found = answers(database(facts), sql(condition, Columns(FIELDS), NOW))
    assert found == [meets(condition, one, NOW) is True for one in facts]

    opposite = answers(database(facts), sql(contrary(condition), Columns(FIELDS), NOW))
    assert opposite == [meets(condition, one, NOW) is False for one in facts]


def summary(subtree: bool) -> Columns:
    return Columns(
        FIELDS,
        {name: (f"(SELECT min({name}) FROM e)", f"(SELECT max({name}) FROM e)") for name in RANGED},
        {letter: f"(SELECT count(*) FROM e WHERE type = '{letter}')" for letter in "fld"},
        "folder",
        subtree,
    )


@settings(max_examples=150, deadline=None)
@given(conditions, some.lists(entries, min_size=1, max_size=4), some.booleans(), some.data())
def test_no_summary_hides_an_entry(
    condition: Condition, facts: list[Facts], subtree: bool, data: some.DataObject
) -> None:
    # All of them lie right in one directory, or below it.
    folder = facts[0].path.rpartition(b"/")[0]
    if subtree:
        folder = data.draw(some.sampled_from([folder[:at] for at in range(len(folder) + 1)]))
        while folder and not facts[0].path.startswith(folder + b"/"):
            folder = folder.rpartition(b"/")[0]
    else:
        facts = [one._replace(path=b"/".join(filter(None, (folder, one.name)))) for one in facts]
    facts = [one for one in facts if one.path.startswith(folder + b"/" if folder else b"")]
    db = database(facts)
    db.execute("ALTER TABLE entries RENAME TO e")
    question = may_hold(condition, summary(subtree), NOW)

    ((may,),) = db.execute(
        f"WITH d(folder) AS (SELECT CAST(X'{folder.hex()}' AS BLOB))"
        f" SELECT ({question.text}) IS 1 FROM d",
        question.parameters,
    )

    if any(meets(condition, one, NOW) for one in facts):
        assert may


TELLING = [
    ("size > 1G", [(0, 0, 0)], False),
    ("size > 1G", [(1 << 31, 0, 0)], True),
    ("age(mtime) > 90d", [(0, NOW, 0)], False),
    ("owner = 5", [(0, 0, 4), (0, 0, 6)], True),
    ("owner in (7, 9)", [(0, 0, 4), (0, 0, 6)], False),
    ("not (size < 1G or owner = 0)", [(5, 0, 4)], False),
    ("size > 1G or owner = 4", [(5, 0, 4)], True),
    ("size > 1G and name ~ '*.bam'", [(5, 0, 4)], False),
    ("name ~ '*.bam'", [(5, 0, 4)], True),
    ("type = l", [(5, 0, 4)], False),
    ("path ~ 'other/**'", [(5, 0, 4)], False),
    ("path ~ 'here/*/x'", [(5, 0, 4)], True),
    ("path = other/x", [(5, 0, 4)], False),
    ("depth > 3", [(5, 0, 4)], False),
]


@pytest.mark.parametrize(("text", "rows", "may"), TELLING)
def test_a_summary_tells_where_nothing_can_match(text: str, rows: list, may: bool) -> None:
    """(size, mtime, uid) of entries in the directory here."""
    template = Facts(b"here/a", "f", 0, 0, 0, 1, 0, 0, 5, 1, 0, 0, 0)
    facts = [template._replace(size=size, mtime=mtime, uid=uid) for size, mtime, uid in rows]
    db = database(facts)
    db.execute("ALTER TABLE entries RENAME TO e")
    question = may_hold(parse(text), summary(subtree=False), NOW)
    ((found,),) = db.execute(
        f"WITH d(folder) AS (SELECT CAST('here' AS BLOB)) SELECT {question.text} FROM d",
        question.parameters,
    )
    assert bool(found) is may


def test_common_patterns_need_no_python() -> None:
    for text in ("name ~ '*.bam'", "name ~ 'a*b[*]'", "extension = tar.gz", "path ~ 'raw/**'"):
        assert ("ingest_glob" in sql(parse(text), Columns(FIELDS), 0).text) is ("[" in text)
    for text in ("name ~ 'a?'", "path ~ 'raw/*'", "name ~ \udcff*"):
        assert "ingest_glob" in sql(parse(text), Columns(FIELDS), 0).text


def test_what_calls_python_comes_last() -> None:
    text = sql(parse("name ~ '[ab]*' and size > 5"), Columns(FIELDS), 0).text
    assert text.index("size") < text.index("ingest_glob")


def test_the_literal_start_of_a_pattern() -> None:
    assert literal_start(b"raw/a*b") == b"raw/a"
    assert literal_start(b"a\\*b?") == b"a*b"
    assert literal_start(b"plain") == b"plain"


def test_many_conditions_are_one_statement() -> None:
    facts = [Facts(b"a", "f", 5, 0, 0, 1, 0, 0, 5, 1, 0, 0, 0)]
    long = parse(" or ".join(f"size = {number}" for number in range(5, 5000)))
    assert answers(database(facts), sql(long, Columns(FIELDS), NOW)) == [True]


def test_what_an_index_does_not_know_is_said() -> None:
    with pytest.raises(IngestError, match="this index does not know 'pool' of its entries"):
        sql(parse("size > 1 and not pool = fast"), Columns({"size": "size"}), NOW)
    many = OneOf("size", tuple(range(32_001)))
    with pytest.raises(IngestError, match="more than 32000 values"):
        sql(many, Columns(FIELDS), NOW)
