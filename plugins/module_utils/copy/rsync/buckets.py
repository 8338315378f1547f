# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stream of items cut into msrsync's buckets (https://github.com/jbd/msrsync): ``-f`` files and
``-s`` bytes bound one."""

from __future__ import annotations

from typing import Iterable, Iterator

BUCKET_BYTES = 1 << 30  # msrsync's own default


def buckets(items: Iterable[tuple[bytes, int]], files: int, size: int) -> Iterator[list[bytes]]:
    """Cut (path, bytes) into lists of at most ``files`` paths and ``size`` bytes; an item larger
    than that gets one for itself."""
    bucket: list[bytes] = []
    total = 0
    for path, count in items:
        if bucket and (len(bucket) >= files or total + count > size):
            yield bucket
            bucket, total = [], 0
        bucket.append(path)
        total += count
    if bucket:
        yield bucket
