# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shard's payload: compressed lines ``FILES BYTES [directory, [row, …]]``.

A row is ``[name, mode, uid, gid, size, mtime, …]``, names as lossless text, times in ns. What
follows depends on the entry and on the shard's kind: the device number of a device, the
access time of a directory, the leader's path of a hard link; of a file in ranges offset and length of
one, and always the mark of the run.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from json.encoder import encode_basestring_ascii
from typing import IO, Any, Iterable, Iterator, NamedTuple

from ..core.paths import to_bytes, to_text
from ..index.reader import Entry

# One line is the least that a worker is handed: small enough to keep all workers busy to the
# end, large enough not to be felt.
LINE_ROWS = 32
LINE_BYTES = 1 << 20

quote = encode_basestring_ascii


class Header(NamedTuple):
    """A shard as it travels beside its payload."""

    id: int
    kind: str
    of: str
    mount: int
    broken: tuple[str, ...] = ()
    cost: float = 0.0


def row(entry: Entry, *more: object) -> str:
    """An entry as a JSON row; ``more`` are numbers or text for its end."""
    head = "[%s,%d,%d,%d,%d,%d" % (
        quote(to_text(entry.name)),
        entry.mode,
        entry.uid,
        entry.gid,
        entry.size,
        entry.mtime,
    )
    for value in more:
        head += "," + (quote(value) if isinstance(value, str) else str(value))
    return head + "]"


def line(directory: bytes, rows: list[str], size: int) -> bytes:
    """One line of a payload, with its newline; ``size`` in bytes."""
    text = "%d %d [%s,[%s]]\n" % (len(rows), size, quote(to_text(directory)), ",".join(rows))
    return text.encode("ascii")


def pack(lines: list[bytes]) -> bytes:
    """Lines as a payload."""
    return zlib.compress(b"".join(lines), 1)


def unpack(payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The lines of a payload as (files, bytes, JSON)."""
    for text in zlib.decompress(payload).splitlines():
        files, size, body = text.split(b" ", 2)
        yield int(files), int(size), body


def in_turn(lines: Iterable[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, bytes]]:
    """The lines, one of each directory in turn: a kernel lets nobody else make an entry in a
    directory as long as a server has not answered."""
    queues: dict[bytes, deque[tuple[int, int, bytes]]] = {}
    for entry in lines:
        queues.setdefault(entry[2].partition(b'",[')[0], deque()).append(entry)
    turns = deque(queues.values())
    while turns:
        queue = turns.popleft()
        yield queue.popleft()
        if queue:
            turns.append(queue)


def read_line(body: bytes) -> tuple[bytes, list[list[Any]]]:
    """(directory, rows) of one line's JSON; the names in the rows are bytes."""
    directory, rows = json.loads(body)
    for item in rows:
        item[0] = to_bytes(item[0])
    return to_bytes(directory), rows


def write_package(stream: IO[bytes], shards: Iterable[tuple[Header, bytes]]) -> None:
    """Shards as they travel: a JSON line, then as many bytes as it says."""
    for header, data in shards:
        fields = dict(header._asdict(), size=len(data))
        stream.write(json.dumps(fields).encode("ascii") + b"\n")
        stream.write(data)


def read_package(stream: IO[bytes]) -> Iterator[tuple[Header, bytes]]:
    """The shards of a package."""
    for line in iter(stream.readline, b""):
        fields = json.loads(line)
        size = fields.pop("size")
        fields["broken"] = tuple(fields["broken"])
        yield Header(**fields), stream.read(size)
