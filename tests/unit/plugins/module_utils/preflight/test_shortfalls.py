# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentences for what will not survive: only for what the tree has and what is to be kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight.shortfalls import (
    clashes,
    in_general,
    in_tree,
)
from ansible_collections.scaleout.ingest.tests.support import trees
from ansible_collections.scaleout.ingest.tests.support.indexes import scan

Node = trees.Node
SECOND = 10**9
NFS3 = {
    "user_xattrs": "not supported",
    "trusted_xattrs": "not supported",
    "security_xattrs": "not supported",
    "acls": "Input/output error",
}
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # holds any time


@pytest.fixture
def folder() -> Iterator[str]:
    made = tempfile.mkdtemp(prefix="shortfalls-", dir=MEMORY)
    yield made
    trees.remove(os.fsencode(made + "/source"))
    shutil.rmtree(made, ignore_errors=True)


def holds(*lacks: str, **other: Any) -> dict[str, Any]:
    """A perfect destination but for what it lacks."""
    return {
        "lacks": dict.fromkeys(lacks, "why"), "source_lacks": [], "granularity": 1,
        "oldest": None, "newest": None, "longest_name": 255, "uid": 0, "owner": 0, **other,
    }  # fmt: skip


def indexed(folder: str, nodes: list[trees.Node]) -> Index:
    """The index of a tree of these nodes."""
    source = os.fsencode(folder + "/source")
    os.mkdir(source)
    trees.build(source, nodes)
    scan(source, folder + "/index", workers=2)
    return Index(folder + "/index")


def everything() -> list[trees.Node]:
    return [
        Node((b"d", b"file"), data=((0, b"x"),)),
        Node((b"d", b"hard"), "h", target=(b"d", b"file")),
        Node((b"d", b"link"), "l", target=b"file"), Node((b"d", b"fifo"), "p"),
        Node((b"d", b"bytes\xff")), Node((b"d", b"n" * 200)), Node((b"d", b"setuid"), mode=0o4755),
        Node((b"d", b"early"), mtime=-5 * SECOND),
        Node((b"d", b"late"), mtime=9_000_000_000 * SECOND),
        Node((b"d", b"later"), mtime=15_032_385_536 * SECOND),
        Node((b"late directory",), "d", mtime=5_000_000_000 * SECOND),
    ]  # fmt: skip


def test_a_perfect_destination_needs_no_words(folder: str) -> None:
    index = indexed(folder, everything())
    assert in_general(holds(), PRESERVE) == []
    assert in_tree(holds(), PRESERVE, index) == []
    clashes(holds(), index)
    assert (
        in_general({}, PRESERVE) == in_tree({}, PRESERVE, index) == []
    )  # check mode tries nothing


@pytest.mark.parametrize(
    "kind, sentence",
    [
        ("symbolic_links", "the destination can't hold symbolic links: 'd/link' will fail (why)"),
        ("fifos", "the destination can't hold fifos: 'd/fifo' will fail (why)"),
        ("sockets", None),
        ("devices", None),
        ("hard_links", "the destination has no hard links: 2 entries such as 'd/"),
        (
            "any_name",
            "the destination takes no names that aren't UTF-8: 'd/bytes\\xff' will fail (why)",
        ),
        ("set_id", "the destination takes set-id bits off: those of 'd/setuid' (why)"),
        ("link_times", "the destination keeps no times of symbolic links: those of 'd/link' (why)"),
        ("acls", None),
    ],
)
def test_what_the_tree_has(folder: str, kind: str, sentence: str) -> None:
    index = indexed(folder, everything())
    found = in_tree(holds(kind), PRESERVE, index)
    assert [line[: len(sentence)] for line in found] == [sentence] if sentence else found == []
    assert in_tree(holds(kind), (), index) == (
        [] if kind in ("hard_links", "set_id", "link_times") else found
    )


