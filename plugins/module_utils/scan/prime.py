# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""prime: count a tree in parallel and, on request, read it once to warm a cache."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
import zlib
from typing import Any, Callable, NamedTuple

from ..core.errors import IngestError
from ..core.outcome import Failure
from ..core.paths import display, join, split
from ..core.processes import SMALL
from ..core.task_pool import Task, TaskPool
from ..core.units import bucket_files
from ..fs.directories import DirCache
from ..fs.listing import Run, listed, reading
from ..fs.worker_count import waits, workers_for

SKIP = frozenset((b".snapshot", b".zfs"))
_LIST, _FILES, _PART = range(3)
_NAMES = 100  # small files in one task
_BATCH = 16
_BLOCK = 1 << 20  # bytes, as the article's tool reads
_RANGE = 64 << 20  # bytes of a file that one worker reads in one go
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Part(NamedTuple):
    """Part ``number`` (from 0) of ``of``: the files whose path falls to it, the same wherever and
    whenever it is asked, without a list."""

    number: int = 0
    of: int = 1

    def has(self, path: bytes) -> bool:
        """Whether a path belongs to this part."""
        return self.of == 1 or zlib.crc32(path) % self.of == self.number


WHOLE = Part()


class Counts:
    """What was found and read. ``others`` are links, fifos, sockets and devices."""

    NAMES = ("files", "directories", "others", "bytes", "files_read", "bytes_read")

    def __init__(self) -> None:
        self.files = self.directories = self.others = self.bytes = 0
        self.files_read = self.bytes_read = 0
        self.seconds = 0.0
        self.failures: list[Failure] = []

    @property
    def items(self) -> int:
        """What ``find | wc -l`` counts."""
        return self.files + self.directories + self.others

    @property
    def per_process(self) -> int:
        """The article's number for msrsync's ``-f``: the items divided by 64, rounded up."""
        return bucket_files(self.items)


def prime(
    directory: bytes,
    workers: object = "auto",
    read: bool = False,
    part: Part = WHOLE,
    skip: frozenset[bytes] = SKIP,
    progress: Callable[[Counts], None] | None = None,
) -> Counts:
    """Count everything below a directory, itself included, and ``read`` the part's files once.

    Symbolic links are not followed; what is called as in ``skip`` is left out. ``progress`` is
    called often with the counts so far.

    Raises:
        IngestError: the directory can't be opened, ``workers`` is neither a number nor ``auto``,
            or a worker ended.
    """
    if not os.path.isdir(directory):
        raise IngestError(f"'{display(directory)}' does not exist, or is not a directory")
    started = time.monotonic()
    result = Counts()
    waiting: list[Task] = [(_LIST, b"")]

    def fetch() -> list[Task]:
        many = len(waiting) // (2 * pool.size)
        tasks: list[Task] = []
        length = 0
        while waiting and len(tasks) < max(1, min(_BATCH, many)) and length < SMALL:
            tasks.append(waiting.pop())
            length += len(tasks[-1][1]) + 20
            if tasks[-1][0] != _LIST:
                break
        return tasks

    def take(report: tuple[Any, ...]) -> None:
        more, counts, failures = report
        waiting.extend(more)
        for name, value in zip(Counts.NAMES, counts):
            setattr(result, name, getattr(result, name) + value)
        result.failures += [Failure(*failure) for failure in failures]
        result.seconds = time.monotonic() - started
        if progress:
            progress(result)

    pool = TaskPool(
        workers_for((directory,), workers), lambda: _Worker(directory, read, part, skip).batch
    )
    try:
        pool.drain(fetch, take)
    finally:
        pool.close()
    result.seconds = time.monotonic() - started
    return result


class _Worker:
    """Lists and reads in one process."""

    def __init__(self, root: bytes, read: bool, part: Part, skip: frozenset[bytes]) -> None:
        self._tree = DirCache(root)
        self._remote = waits(root)
        self._reads = read
        self._part = part
        self._skip = skip
        self._buffer = memoryview(bytearray(_BLOCK))
        self._more: list[Task] = []
        self._counts = Counts()

    def batch(self, tasks: list[Task]) -> tuple[Any, ...]:
        """Do these, and report what is to be done next, the counts, the failures."""
        for task in tasks:
            if task[0] == _LIST:
                self._list(task[1])
            elif task[0] == _FILES:
                for name in task[2].split(b"/"):
                    self._read(join(task[1], name), 0, True)
            else:
                self._read(task[1], task[2], task[3])
        counts, self._counts = self._counts, Counts()
        more, self._more = self._more, []
        return (
            more,
            [getattr(counts, name) for name in Counts.NAMES],
            [tuple(failure) for failure in counts.failures],
        )

    def _fail(self, path: bytes, operation: str, error: OSError) -> None:
        self._counts.failures.append(
            Failure(path, operation, error.errno or 0, error.strerror or str(error))
        )

    def _list(self, path: bytes) -> None:
        self._counts.directories += 1
        small: list[bytes] = []
        try:
            descriptor = reading(self._tree.get(path).fd)
            try:
                for run in listed(descriptor, self._remote, wanted=self._wanted):
                    self._take(path, run, small)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._fail(path, "list", error)
        for at in range(0, len(small), _NAMES):
            self._more.append((_FILES, path, b"/".join(small[at : at + _NAMES])))

    def _wanted(self, name: bytes, _is_directory: bool) -> bool:
        return name not in self._skip

    def _take(self, directory: bytes, run: Run, small: list[bytes]) -> None:
        counts = self._counts
        self._more += [(_LIST, join(directory, name)) for name, _found in run.directories]
        for name, error in run.failed:
            self._fail(join(directory, name), "stat", error)
        counts.files += len(run.files)
        counts.others += len(run.others)
        counts.bytes += sum(found.st_size for _name, found in run.files)
        if not self._reads:
            return
        for name, found in run.files:
            path, length = join(directory, name), found.st_size
            if not self._part.has(path):
                continue
            if length <= _RANGE:
                small.append(name)
                continue
            for offset in range(0, length, _RANGE):
                self._more.append((_PART, path, offset, offset + _RANGE >= length))

    def _read(self, path: bytes, offset: int, last: bool) -> None:
        """Read a range of a file, the last one to wherever it ends by now."""
        counts = self._counts
        directory, name = split(path)
        try:
            fd = os.open(name, _OPEN, dir_fd=self._tree.get(directory).fd)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise OSError(errno.ESTALE, "is no longer a regular file")
                # What this client holds already would not ask the cache for it.
                os.posix_fadvise(fd, offset, _RANGE, os.POSIX_FADV_DONTNEED)
                end = sys.maxsize if last else offset + _RANGE
                while offset < end:
                    done = os.preadv(fd, [self._buffer[: min(_BLOCK, end - offset)]], offset)
                    if not done:
                        break
                    offset += done
                    counts.bytes_read += done
                counts.files_read += last
            finally:
                os.close(fd)
        except OSError as error:
            self._fail(path, "read", error)
