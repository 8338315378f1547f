# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Items: nothing lost, nothing twice; tables and plain files as find, du and sed make them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.units import human
from ansible_collections.scaleout.ingest.plugins.module_utils.index.directory_sizes import (
    subtrees,
    write_table,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.index.items import count_items, items
from ansible_collections.scaleout.ingest.plugins.module_utils.index.plain_files import (
    lines,
    write_files,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.tests.support import indexes, trees
from ansible_collections.scaleout.ingest.tests.support.indexes import scan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Depth = Optional[int]
DEPTHS = [
    (None, None),
    (None, 0),
    (0, None),
    (0, 0),
    (None, 1),
    (1, 1),
    (None, 2),
    (1, 2),
    (0, 2),
    (2, None),
    (2, 3),
    (1, 4),
    (4, 4),
    (9, 9),
]


@contextmanager
def indexed(nodes: list[trees.Node], **options: object) -> Iterator[tuple[bytes, Index]]:
    """A tree and its index."""
    folder = tempfile.mkdtemp()
    root = os.fsencode(folder) + b"/source"
    try:
        os.mkdir(root)
        trees.build(root, nodes)
        scan(root, folder + "/index", workers=2, **options)  # type: ignore[arg-type]
        index = Index(folder + "/index")
        yield root, index
        index.close()
    finally:
        trees.remove(os.fsencode(folder))


def check_items(index: Index, low: Depth, high: Depth) -> None:
    """What the docstring of items() promises."""
    found = list(items(index, low, high))
    numbers = [number for number, dummy, dummy_entry in found]
    assert numbers == sorted(numbers)
    assert sorted(set(numbers)) == list(range(len(set(numbers))))
    assert count_items(index, low, high) == len(set(numbers))
    assert list(items(index, low, high)) == found

    def path(directory: bytes, name: bytes) -> bytes:
        return directory + b"/" + name if directory else name

    everything = indexes.contents(index)
    entries = [path(directory, entry.name) for dummy, directory, entry in found]
    assert len(set(entries)) == len(entries)
    for (_number, _directory, entry), name in zip(found, entries):
        assert everything[name][0] == entry.type
    # Each directory is an item or comes to be by what is in it.
    implied = {b""}
    for name in entries:
        parts = name.split(b"/")
        implied |= {b"/".join(parts[:n]) for n in range(1, len(parts) + 1)}
    assert implied == set(everything)

    first = high if low is None else low
    home: dict[int, bytes] = {}
    for (number, directory, entry), name in zip(found, entries):
        depth = directory.count(b"/") + 1 if directory else 0
        if entry.type == "d" and (high is None or depth < high):
            key = b"empty\0" + name
        elif first is None or depth < first:
            key = b"each\0" + name
        elif high is None or depth < high:
            key = b"direct\0" + directory
        else:
            key = b"whole\0" + b"/".join(directory.split(b"/")[:high] if high else [])
        if entry.type == "d" and high is not None and depth + 1 == high:
            key = b"whole\0" + name
        assert home.setdefault(number, key) == key
    assert len(set(home.values())) == len(home)


@pytest.mark.parametrize(("low", "high"), DEPTHS)
def test_items_of_the_hostile_tree(low: Depth, high: Depth) -> None:
    with indexed(trees.hostile()) as (_root, index):
        check_items(index, low, high)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.trees(), st.lists(st.sampled_from(DEPTHS), min_size=1, max_size=4, unique=True))
def test_items_of_any_tree(nodes: list[trees.Node], limits: list[tuple[Depth, Depth]]) -> None:
    with indexed(nodes) as (_root, index):
        for low, high in limits:
            check_items(index, low, high)


def test_items_of_nothing() -> None:
    with indexed([]) as (_root, index):
        for low, high in DEPTHS:
            assert not list(items(index, low, high))
            assert not list(lines(index, low, high))


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (-1, None, "min_depth: -1 is negative"),
        (None, -2, "max_depth: -2 is negative"),
        (3, 2, "min_depth: 3 is more than max_depth 2"),
    ],
)
def test_bad_depths_are_named(low: Depth, high: Depth, message: str) -> None:
    with indexed([]) as (_root, index):
        for function in (items, count_items, subtrees, lines):
            with pytest.raises(IngestError, match=message):
                function(index, low, high)


def test_no_index_is_said(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="there is no index in"):
        Index(str(tmp_path))
    (tmp_path / "0.db").write_text(
        "this is no database, though it is long enough to be taken for one" * 20
    )
    with pytest.raises(IngestError, match="is not a part of an index"):
        Index(str(tmp_path))


# ---------------------------------------------------------------- find, du, sed


def run(*command: object, cwd: bytes) -> bytes:
    """What a program prints."""
    return subprocess.run([*command], cwd=cwd, stdout=subprocess.PIPE, check=True).stdout  # type: ignore[list-item]


def check_subtrees(root: bytes, index: Index, low: Depth, high: Depth) -> None:
    """The article's loop gives the same directories, counts and sizes."""
    first = 1 if high is None and low is None else high if low is None else low
    last = 1 if high is None and low is None else high
    depth = ["-mindepth", str(first)] + ([] if last is None else ["-maxdepth", str(last)])
    found = run("find", "-P", ".", *depth, "-type", "d", "-print0", cwd=root).split(b"\0")[:-1]
    rows = list(subtrees(index, low, high))
    assert [row.path for row in rows] == sorted(
        (n[2:] for n in found), key=lambda n: n.replace(b"/", b"\0")
    )
    for row in rows:
        at = b"./" + row.path
        assert row.entries == run("find", at, "-printf", "x", cwd=root).count(b"x")
        kilobytes, human_size = (
            run("du", *options, "--", at, cwd=root).split(b"\t")[0].decode()
            for options in (["-sB1"], ["-sh"])
        )
        assert (row.disk, human(row.disk)) == (int(kilobytes), human_size)


