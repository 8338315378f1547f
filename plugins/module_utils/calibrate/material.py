# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the trials copy: some files of the source, or files made for it that have their sizes."""

from __future__ import annotations

import base64
import os
import random
import stat
import time
import zlib
from bisect import bisect_left
from itertools import groupby
from operator import attrgetter
from typing import Callable, Iterable, NamedTuple, Sequence

from ..core.errors import IngestError
from ..core.paths import display, join
from ..core.vocabulary import Kind
from ..core.want import Want, want_of
from ..fs.directories import DirCache
from ..plan.shards import CopyRow, body, read_line

MOST_FILES = 12_000
SMALL = 16 << 20  # bytes: what counts by files has none that are larger
_RUN = 200  # entries of one directory, at most
_LOCAL = 2_000  # files that are made on the client
_LOCAL_LARGEST = {"files": 4 << 20, "bytes": 32 << 20}  # of those, in bytes
_BLOCK = 1 << 20
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class File(NamedTuple):
    """A regular file, as it is in its tree."""

    directory: bytes
    name: bytes
    want: Want


class Material(NamedTuple):
    """Files of the tree ``root``, those of a directory one after the other."""

    root: bytes
    files: list[File]


def to_ascii(files: Iterable[File]) -> str:
    """Files as text that any channel carries."""
    lines = [
        body(directory, [CopyRow(file.name, file.want).encode() for file in group])
        for directory, group in groupby(files, key=attrgetter("directory"))
    ]
    return base64.b64encode(zlib.compress(b"\n".join(lines), 6)).decode("ascii")


def from_ascii(text: str) -> list[File]:
    """The inverse of :func:`to_ascii`."""
    found: list[File] = []
    for line in zlib.decompress(base64.b64decode(text)).splitlines():
        directory, rows = read_line(Kind.COPY, line)
        found += [File(directory, row.name, row.want) for row in rows]
    return found


def look(
    root: bytes, seconds: float, check: Callable[[], None], most: int = MOST_FILES, seed: int = 0
) -> list[File]:
    """Some files of a tree that nobody has scanned: of directories that chance picks, for so many
    seconds. ``check`` is called often. Raises IngestError: the tree can't be listed."""
    chance = random.Random(seed)
    try:
        tree = DirCache(root)
    except OSError as error:
        raise IngestError(f"'{display(root)}' can't be listed: {error.strerror}") from error
    found: list[File] = []
    waiting = [b""]
    until = time.monotonic() + seconds
    try:
        while waiting and len(found) < most and time.monotonic() < until:
            check()
            at = chance.randrange(len(waiting))
            waiting[at], waiting[-1] = waiting[-1], waiting[at]
            path = waiting.pop()
            try:
                _look_into(tree, path, found, waiting)
            except OSError as error:
                if not path:
                    raise IngestError(
                        f"'{display(root)}' can't be listed: {error.strerror}"
                    ) from error
    finally:
        tree.close()
    return found[:most]


def _look_into(tree: DirCache, path: bytes, found: list[File], below: list[bytes]) -> None:
    fd = os.open(b".", _LIST, dir_fd=tree.get(path).fd)
    taken = 0
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    below.append(join(path, name))
                elif taken < _RUN and entry.is_file(follow_symlinks=False):
                    found.append(File(path, name, want_of(entry.stat(follow_symlinks=False))))
                    taken += 1
                if len(below) > MOST_FILES:
                    break
    finally:
        os.close(fd)


def usable(files: Sequence[File], bound: str) -> list[File]:
    """Those that a trial copies, where ``bound`` counts: of a tree of small files no large ones,
    which a trial would not finish; of large files those that have something in them."""
    if bound == "files":
        return [file for file in files if file.want.size <= SMALL]
    return [file for file in files if file.want.size > 0]


def make_local(folder: bytes, sizes: Sequence[int], bound: str) -> Material:
    """Files of about these sizes (bytes) in a new folder on this client, many names for each.

    What is written from there says how fast the destination is without the source. Raises
    IngestError.
    """
    largest = _LOCAL_LARGEST[bound]
    step = max(1, len(sizes) // _LOCAL)
    wanted = [min(_rounded(size), largest) for size in sizes[::step]][:_LOCAL]
    made: dict[int, bytes] = {}
    files: list[File] = []
    block = os.urandom(_BLOCK)
    try:
        os.mkdir(folder, 0o700)
        root = os.open(folder, _LIST)
        try:
            for number, size in enumerate(wanted):
                directory, name = b"d%d" % (number // 50), b"f%d" % number
                if number % 50 == 0:
                    os.mkdir(directory, 0o700, dir_fd=root)
                path = join(directory, name)
                if size in made:
                    os.link(made[size], path, src_dir_fd=root, dst_dir_fd=root)
                else:
                    _write(root, path, size, block)
                    made[size] = path
                found = os.stat(path, dir_fd=root, follow_symlinks=False)
                files.append(File(directory, name, want_of(found)))
        finally:
            os.close(root)
    except OSError as error:
        raise IngestError(
            f"files for the calibration can't be made in '{display(folder)}': {error.strerror}"
        ) from error
    return Material(folder, files)


def _write(root: int, path: bytes, size: int, block: bytes) -> None:
    fd = os.open(path, _NEW, 0o600, dir_fd=root)
    try:
        left = size
        while left:
            left -= os.write(fd, block[:left])
    finally:
        os.close(fd)


def _rounded(size: int) -> int:
    """Four sizes for each power of two, so that few files stand for all."""
    if size < 4096:
        return size
    power = 1 << (size.bit_length() - 1)
    quarters = [power + power * part // 4 for part in range(5)]
    return quarters[bisect_left(quarters, size)]


def is_as_known(root: int, file: File) -> bool:
    """Whether a file is what it was when it was chosen. Raises OSError."""
    found = os.stat(join(file.directory, file.name), dir_fd=root, follow_symlinks=False)
    return stat.S_ISREG(found.st_mode) and found.st_size == file.want.size
