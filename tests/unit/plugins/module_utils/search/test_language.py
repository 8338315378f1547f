# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions: what they say, and what is said of those that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.search.condition import (
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
    fields,
    meets,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.language import (
    ANY,
    Accounts,
    parse,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.mistake import Mistake
from hypothesis import given, settings
from hypothesis import strategies as some

DAY = 86_400 * 10**9
CLASSES = {
    "old": "age(atime) > 90d",
    "scratch": 'path ~ "scratch/**" and old',
    "loop": "round",
    "round": "not loop",
    "bad": "size > much",
    "shared": "links > 1",
}
KNOWN = Accounts({"ann": 1000}.__getitem__, {"lab": 50}.__getitem__)


def read(text: str) -> Condition:
    return parse(text, CLASSES, KNOWN)


SAYINGS = [
    ("size > 1G", Compare("size", ">", 1 << 30)),
    ("size>=1.5KiB", Compare("size", ">=", 1536)),
    ("size < 2kB", Compare("size", "<", 2000)),
    ("size == 0", Compare("size", "=", 0)),
    ("size <> 1T", Compare("size", "!=", 1 << 40)),
    ("allocated > 4M", Compare("allocated", ">", 4 << 20)),
    ("blocks = 8", Compare("blocks", "=", 8)),
    ("age(mtime) > 90d", Age("mtime", ">", 90 * DAY)),
    ("age( ATIME ) <= 1.5h", Age("atime", "<=", 5400 * 10**9)),
    ("age(ctime) < 2w", Age("ctime", "<", 14 * DAY)),
    ("age(crtime) > 1y", Age("crtime", ">", 365 * DAY)),
    ("age(mtime) > 30m", Age("mtime", ">", 1800 * 10**9)),
    ("mtime < 2026-01-31T12:00:00Z", Compare("mtime", "<", 1_769_860_800 * 10**9)),
    ('mtime < "2026-01-31 12:00:00.5+01:00"', Compare("mtime", "<", 1_769_857_200_500_000_000)),
    ("owner = ann", Compare("uid", "=", 1000)),
    ("user != 12", Compare("uid", "!=", 12)),
    ("uid in (ann, 7)", OneOf("uid", (1000, 7))),
    ("group = lab", Compare("gid", "=", 50)),
    ('name ~ "*.bam"', Glob("name", b"*.bam")),
    ("name ~ *.bam", Glob("name", b"*.bam")),
    ('name !~ "a b*"', Not(Glob("name", b"a b*"))),
    ('name = "say ""hi"""', Compare("name", "=", b'say "hi"')),
    ("name = 'it''s'", Compare("name", "=", b"it's")),
    ('path ~ "raw/**"', Glob("path", b"raw/**")),
    ("name = \udcff", Compare("name", "=", b"\xff")),
    ("extension = bam", Glob("name", b"?*.bam")),
    (
        'extension in ("tar.gz", "a*")',
        AnyOf((Glob("name", b"?*.tar.gz"), Glob("name", b"?*.a\\*"))),
    ),
    ("extension ~ ba?", Glob("name", b"?*.ba?")),
    ("extension != c", Not(Glob("name", b"?*.c"))),
    ("type = file", Compare("type", "=", "f")),
    ("type not in (d, symlink)", Not(OneOf("type", ("d", "l")))),
    ("mode = 0644", Compare("mode", "=", 0o644)),
    ("perm & 022", Bits(0o022)),
    ("mode & 0o4000", Bits(0o4000)),
    ("nlink > 1", Compare("links", ">", 1)),
    ("level <= 3", Compare("depth", "<=", 3)),
    ("inode = 18446744073709551615", Compare("inode", "=", (1 << 64) - 1)),
    ("device in (1, 2)", OneOf("device", (1, 2))),
    ('xattr("user.x")', Attribute(b"user.x")),
    ("pool = fast", Compare("pool", "=", "fast")),
    ("old", Age("atime", ">", 90 * DAY)),
    ("class = old", Age("atime", ">", 90 * DAY)),
    ("class != old", Age("atime", "<=", 90 * DAY)),
    ("class in (old, shared)", AnyOf((Age("atime", ">", 90 * DAY), Compare("links", ">", 1)))),
    ("scratch", AllOf((Glob("path", b"scratch/**"), Age("atime", ">", 90 * DAY)))),
    ("shared and size > 1", AllOf((Compare("links", ">", 1), Compare("size", ">", 1)))),
    ("not size > 1", Compare("size", "<=", 1)),
    ("NOT NOT links = 1", Compare("links", "=", 1)),
    (
        "links = 1 or links = 2 and links = 3",
        AnyOf(
            (Compare("links", "=", 1), AllOf((Compare("links", "=", 2), Compare("links", "=", 3))))
        ),
    ),
    (
        "not (links = 1 or name = a)",
        AllOf((Compare("links", "!=", 1), Compare("name", "!=", b"a"))),
    ),
    ("\n size\n>\t1 ", Compare("size", ">", 1)),
]


@pytest.mark.parametrize(("text", "meaning"), SAYINGS, ids=[text for text, dummy in SAYINGS])
def test_what_a_condition_says(text: str, meaning: Condition) -> None:
    assert read(text) == meaning


MISTAKES = [
    ("", "there is no condition", 0),
    ("  ", "there is no condition", 0),
    ("sise > 1", "there is no field or class 'sise': did you mean 'size'?", 0),
    ("size > 1 and", "a condition is missing at the end", 12),
    ("size 1", "'size' is compared with < <= = != > >=, not with 1", 5),
    ("links", "'links' is compared with < <= = != > >=", 5),
    ("size ~ 1", "'size' is compared with < <= = != > >=, not with ~", 5),
    ("inode < 5", "'inode' is compared with = !=, not with <", 6),
    ("size >", "a value is missing after '>'", 6),
    ("size > much", "'much' is not a size such as 10M or 1.5GiB", 7),
    ("size > 5X", "'5X' is not a size such as 10M or 1.5GiB", 7),
    ("size > 9999999T", "'9999999T' is too large", 7),
    ("size > -1", "'-1' is not a size such as 10M or 1.5GiB", 7),
    ("links > 1K", "'1K' is not a whole number", 8),
    ("age(mtime) > 90", "'90' needs a unit: 90d is days; s m h d w y", 13),
    ("age(mtime) > old", "'old' is not a duration such as 90d (s m h d w y)", 13),
    ("age(mtime) >", "'' is not a duration such as 90d (s m h d w y)", 12),
    ("age(mtime) > 300y", "'300y' is too large", 13),
    ("age(size) > 1d", "age(…) is of atime, mtime, ctime or crtime", 4),
    ("age(mtime > 1d", "a ')' is missing here, after the time", 10),
    ("aeg(mtime) > 1d", "there is no 'aeg()', but age(…) and xattr(…): did you mean 'age'?", 0),
    ("mtime < 90d", "'90d' is not a date such as 2026-01-31", 8),
    ("mtime < 9999-01-01", "'9999-01-01' is not a date", 8),
    ("owner = bob", "there is no user 'bob' on this host", 8),
    ("group in (lab, labs)", "there is no group 'labs' on this host", 15),
    ("name ~ '[a'", "this pattern matches nothing: its '[' or '\\' is not complete", 7),
    ("name = 'a", "this quote is not closed", 7),
    ("type = x", "a type is one of file, dir, link, fifo, socket, block, char", 7),
    ("mode = 0888", "a mode is written in octal, as 0644", 7),
    ("mode > 1", "'mode' is compared with = != &, not with >", 5),
    ("(size > 1", "this '(' is not closed", 0),
    ("size > 1)", "this ')' closes nothing", 8),
    ("(size > 1 size < 2)", "an 'and', an 'or' or a ')' is missing here", 10),
    ("size > 1 size < 2", "an 'and' or an 'or' is missing here", 9),
    ("size > 1 && links = 1", "'and' joins conditions", 9),
    ("size > 1 ! links = 1", "'!' alone means nothing here", 9),
    ("size not 5", "'not' stands before a condition, or before 'in'", 9),
    ("size in 5", "a '(' is missing here, before the values", 8),
    ("size in (5", "a ')' is missing here, after the values", 10),
    ("size in (5,)", "a value is missing here", 11),
    ("> 5", "a condition begins with a field, not with >", 0),
    ("and size > 1", "a condition begins with a field, not with and", 0),
    ("class = odl", "there is no class 'odl': did you mean 'old'?", 8),
    ("loop", "in the class 'round': the class 'loop' would be a part of itself", 4),
    ("bad", "in the class 'bad': 'much' is not a size such as 10M or 1.5GiB", 7),
    ("(" * 60 + "size > 1" + ")" * 60, "more than 50 conditions within each other", 50),
    ("name = " + "x" * 100_001, "a condition has at most 100000 characters", 100_000),
    ("name = 'a\0b'", "no name holds a NUL", 7),
    ("size > " + "9" * 50, "is too large", 7),
]


@pytest.mark.parametrize(("text", "sentence", "at"), MISTAKES, ids=range(len(MISTAKES)))
def test_what_is_wrong_is_named_and_marked(text: str, sentence: str, at: int) -> None:
    with pytest.raises(Mistake) as caught:
        read(text)

    said, line, mark = str(caught.value).split("\n")
    assert sentence in said
    assert caught.value.sentence == said
    assert caught.value.at == at
    shown = line[mark.index("^") :]
    assert caught.value.text[at : at + 1] in ("", "\0") or shown[:1] == caught.value.text[at]


def test_the_line_of_the_place_is_shown() -> None:
    with pytest.raises(Mistake) as caught:
        parse("size > 1\nand links > x\nor type = f")
    assert str(caught.value).split("\n")[1:] == ["  and links > x", "              ^"]


def test_long_lines_are_cut_around_the_mark() -> None:
    text = "name = " + "x" * 500 + " and links > y or " + "size > 1 and " * 50
    with pytest.raises(Mistake) as caught:
        parse(text + "links = 1")
    dummy, line, mark = str(caught.value).split("\n")
    assert len(line) <= 78
    assert line[mark.index("^")] == "y"


def test_accounts_of_this_host_are_known() -> None:
    assert parse("owner = root") == Compare("uid", "=", 0)
    assert parse("owner = nobody-of-that-name", accounts=ANY) == Compare("uid", "=", 0)
    with pytest.raises(Mistake, match="there is no field 'old'"):
        parse("old")


def test_fields_are_told() -> None:
    condition = read("size > 1 and not (old or mode & 1) or xattr(user.x) or name ~ 'a*'")
    assert fields(condition) == {"size", "atime", "mode", "xattrs", "name"}


def test_what_is_not_known_meets_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.bam").write_bytes(b"12345")
    facts = Facts.of(b"in/a.bam", os.lstat(tmp_path / "a.bam"))
    now = facts.mtime + DAY

    def answer(text: str) -> bool | None:
        return meets(read(text), facts, now)

    assert answer("size = 5 and name ~ '*.bam' and path ~ 'in/*' and type = f and depth = 2")
    assert answer("age(mtime) = 1d and links = 1 and uid = " + str(os.getuid()))
    assert answer("size > 5") is False
    for text in ("age(crtime) > 1d", "xattr(user.x)", "pool = fast"):
        assert answer(text) is None
        assert answer(f"not {text}") is None
        assert answer(f"{text} and size = 5") is None
        assert answer(f"{text} or size = 5") is True
        assert answer(f"{text} and size = 6") is False
    assert meets(read("pool = fast"), facts._replace(pool="fast"), now)


words = some.sampled_from(
    (
        *("size", "mtime", "age(", "xattr(", "name", "path", "owner", "group", "type", "mode"),
        *(
            "class",
            "scratch",
            "old",
            "loop",
            "and",
            "or",
            "not",
            "in",
            "(",
            ")",
            ",",
            "<",
            "=",
            "~",
        ),
        *("!~", "&", "5", "1G", "90d", "'*.bam'", '"user.x"', "2026-01-31", "0644", "f", "[a"),
    )
)


@settings(max_examples=300, deadline=None)
@given(some.lists(words, max_size=12).map(" ".join) | some.text(max_size=12))
def test_whatever_is_typed_is_a_condition_or_a_mistake(text: str) -> None:
    facts = Facts(b"a", "f", 5, 8, 0o644, 1, 0, 0, 1, 1, 0, 0, 0)
    try:
        condition = read(text)
    except Mistake as error:
        assert error.sentence and 0 <= error.at <= len(error.text)
        return
    answer = meets(condition, facts, DAY)
    assert meets(Not(condition), facts, DAY) is (None if answer is None else not answer)
