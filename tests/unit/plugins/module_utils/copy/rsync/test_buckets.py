# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""msrsync's job: buckets, and many real rsyncs at once."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync import buckets
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync import (
    options as rsync_options,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core import units
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.tests.support import compare, trees
from hypothesis import given
from hypothesis import strategies as st

needs_rsync = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")


@given(st.lists(st.integers(0, 100)), st.integers(1, 7), st.integers(1, 150))
def test_buckets_hold_everything_within_their_bounds(
    sizes: list[int], files: int, size: int
) -> None:
    items = [(b"%d" % number, count) for number, count in enumerate(sizes)]
    made = list(buckets.buckets(iter(items), files, size))
    assert [path for bucket in made for path in bucket] == [path for path, _count in items]
    for bucket in made:
        assert 1 <= len(bucket) <= files
        assert len(bucket) == 1 or sum(sizes[int(path)] for path in bucket) <= size


def test_the_articles_rule() -> None:
    assert units.bucket_files(11_000) == 172  # the article says 170 for its 11 thousand
    assert units.bucket_files(64) == 1
    assert units.bucket_files(0) == 1
    assert units.bucket_files(1_000_000, 2000) == 2000


@pytest.fixture(name="pair")
def _pair(tmp_path: Path) -> tuple[bytes, bytes]:
    pair = os.fsencode(tmp_path / "source"), os.fsencode(tmp_path / "destination")
    for root in pair:
        os.mkdir(root)
    return pair


def arguments() -> list[str]:
    return rsync_options.command(rsync_options.find_rsync("here"), frozenset(PRESERVE), [])


def walk(source: bytes, destination: bytes) -> Iterator[tuple[bytes, int]]:
    """The items, their directories made on the way."""
    for folder, _dirs, files in os.walk(source):
        relative = os.path.relpath(folder, source)
        os.makedirs(os.path.join(destination, relative), exist_ok=True)
        for name in files:
            path = os.path.join(folder, name)
            yield os.path.relpath(path, source), os.lstat(path).st_size


@needs_rsync
def test_what_breaks_msrsync_itself(pair: tuple[bytes, bytes]) -> None:
    """Names that are no UTF-8, newlines; and a failing item is a failure, not exit status 0."""
    source, destination = pair
    trees.build(source, [trees.Node((b"d", name), data=((0, name),)) for name in trees.NAMES])
    items = [*walk(source, destination), (b"d/missing\xff\n", 1)]
    told: list[tuple[int, int]] = []
    done = buckets.run(
        arguments(),
        source,
        destination,
        iter(items),
        4,
        5,
        1 << 20,
        progress=lambda *counts: told.append(counts),
    )
    assert done.buckets == -(-len(items) // 5)
    assert done.result.files == len(items) - 1
    assert [failure.path for failure in done.result.failures] == [b"d/missing\xff\n"]
    assert sum(files for files, _bytes in told) == len(items) - 1
    assert compare.compare_trees(source, destination, ignore={"mtime"}) == []


@needs_rsync
def test_the_stream_is_taken_as_it_is_needed(pair: tuple[bytes, bytes]) -> None:
    source, destination = pair
    trees.build(source, trees.flat(60))
    running: list[int] = []
    lock = threading.Lock()

    def stream() -> Iterator[tuple[bytes, int]]:
        for number, item in enumerate(walk(source, destination)):
            with lock:
                running.append(number)
            yield item

    seen: list[int] = []
    done = buckets.run(
        arguments(),
        source,
        destination,
        stream(),
        2,
        10,
        1 << 20,
        progress=lambda _files, _bytes: seen.append(len(running)),
    )
    assert done.result.files == 60
    assert seen[0] < 60, "the first bucket was copied before the last was known"


@needs_rsync
def test_a_failing_stream_is_raised(pair: tuple[bytes, bytes]) -> None:
    def stream() -> Iterator[tuple[bytes, int]]:
        raise ValueError("no more")
        yield b"", 0

    with pytest.raises(ValueError, match="no more"):
        buckets.run(arguments(), pair[0], pair[1], stream(), 3)