@pytest.mark.parametrize(
    ("low", "high"), [(None, None), (None, 0), (None, 1), (1, 2), (0, None), (2, 2)]
)
def test_subtrees_of_the_hostile_tree(low: Depth, high: Depth) -> None:
    with indexed(trees.hostile()) as (root, index):
        check_subtrees(root, index, low, high)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.trees(), st.sampled_from([(None, None), (0, None), (None, 2), (1, 3)]))
def test_subtrees_of_any_tree(nodes: list[trees.Node], limits: tuple[Depth, Depth]) -> None:
    with indexed(nodes) as (root, index):
        check_subtrees(root, index, *limits)


def test_table(tmp_path: Path) -> None:
    nodes = [
        trees.Node((b"new\nline", b"f"), data=((0, b"x" * 5000),)),
        trees.Node((b"b",), "d", mode=0o700),
    ]
    with indexed(nodes) as (_root, index):
        assert write_table(str(tmp_path / "t"), subtrees(index)) == 2
    rows = [line.split("\t") for line in (tmp_path / "t").read_text().splitlines()]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("1", "0", "b"),
        ("2", "5000", "new\\nline"),
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1023, "1023"),
        (1024, "1.0K"),
        (1025, "1.1K"),
        (10188, "10K"),
        (10240, "10K"),
        (10241, "11K"),
        (1047552, "1023K"),
        (1047553, "1.0M"),
        (1048576, "1.0M"),
        (5 << 30, "5.0G"),
        ((5 << 30) + 1, "5.1G"),
    ],
)
def test_human(size: int, text: str) -> None:
    assert human(size) == text


FOUR = [
    trees.Node((b"a", b"b", b"c%d" % n, b"d%d" % m, b"e", b"f"), size=1)
    for n in range(3)
    for m in range(4)
]


def read(folder: Path, clients: int) -> tuple[bytes, list[bytes]]:
    """The manifest and the clients' files."""
    return (folder / "manifest").read_bytes(), [
        (folder / ("client%d" % (n + 1))).read_bytes() for n in range(clients)
    ]


@pytest.mark.parametrize("clients", [1, 4, 5, 20])
@pytest.mark.parametrize("separator", ["null", "newline"])
def test_plain_files_are_those_of_find_and_sed(
    tmp_path: Path, clients: int, separator: str
) -> None:
    with indexed(FOUR) as (root, index):
        number = write_files(str(tmp_path), index, clients, separator, max_depth=4)
        end = b"\0" if separator == "null" else b"\n"
        manifest, parts = read(tmp_path, clients)
        found = run(
            "find",
            ".",
            "-mindepth",
            "4",
            "-maxdepth",
            "4",
            "-type",
            "d",
            "-printf",
            "%P\\0",
            cwd=root,
        )
        assert sorted(manifest.split(end)) == sorted(found.split(b"\0"))
        assert number == manifest.count(end) == 12
        for n, part in enumerate(parts, 1):
            options = ["-z"] if separator == "null" else []
            assert part == run(
                "sed",
                *options,
                "-n",
                "%d~%dp" % (n, clients),
                "manifest",
                cwd=os.fsencode(tmp_path),
            )


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.trees(), st.sampled_from(DEPTHS), st.booleans())
def test_copying_every_line_copies_everything_once(
    nodes: list[trees.Node], limits: tuple[Depth, Depth], filtered: bool
) -> None:
    options = {"exclude": [b"a"]} if filtered else {}
    with indexed(nodes, **options) as (root, index), tempfile.TemporaryDirectory() as folder:
        wanted = set(indexes.contents(index))
        copy = os.path.join(os.fsencode(folder), b"copy")
        os.mkdir(copy)
        for line in lines(index, *limits):
            target = os.path.join(copy, line)
            assert line == b"." or not os.path.lexists(target)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if (
                filtered
                and os.path.isdir(os.path.join(root, line))
                and not os.path.islink(os.path.join(root, line))
            ):
                os.mkdir(target)
            else:
                run("cp", "-P", "-R", "-T", "--", os.path.join(root, line), target, cwd=root)
        assert set(indexes.tree(copy)) == wanted
        trees.remove(copy)


def test_a_newline_is_refused_and_nothing_written(tmp_path: Path) -> None:
    (tmp_path / "manifest").write_text("old")
    with indexed([*FOUR, trees.Node((b"z\nz",))]) as (_root, index):
        with pytest.raises(
            IngestError, match=r"'z\\nz' has a newline in its name .* use separator: null"
        ):
            write_files(str(tmp_path), index, 3, "newline")
        assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("manifest", "old")]
        assert write_files(str(tmp_path), index, 3) == 13


def test_files_of_more_clients_are_removed(tmp_path: Path) -> None:
    with indexed(FOUR) as (_root, index):
        write_files(str(tmp_path), index, 5)
        write_files(str(tmp_path), index, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["client1", "client2", "manifest"]


@pytest.mark.parametrize(
    ("clients", "separator", "message"),
    [(0, "null", "clients: 0 is not between"), (2, "comma", "separator: 'comma' is neither")],
)
def test_bad_plain_files_are_named(
    tmp_path: Path, clients: int, separator: str, message: str
) -> None:
    with indexed(FOUR) as (_root, index), pytest.raises(IngestError, match=message):
        write_files(str(tmp_path), index, clients, separator)
    assert not list(tmp_path.iterdir())
