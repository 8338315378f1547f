# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The article's copy commands for those who run them by hand: a bash script for each client."""

from __future__ import annotations

import os
import re
import stat
from typing import BinaryIO, Iterator, Sequence

from ..core.errors import IngestError
from ..core.paths import display, split
from ..index.items import INSIDE, WHOLE, depths, is_empty
from ..index.plain_files import MAX_CLIENTS, Piece, is_partial, pieces
from ..index.reader import Index

NAME = "client{}_copy_commands"
LAST = "last_copy_commands"
_NAMES = 100  # in one command
_LENGTH = 60_000  # bytes of one command; the kernel takes at least 128 KiB
_SAFE = re.compile(rb"[A-Za-z0-9_./:,+@%=-]+\Z")
_HEAD = b"#!/bin/bash\n# %s\nstatus=0\n"
_TAIL = b"exit $status\n"


def quote(word: bytes) -> bytes:
    """A word as bash reads it back, on one line and readable for people."""
    if _SAFE.match(word):
        return word
    try:
        plain = word.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        plain = False
    if plain and b"'" not in word:
        return b"'%s'" % word
    made = b"".join(
        b"\\%03o" % byte if byte < 32 or byte > 126 or byte in b"\\'" else bytes((byte,))
        for byte in word
    )
    return b"$'%s'" % made


def write_commands(
    index: Index,
    folder: str,
    clients: int,
    source: bytes,
    destinations: Sequence[bytes],
    min_depth: int | None = None,
    max_depth: int | None = None,
) -> list[str]:
    """Write ``client1_copy_commands`` and so on into a folder, and ``last_copy_commands``.

    Client i of N gets the items i, i+N, … as ``sed -n i~Np`` gives them. Run with bash, at the same
    time or one after the other, the clients' scripts copy everything: ``cp -p -R`` for each item,
    its parents made first, spread over the destinations in turn. A second run nests nothing. The
    last script, for when all are done, gives the parents their metadata. Each exits with 1 if one
    of its commands failed.

    Args:
        destinations: the mounts of the same destination.

    Returns:
        The files' paths.

    Raises:
        IngestError: too many clients, unusable depths, or a file that can't be written.
    """
    if not 1 <= clients <= MAX_CLIENTS:
        raise IngestError(f"clients: {clients} is not a number from 1 to {MAX_CLIENTS}")
    paths = [os.path.join(folder, NAME.format(number + 1)) for number in range(clients)]
    last = os.path.join(folder, LAST)
    parts = [path + ".part" for path in [*paths, last]]
    streams: list[BinaryIO] = []
    try:
        for part in parts:
            streams.append(open(part, "wb"))  # noqa: SIM115  (as many as there are clients)
        scripts = [
            _Script(stream, source, destinations, number)
            for number, stream in enumerate(streams[:-1])
        ]
        for number, line in enumerate(pieces(index, min_depth, max_depth)):
            scripts[number % clients].add(line)
        for script in scripts:
            script.end()
        _write_last(streams[-1], index, source, destinations[0], min_depth, max_depth)
        for stream, part in zip(streams, parts):
            stream.close()
            os.chmod(part, 0o700)
            os.replace(part, part[: -len(".part")])
    except OSError as error:
        raise IngestError(
            f"the copy commands in '{display(os.fsencode(folder))}' can't be written: "
            f"{error.strerror}"
        ) from error
    finally:
        for stream, part in zip(streams, parts):
            stream.close()
            if os.path.lexists(part):
                os.unlink(part)
    return [*paths, last]


class _Script:
    """One client's commands."""

    def __init__(
        self, stream: BinaryIO, source: bytes, destinations: Sequence[bytes], number: int
    ) -> None:
        self._stream = stream
        self._source = source.rstrip(b"/") + b"/"
        self._destinations = [path.rstrip(b"/") + b"/" for path in destinations]
        self._turn = number
        self._parent = b""
        self._made = b"\0"  # no directory's name
        self._words: list[bytes] = []
        self._length = 0
        stream.write(_HEAD % (b"Copies one client's part."))

    def add(self, line: Piece) -> None:
        """Add what is to be copied."""
        if not line.whole:
            self._flush()
            self._write(b"mkdir -p -- %s" % quote(self._target() + line.path))
            return
        parent = split(line.path)[0]
        word = quote(self._source + (line.path or b"."))
        if parent != self._parent or len(self._words) >= _NAMES or self._length > _LENGTH:
            self._flush()
        self._parent = parent
        self._words.append(word)
        self._length += len(word) + 1

    def end(self) -> None:
        """Write what is left."""
        self._flush()
        self._stream.write(_TAIL)

    def _target(self) -> bytes:
        return self._destinations[self._turn % len(self._destinations)]

    def _flush(self) -> None:
        if not self._words:
            return
        # Into the parent, never onto the item itself: that would nest it in a second run.
        target = quote(self._target() + (self._parent + b"/" if self._parent else b""))
        command = b"cp -p -R -- %s %s" % (b" ".join(self._words), target)
        if self._made != self._parent:
            command = b"mkdir -p -- %s && %s" % (target, command)
            self._made = self._parent
        self._write(command)
        self._words, self._length = [], 0
        self._turn += 1

    def _write(self, command: bytes) -> None:
        self._stream.write(b"%s || status=1\n" % command)


def _write_last(
    stream: BinaryIO,
    index: Index,
    source: bytes,
    destination: bytes,
    min_depth: int | None,
    max_depth: int | None,
) -> None:
    """The metadata of the directories that no ``cp -R`` has copied as a whole."""
    stream.write(_HEAD % b"Run when all clients are done: owner, mode and times of directories.")
    stream.write(
        b"attributes() {\n"
        b'  if [ "$EUID" = 0 ]; then chown --reference="$1" -- "$2" || return; fi\n'
        b'  chmod --reference="$1" -- "$2" && touch --reference="$1" -- "$2"\n'
        b"}\n"
    )
    # Whoever may not search a directory can't reach what is below it: these come at the end.
    closed: list[bytes] = []
    for path, mode in _directories(index, min_depth, max_depth):
        pair = b" ".join(quote(root.rstrip(b"/") + b"/" + path) for root in (source, destination))
        command = b"attributes %s || status=1\n" % pair
        if mode & stat.S_IXUSR:
            stream.write(command)
        else:
            closed.append(command)
    stream.writelines(reversed(closed))
    stream.write(_TAIL)


def _directories(
    index: Index, min_depth: int | None, max_depth: int | None
) -> Iterator[tuple[bytes, int]]:
    limits = depths(min_depth, max_depth)
    partial = is_partial(index.meta(), max_depth)
    for directory in index.directories():
        whole = limits.role(directory.depth) in (INSIDE, WHOLE)
        if directory.path == b"" or partial or not (whole or is_empty(directory)):
            yield directory.path, directory.mode
