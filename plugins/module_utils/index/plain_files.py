# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest as plain files for anyone's own copy loop: manifest, client1 … clientN."""

from __future__ import annotations

import os
from typing import Any, BinaryIO, Iterator

from ..core.errors import IngestError
from ..core.paths import display, join
from .items import INSIDE, WHOLE, Depths, depths, is_empty
from .reader import Index

SEPARATORS = {"null": b"\0", "newline": b"\n"}
MAX_CLIENTS = 900  # each has its file open


def lines(
    index: Index, min_depth: int | None = None, max_depth: int | None = None
) -> Iterator[bytes]:
    """Relative paths which, each copied with all below, give the whole index once.

    A directory that is an item with all below is one line, as in ``find -mindepth 4 -maxdepth 4
    -type d``; anything else is a line for each entry. So is a directory below which the scan may
    have left something out, as its line would bring that too; lines of directories that ended up
    empty are then for a copy that does not descend (``rsync --files-from``).

    Raises:
        IngestError: see :func:`.items.depths`.
    """
    return _lines(index, depths(min_depth, max_depth), is_partial(index.meta(), max_depth))


def is_partial(meta: dict[str, Any], max_depth: int | None) -> bool:
    """Whether a directory of ``max_depth`` may have more below than the index has."""
    if meta.get("include") or meta.get("exclude") or meta.get("one_file_system"):
        return True
    return any(glob.strip("/").count("/") + 1 > (max_depth or 0) for glob in meta.get("globs", ()))


def _lines(index: Index, limits: Depths, partial: bool) -> Iterator[bytes]:
    for directory in index.directories():
        role = limits.role(directory.depth)
        if not partial and role == INSIDE:
            continue
        if is_empty(directory):
            yield directory.path
        elif not partial and role == WHOLE:
            if directory.entries or directory.subdirectories:
                yield directory.path or b"."
        else:
            for entry in index.entries(directory):
                yield join(directory.path, entry.name)


def write_files(
    folder: str,
    index: Index,
    clients: int,
    separator: str = "null",
    min_depth: int | None = None,
    max_depth: int | None = None,
) -> int:
    """Write ``manifest`` with all lines and ``client1`` to ``clientN``: client i gets the lines
    i, i+N, i+2N …, as ``sed -n i~Np manifest`` would give. Returns the number of lines.

    Raises:
        IngestError: a name can't be written with this separator, or a file can't be written;
            the files that were there are left as they were.
    """
    end = check_options(clients, separator)
    names = ["manifest"] + ["client%d" % n for n in range(1, clients + 1)]
    files = [os.path.join(folder, name) for name in names]
    try:
        count = _write(files, lines(index, min_depth, max_depth), end)
        for file in files:
            os.replace(file + ".part", file)
        _remove_further(folder, clients)
    except OSError as error:
        raise IngestError(
            f"plain_files: '{error.filename or folder}' can't be written: {error.strerror}"
        ) from error
    finally:
        for file in files:
            if os.path.lexists(file + ".part"):
                os.unlink(file + ".part")
    return count


def check_options(clients: int, separator: str = "null") -> bytes:
    """The separator's byte. Raises IngestError if an option is not valid."""
    if not 1 <= clients <= MAX_CLIENTS:
        raise IngestError(
            "plain_files: clients: %d is not between 1 and %d" % (clients, MAX_CLIENTS)
        )
    if separator not in SEPARATORS:
        raise IngestError(f"plain_files: separator: '{separator}' is neither null nor newline")
    return SEPARATORS[separator]


def _write(files: list[str], paths: Iterator[bytes], end: bytes) -> int:
    streams: list[BinaryIO] = []
    count = 0
    try:
        for file in files:
            streams.append(open(file + ".part", "wb"))  # noqa: SIM115
        everything, clients = streams[0], streams[1:]
        for path in paths:
            if end in path:
                raise IngestError(
                    f"plain_files: '{display(path)}' has a newline in its name and can't stand in a file with one path a line: use separator: null"
                )
            everything.write(path + end)
            clients[count % len(clients)].write(path + end)
            count += 1
    finally:
        for stream in streams:
            stream.close()
    return count


def _remove_further(folder: str, clients: int) -> None:
    """Remove the files of an earlier run with more clients: their lines are dealt out anew."""
    number = clients + 1
    while os.path.isfile(os.path.join(folder, "client%d" % number)):
        os.unlink(os.path.join(folder, "client%d" % number))
        number += 1
