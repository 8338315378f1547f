# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A condition finds what find(1) finds on the same tree."""

from __future__ import annotations

import os
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.search.condition import (
    Age,
    AllOf,
    AnyOf,
    Bits,
    Compare,
    Condition,
    Facts,
    Glob,
    Not,
    meets,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.guard import Limits
from ansible_collections.scaleout.ingest.plugins.module_utils.search.language import parse
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import (
    IndexSource,
    Source,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.where import count, find
from ansible_collections.scaleout.ingest.tests.support import indexes, trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, Source]]:
    """A tree, and its index."""
    folder = tmp_path_factory.mktemp("place")
    root = os.fsencode(folder / "tree")
    indexes.hostile(root, str(folder / "index"))
    yield root, IndexSource(str(folder / "index"), small=0)
    trees.remove(root)


SAME = [
    ("size >= 0", ()),
    ("type = f", ("-type", "f")),
    ("type = dir", ("-type", "d")),
    ("type in (link, fifo)", ("-type", "l,p")),
    ("size > 100 and type = f", ("-size", "+100c", "-type", "f")),
    ("size > 290", ("-size", "+290c")),
    ("size > 2M", ("-size", "+2097152c")),
    ("size > 2M and name ~ 'l*'", ("-size", "+2097152c", "-name", "l*")),
    ("name ~ '*.tar.gz'", ("-name", "*.tar.gz")),
    ("extension = gz", ("-name", "?*.gz")),
    ("not name ~ 'a*' and depth = 2", ("-mindepth", "2", "-maxdepth", "2", "-not", "-name", "a*")),
    ("depth <= 1", ("-maxdepth", "1")),
    ("path ~ 'deep/**'", ("-path", "*/tree/deep/*")),
    ("path = 'deep/er'", ("-path", "*/tree/deep/er")),
    ("mode & 4000", ("-perm", "-4000")),
    ("perm = 04755", ("-perm", "4755")),
    ("age(mtime) > 365d", ("-not", "-newermt", "365 days ago")),
    ("mtime < 2002-01-01", ("-not", "-newermt", "2002-01-01")),
    ("owner = 1234 or group = 1235", ("(", "-uid", "1234", "-o", "-gid", "1235", ")")),
    ("links > 1 and type != d", ("-links", "+1", "-not", "-type", "d")),
    ("name = 'a\nz'", ("-name", "a\nz")),
    ("name ~ '[[:upper:]]'", ("-regex", ".*/[A-Z]")),
]


@pytest.mark.parametrize(("text", "words"), SAME, ids=[text for text, dummy in SAME])
def test_what_is_found_is_what_find_finds(
    place: tuple[bytes, Source], text: str, words: tuple[str, ...]
) -> None:
    root, source = place
    answer = find(source, parse(text), Limits(2))
    paths = sorted(row[0] for batch in answer.rows for row in batch)
    assert paths == indexes.found(root, *words)
    assert paths

    counted = count(source, parse(text), Limits(2))
    assert counted.entries == len(paths)
    files = [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]
    assert counted.bytes == sum(os.lstat(path).st_size for path in files)
    assert counted.asked and counted.plans


numbers = some.sampled_from([0, 1, 5, 100, 200, 290, 2 << 20, 3 << 20, 4096])
operators = some.sampled_from(["<", "<=", "=", "!=", ">", ">="])
leaves = some.one_of(
    some.builds(Compare, some.sampled_from(["size", "allocated"]), operators, numbers),
    some.builds(Compare, some.sampled_from(["depth", "links"]), operators, some.integers(0, 4)),
    some.builds(
        Compare, some.sampled_from(["uid", "gid"]), operators, some.sampled_from([0, 1234, 1235])
    ),
    some.builds(
        Compare, some.just("type"), some.sampled_from(["=", "!="]), some.sampled_from("fdlp")
    ),
    some.builds(
        Age, some.sampled_from(["mtime", "ctime"]), operators, some.sampled_from([0, 10**17])
    ),
    some.builds(
        Compare,
        some.just("mtime"),
        operators,
        some.sampled_from([10**18, 1_600_000_000_123_456_789]),
    ),
    some.builds(Glob, some.just("name"), some.sampled_from([b"a*", b"?", b"*.gz", b"[!a]*"])),
    some.builds(Glob, some.just("path"), some.sampled_from([b"bytes/**", b"d*/er/*", b"**/a*"])),
    some.builds(Bits, some.sampled_from([0o4000, 0o022])),
)
conditions = some.recursive(
    leaves,
    lambda inner: some.one_of(
        inner.map(Not),
        some.lists(inner, min_size=2, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        some.lists(inner, min_size=2, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=6,
)
NOW = 1_800_000_000 * 10**9


@pytest.fixture(name="known", scope="module")
def _known(place: tuple[bytes, Source]) -> list[tuple[bytes, Facts]]:
    """What stat(2) says of all that find(1) finds."""
    root = place[0]
    return [(path, Facts.of(path[len(root) + 1 :], os.lstat(path))) for path in indexes.found(root)]


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(conditions, some.sampled_from([0, 1 << 40]))
def test_what_is_found_is_what_meets_the_condition(
    place: tuple[bytes, Source], known: list[tuple[bytes, Facts]], condition: Condition, small: int
) -> None:
    """Whatever summaries tell, and whether they are asked: in parts that are not ``small``, to
    leave directories out; in those that are, to count."""
    expected = sorted(path for path, facts in known if meets(condition, facts, NOW))
    source = IndexSource(os.path.dirname(place[1].parts[0]), small=small)

    answer = find(source, condition, Limits(2), now=NOW)
    assert sorted(row[0] for batch in answer.rows for row in batch) == expected
    counted = count(source, condition, Limits(2), now=NOW)
    assert counted.entries == len(expected)
    sizes = {path: facts.size for path, facts in known if facts.type == "f"}
    assert counted.bytes == sum(sizes.get(path, 0) for path in expected)


def test_only_so_many(place: tuple[bytes, Source]) -> None:
    dummy, source = place
    answer = find(source, parse("size >= 0"), Limits(2, rows=5))
    assert len([row for batch in answer.rows for row in batch]) == 5
