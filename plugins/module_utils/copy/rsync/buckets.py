# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""msrsync's job: a stream of items cut into buckets, several rsync processes at once.

After https://github.com/jbd/msrsync: ``-f`` files and ``-s`` bytes bound a bucket, ``-p`` the
processes.
"""

from __future__ import annotations

import threading
from typing import Callable, Iterable, Iterator, Sequence

from .two_phases import Result, two_phases

BUCKET_FILES = 1000  # msrsync's own defaults
BUCKET_BYTES = 1 << 30


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


class Statistics:
    """Of a run: its sum, how many buckets it took, the longest of them in seconds."""

    def __init__(self) -> None:
        self.result = Result()
        self.buckets = 0
        self.longest = 0.0

    def add(self, result: Result) -> None:
        """Count one bucket."""
        self.buckets += 1
        self.longest = max(self.longest, result.seconds)
        self.result.add(result)


def run(
    arguments: Sequence[str],
    source: bytes,
    destination: bytes,
    items: Iterable[tuple[bytes, int]],
    processes: int,
    files: int = BUCKET_FILES,
    size: int = BUCKET_BYTES,
    verify: str = "metadata",
    progress: Callable[[int, int], None] | None = None,
) -> Statistics:
    """Copy items with ``processes`` rsyncs at once, each bucket in both phases.

    The items are taken as they are needed, so a stream of any length takes little memory. Their
    directories must exist. ``progress`` is called from several threads, never at the same time.
    """
    statistics = Statistics()
    stream = buckets(items, files, size)
    taking, counting = threading.Lock(), threading.Lock()
    errors: list[BaseException] = []

    def tell(count: int, moved: int) -> None:
        with counting:
            if progress:
                progress(count, moved)

    def work() -> None:
        try:
            while not errors:
                with taking:
                    bucket = next(stream, None)
                if bucket is None:
                    return
                result = two_phases(arguments, source, destination, bucket, verify, tell)
                with counting:
                    statistics.add(result)
        except BaseException as error:  # the caller's iterator, or its progress
            errors.append(error)

    threads = [threading.Thread(target=work) for dummy in range(max(1, processes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return statistics
