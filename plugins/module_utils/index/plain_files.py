# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest as plain files for anyone's own copy loop: manifest, client1 … clientN."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any, Iterator, NamedTuple

from ..core.atomic import written
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
    return (piece.path or b"." for piece in pieces(index, min_depth, max_depth))


class Piece(NamedTuple):
    """What is copied in one go; ``whole``: with all that lies below."""

    path: bytes
    whole: bool


def pieces(
    index: Index, min_depth: int | None = None, max_depth: int | None = None
) -> Iterator[Piece]:
    """The same with what each line is. Raises IngestError: see :func:`.items.depths`."""
    return _pieces(index, depths(min_depth, max_depth), is_partial(index.meta(), max_depth))


def is_partial(meta: dict[str, Any], max_depth: int | None) -> bool:
    """Whether a directory of ``max_depth`` may have more below than the index has."""
    if meta.get("include") or meta.get("exclude") or meta.get("one_file_system"):
        return True
    return any(glob.strip("/").count("/") + 1 > (max_depth or 0) for glob in meta.get("globs", ()))


def _pieces(index: Index, limits: Depths, partial: bool) -> Iterator[Piece]:
    for directory in index.directories():
        role = limits.role(directory.depth)
        if not partial and role == INSIDE:
            continue
        if is_empty(directory):
            yield Piece(directory.path, not partial)
        elif not partial and role == WHOLE:
            if directory.entries or directory.subdirectories:
                yield Piece(directory.path, True)
        else:
            for entry in index.entries(directory):
                yield Piece(join(directory.path, entry.name), True)


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
    names = ["manifest", *(f"client{number}" for number in range(1, clients + 1))]
    count = 0
    with ExitStack() as files:
        everything, *parts = [
            files.enter_context(written(os.path.join(folder, name), binary=True)) for name in names
        ]
        for path in lines(index, min_depth, max_depth):
            if end in path:
                raise IngestError(
                    f"plain_files: '{display(path)}' has a newline in its name and can't stand in "
                    "a file with one path a line: use separator: null"
                )
            everything.write(path + end)
            parts[count % clients].write(path + end)
            count += 1
    _remove_further(folder, clients)
    return count


def check_options(clients: int, separator: str = "null") -> bytes:
    """The separator's byte. Raises IngestError if an option is not valid."""
    if not 1 <= clients <= MAX_CLIENTS:
        raise IngestError(f"plain_files: clients: {clients} is not between 1 and {MAX_CLIENTS}")
    if separator not in SEPARATORS:
        raise IngestError(f"plain_files: separator: '{separator}' is neither null nor newline")
    return SEPARATORS[separator]


def _remove_further(folder: str, clients: int) -> None:
    """Remove the files of an earlier run with more clients: their lines are dealt out anew."""
    number = clients + 1
    file = os.path.join(folder, f"client{number}")
    try:
        while os.path.isfile(file):
            os.unlink(file)
            number += 1
            file = os.path.join(folder, f"client{number}")
    except OSError as error:
        raise IngestError(
            f"'{file}' of an earlier run can't be removed: {error.strerror}"
        ) from error
