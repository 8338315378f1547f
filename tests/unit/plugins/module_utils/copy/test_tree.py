# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of a whole tree on one machine."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy import tree
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.tests.support import compare, trees
from hypothesis import HealthCheck, given, settings

ROOT = os.geteuid() == 0
KEEP = frozenset(PRESERVE)


@pytest.fixture(name="pair")
def _pair(tmp_path: Path) -> tuple[bytes, bytes]:
    pair = os.fsencode(tmp_path / "source"), os.fsencode(tmp_path / "destination")
    for root in pair:
        os.mkdir(root)
    return pair


@pytest.mark.parametrize("workers", [1, 3, 20])  # 20 are threads
def test_hostile_tree_twice(pair: tuple[bytes, bytes], workers: int) -> None:
    source, destination = pair
    trees.build(source, trees.hostile())
    result = tree.copy_tree(source, destination, workers, KEEP)
    assert result.failures == []
    assert compare.compare_trees(source, destination) == []
    again = tree.copy_tree(source, destination, workers, KEEP)
    assert (again.files, again.changed, again.failures) == (0, 0, [])
    assert again.skipped == result.files
    assert compare.compare_trees(source, destination) == []


def test_flat_directory_is_split(
    pair: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, destination = pair
    monkeypatch.setattr(tree, "CHUNK", 50)
    trees.build(source, trees.flat(1234))
    os.link(os.path.join(source, b"flat", b"7"), os.path.join(source, b"flat", b"other"))
    told = []
    result = tree.copy_tree(source, destination, 2, KEEP, lambda *counts: told.append(counts))
    assert (result.files, result.failures) == (1235, [])
    assert sum(count for count, _bytes in told) == 1235
    assert compare.compare_trees(source, destination) == []


def test_deep_tree(pair: tuple[bytes, bytes]) -> None:
    source, destination = pair
    trees.build(source, trees.deep(60))
    try:
        assert tree.copy_tree(source, destination, 2, KEEP).failures == []
        assert compare.compare_trees(source, destination) == []
    finally:
        for root in pair:
            trees.remove(root)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.trees())
def test_any_tree(nodes: list[trees.Node]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pair = [os.fsencode(os.path.join(folder, name)) for name in "sd"]
        for root in pair:
            os.mkdir(root)
        trees.build(pair[0], nodes)
        try:
            assert tree.copy_tree(pair[0], pair[1], 2, KEEP).failures == []
            assert compare.compare_trees(*pair) == []
        finally:
            for root in pair:
                trees.remove(root)


def test_without_preserving(pair: tuple[bytes, bytes]) -> None:
    source, destination = pair
    trees.build(source, [trees.Node((b"a", b"file"), mode=0o777, data=((0, b"1"),), mtime=5)])
    os.link(os.path.join(source, b"a", b"file"), os.path.join(source, b"b"))
    umask = os.umask(0o027)
    try:
        assert tree.copy_tree(source, destination, 2, frozenset()).failures == []
    finally:
        os.umask(umask)
    found = os.stat(os.path.join(destination, b"b"))
    assert (found.st_mode & 0o777, found.st_nlink) == (0o750, 1)
    assert found.st_mtime > 5


def test_failures_do_not_stop_the_rest(pair: tuple[bytes, bytes]) -> None:
    source, destination = pair
    nodes = [trees.Node((name, b"file"), data=((0, name),)) for name in (b"a", b"b", b"c\n")]
    trees.build(source, nodes)
    os.makedirs(os.path.join(destination, b"a", b"file"))
    with open(os.path.join(destination, b"b"), "wb"):
        pass
    result = tree.copy_tree(source, destination, 2, KEEP)
    found = {(failure.path, failure.errno) for failure in result.failures}
    assert found == {(b"a/file", errno.EISDIR), (b"b", errno.ENOTDIR)}
    assert os.path.exists(os.path.join(destination, b"c\n", b"file"))


def test_unlistable_directory() -> None:
    if not ROOT:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        source, destination = (os.fsencode(os.path.join(folder, name)) for name in "sd")
        for path in (source, destination):
            os.mkdir(path)
        trees.build(source, [trees.Node((b"closed", b"file")), trees.Node((b"open", b"file"))])
        os.chmod(os.path.join(source, b"closed"), 0o711)
        os.chmod(destination, 0o777)
        os.chown(destination, 65534, 65534)
        pid = os.fork()
        if not pid:  # as another user
            code = 99
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                result = tree.copy_tree(source, destination, 2, KEEP)
                failed = [(f.path, f.operation, f.errno) for f in result.failures]
                code = 0 if failed == [(b"closed", "list", errno.EACCES)] else 1
                code += 2 * (not os.path.exists(destination + b"/open/file"))
                code += 4 * ("owner" not in result.losses.kinds)
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] >> 8 == 0


@pytest.mark.parametrize("inner", ["source", "destination", "same"])
def test_trees_in_each_other(tmp_path: Path, inner: str) -> None:
    outer, below = os.fsencode(tmp_path), os.fsencode(tmp_path / "below")
    os.mkdir(below)
    pair = {"source": (below, outer), "destination": (outer, below), "same": (outer, outer)}[inner]
    with pytest.raises(IngestError, match="in each other"):
        tree.copy_tree(pair[0], pair[1], 1, KEEP)


@pytest.mark.parametrize("chunk", [1, 1000])
def test_what_comes_after_the_listing_is_named(
    pair: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    source, destination = pair
    for name in (b"a/sub", b"z"):
        os.makedirs(os.path.join(source, name))
    for name in (b"a/1", b"a/2", b"z/1", b"z/2"):
        os.mknod(os.path.join(source, name))
    real = os.scandir

    def scandir(at: bytes) -> object:
        """What is in a moves up as it is to be listed: the root has been."""
        where = os.readlink(at) if at.startswith(b"/proc/self/fd/") else at
        if where == source + b"/a" and os.path.exists(source + b"/a/sub"):
            os.rename(source + b"/a/sub", source + b"/sub")
        return real(at)

    monkeypatch.setattr(tree, "CHUNK", chunk)
    monkeypatch.setattr(os, "scandir", scandir)
    result = tree.copy_tree(source, destination, 1, KEEP)
    monkeypatch.undo()
    failures = [(failure.path, failure.message) for failure in result.failures]
    assert [path for path, _message in failures] == [b""]
    assert "'sub' is new in the source and not in the destination" in failures[0][1]
    assert tree.copy_tree(source, destination, 1, KEEP).failures == []
    assert compare.compare_trees(source, destination) == []