@pytest.mark.parametrize(
    "oldest, newest, count, years",
    [
        (0, (1 << 32) - 1, 4, "before 1970 and none after 2106"),
        (0, None, 1, "before 1970"),
        (-(1 << 31), (1 << 31) - 1, 3, "before 1901 and none after 2038"),
        (-(1 << 31), 15_032_385_535, 1, "before 1901 and none after 2446"),
        (None, None, 0, ""),
    ],
)
def test_times_out_of_range(folder: str, oldest: Any, newest: Any, count: int, years: str) -> None:
    index = indexed(folder, everything())
    found = in_tree(holds(oldest=oldest, newest=newest), PRESERVE, index)
    if not count:
        assert found == []
        return
    (line,) = found
    assert line.startswith(f"the destination keeps no times {years}: those of ")
    assert ("%d entries such as " % count in line) == (count > 1)
    assert in_tree(holds(oldest=oldest, newest=newest), ["mode"], index) == []


def test_long_names(folder: str) -> None:
    index = indexed(folder, everything())
    (line,) = in_tree(holds(longest_name=143), PRESERVE, index)
    assert line == f"the destination takes names of at most 143 bytes: 'd/{'n' * 200}' will fail"
    assert in_tree(holds(longest_name=200), PRESERVE, index) == []


def test_owners_of_others(folder: str) -> None:
    if os.geteuid():
        pytest.skip("needs root: owners")
    os.mkdir(folder + "/source")
    for name in ("a", "b"):
        with open(folder + "/source/" + name, "wb"):
            pass
    os.chown(folder + "/source/b", 1, 1)
    scan(os.fsencode(folder + "/source"), folder + "/index", workers=1)
    index = Index(folder + "/index")
    (line,) = in_tree(holds(uid=1, owner=1), PRESERVE, index)
    assert line == "only root keeps owners: 'a' will belong to user 1"
    assert in_tree(holds(uid=1, owner=1), ["mode"], index) == []


def test_what_no_index_tells() -> None:
    assert in_general(holds(lacks=NFS3), PRESERVE) == [
        "the destination keeps no extended attributes (not supported)",
        "the destination keeps no POSIX ACLs (Input/output error)",
    ]
    assert in_general(holds(lacks=NFS3), ["mode", "times"]) == []
    assert in_general(holds("trusted_xattrs"), PRESERVE) == [
        "the destination keeps no extended attributes trusted.* (why)"
    ]
    squashed = holds("owner", owner=65534)
    (line,) = in_general(squashed, PRESERVE)
    assert line == "the destination takes root for the user 65534 (root squash): it keeps no owners"
    assert in_general(holds("owner"), PRESERVE) == ["the destination keeps no owners (why)"]
    assert in_general(holds(granularity=SECOND), PRESERVE) == [
        "the destination keeps times in steps of 1 s"
    ]
    assert in_general(holds(granularity=100), PRESERVE) == [
        "the destination keeps times in steps of 100 ns"
    ]
    assert len(in_general(holds("mode", "sparse"), PRESERVE)) == 2


def test_names_that_become_one(folder: str) -> None:
    accent = [b"caf\xc3\xa9", b"cafe\xcc\x81"]
    index = indexed(folder, [
        Node((b"a", b"README")), Node((b"a", b"other")), Node((b"b", b"readme")),
        Node((b"b", accent[0])), Node((b"b", accent[1])),
        Node((b"c", b"\xff")), Node((b"c", b"\xfe")),
    ])  # fmt: skip
    clashes(holds(), index)
    clashes(holds("case"), index)
    with pytest.raises(
        IngestError, match="^'b/café?.*' and 'b/café?.*' would be one file .*where why: rename"
    ):
        clashes(holds("forms"), index)


@pytest.mark.parametrize("nodes", [
    [Node((b"a", b"README")), Node((b"a", b"Readme"))],
    [Node((b"a", b"x")), Node((b"A", b"y"))],
    [Node((b"a", b"same"), "d"), Node((b"a", b"SAME"))],
], ids=["files", "directories", "file and directory"])  # fmt: skip
def test_names_that_differ_in_case(folder: str, nodes: list[trees.Node]) -> None:
    with pytest.raises(IngestError, match="would be one file at the destination"):
        clashes(holds("case"), indexed(folder, nodes))
