# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A condition finds what find(1) finds on the same tree."""

from __future__ import annotations

import os
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.search.guard import Limits
from ansible_collections.scaleout.ingest.plugins.module_utils.search.language import parse
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import (
    IndexSource,
    Source,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.where import count, find
from ansible_collections.scaleout.ingest.tests.support import indexes, trees


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


def test_only_so_many(place: tuple[bytes, Source]) -> None:
    dummy, source = place
    answer = find(source, parse("size >= 0"), Limits(2, rows=5))
    assert len([row for batch in answer.rows for row in batch]) == 5
