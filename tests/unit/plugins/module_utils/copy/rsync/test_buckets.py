# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""msrsync's job: buckets, and many real rsyncs at once."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync import buckets
from ansible_collections.scaleout.ingest.plugins.module_utils.core import units
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
