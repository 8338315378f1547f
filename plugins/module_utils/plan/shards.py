# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shard's payload: compressed lines ``FILES BYTES [directory, [row, …]]``.

A row is a JSON array, of which the shard's kind knows the fields. Names are lossless text, times
in ns, sizes in bytes.
"""

from __future__ import annotations

import json
import zlib
from json.encoder import encode_basestring_ascii as _quote
from operator import itemgetter
from typing import IO, Any, Callable, Iterable, Iterator, List, NamedTuple, Tuple, Union

from ..core.paths import join, to_bytes, to_text
from ..core.vocabulary import Kind
from ..core.want import Want
from ..index.rows import Directory, Entry

# One line is the least that a worker is handed: small enough to keep all workers busy to the
# end, large enough not to be felt.
LINE_ROWS = 32
LINE_BYTES = 1 << 20

_GOLDEN = 0.618033988749895  # its multiples are spread evenly between whole numbers
_PLACE = itemgetter(0, 1)


class Header(NamedTuple):
    """A shard as it travels beside its payload. ``of`` is the kind that a second pass checks,
    ``broken`` are files that are not complete, as text. ``lost`` and ``lines`` are what the copy
    said to its second pass, see :class:`..core.outcome.ShardResult`."""

    id: int
    kind: str
    of: str
    mount: int
    broken: tuple[str, ...] = ()
    cost: float = 0.0
    lost: tuple[str, ...] = ()
    lines: str = ""


# Of each row, ``text`` is its JSON, made of what the index has: it is felt with every entry.


class CopyRow(NamedTuple):
    """An entry that is copied as a whole."""

    name: bytes
    want: Want

    @staticmethod
    def text(name: bytes, state: Want | Entry) -> str:
        """The row as JSON."""
        # As _common() has it: a call would be felt.
        return (
            f"[{_quote(to_text(name))},{state.mode},{state.uid},{state.gid},"
            f"{state.size},{state.mtime},{state.rdev}]"
        )

    def encode(self) -> str:
        """The row as JSON."""
        return self.text(*self)


class LinkRow(NamedTuple):
    """A further name of the file that is called ``leader``, a path."""

    name: bytes
    want: Want
    leader: bytes

    @staticmethod
    def text(name: bytes, state: Want | Entry, leader: bytes) -> str:
        """The row as JSON."""
        return f"[{_common(name, state)},{state.rdev},{_quote(to_text(leader))}]"

    def encode(self) -> str:
        """The row as JSON."""
        return self.text(*self)


class RangeRow(NamedTuple):
    """``length`` bytes at ``offset`` of a large file; ``run`` is the mark of the run."""

    name: bytes
    want: Want
    offset: int
    length: int
    run: int

    @staticmethod
    def text(name: bytes, state: Want | Entry, offset: int, length: int, run: int) -> str:
        """The row as JSON."""
        return f"[{_common(name, state)},{offset},{length},{run}]"

    def encode(self) -> str:
        """The row as JSON."""
        return self.text(*self)


class FinishRow(NamedTuple):
    """A large file, to be prepared or finished; ``run`` is the mark of the run."""

    name: bytes
    want: Want
    run: int

    @staticmethod
    def text(name: bytes, state: Want | Entry, run: int) -> str:
        """The row as JSON."""
        return f"[{_common(name, state)},{run}]"

    def encode(self) -> str:
        """The row as JSON."""
        return self.text(*self)


class DirectoryRow(NamedTuple):
    """A directory's metadata. The root of the tree has no name. ``seen`` is its ctime as the scan
    saw it, ``names`` a number for the names in it; see :mod:`..core.want`."""

    name: bytes
    want: Want
    seen: int = 0
    names: int = 0

    @staticmethod
    def text(name: bytes, state: Want | Directory, seen: int = 0, names: int = 0) -> str:
        """The row as JSON."""
        return (
            f"[{_quote(to_text(name))},{state.mode},{state.uid},{state.gid},"
            f"{state.mtime},{state.atime},{seen},{names}]"
        )

    def encode(self) -> str:
        """The row as JSON."""
        return self.text(*self)


Numbered = Tuple[int, Tuple[int, int, bytes]]  # a line of :func:`unpack`
Row = Union[CopyRow, LinkRow, RangeRow, FinishRow, DirectoryRow]


def _common(name: bytes, state: Want | Entry) -> str:
    return (
        f"{_quote(to_text(name))},{state.mode},{state.uid},{state.gid},{state.size},{state.mtime}"
    )


def _copies(rows: list[Any]) -> list[Any]:
    # As CopyRow() and Want() would, at half their time: there is one for each file of a tree.
    new = tuple.__new__
    return [
        new(CopyRow, (to_bytes(name), new(Want, (mode, uid, gid, size, mtime, mtime, rdev))))
        for name, mode, uid, gid, size, mtime, rdev in rows
    ]


def _links(rows: list[Any]) -> list[Any]:
    return [
        LinkRow(to_bytes(name), Want(mode, uid, gid, size, mtime, mtime, rdev), to_bytes(leader))
        for name, mode, uid, gid, size, mtime, rdev, leader in rows
    ]


def _ranges(rows: list[Any]) -> list[Any]:
    return [
        RangeRow(to_bytes(name), Want(mode, uid, gid, size, mtime, mtime, 0), offset, length, run)
        for name, mode, uid, gid, size, mtime, offset, length, run in rows
    ]


def _finishes(rows: list[Any]) -> list[Any]:
    return [
        FinishRow(to_bytes(name), Want(mode, uid, gid, size, mtime, mtime, 0), run)
        for name, mode, uid, gid, size, mtime, run in rows
    ]


def _directories(rows: list[Any]) -> list[Any]:
    return [
        DirectoryRow(to_bytes(name), Want(mode, uid, gid, 0, mtime, atime, 0), seen, names)
        for name, mode, uid, gid, mtime, atime, seen, names in rows
    ]


_DECODERS: dict[str, Callable[[List[Any]], List[Any]]] = {
    Kind.COPY: _copies,
    Kind.LINK: _links,
    Kind.RANGE: _ranges,
    Kind.PREPARE: _finishes,
    Kind.FINISH: _finishes,
    Kind.DIRECTORIES: _directories,
}


def path_of(directory: bytes, row: Row) -> bytes:
    """The path of a row of a directory's line."""
    return join(directory, row.name) if row.name else directory


def body(directory: bytes, texts: list[str]) -> bytes:
    """A directory and its encoded rows, as :func:`read_line` takes them."""
    return f"[{_quote(to_text(directory))},[{','.join(texts)}]]".encode("ascii")


def line(directory: bytes, texts: list[str], size: int) -> bytes:
    """One line of a payload, with its newline; ``size`` in bytes."""
    return b"%d %d %s\n" % (len(texts), size, body(directory, texts))


def read_line(kind: str, text: bytes) -> tuple[bytes, list[Any]]:
    """(directory, rows) of one line's body; the rows are the kind's records, such as
    :class:`CopyRow`. For a second pass that is the kind that it checks."""
    directory, rows = json.loads(text)
    return to_bytes(directory), _DECODERS[kind](rows)


def pack(lines: list[bytes]) -> bytes:
    """Lines as a payload."""
    return zlib.compress(b"".join(lines), 1)


def unpack(payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The lines of a payload as (files, bytes, body)."""
    for text in zlib.decompress(payload).splitlines():
        files, size, body = text.split(b" ", 2)
        yield int(files), int(size), body


def lines_of(payload: bytes) -> list[bytes]:
    """The lines of a payload, with their newlines."""
    return zlib.decompress(payload).splitlines(keepends=True)


def piece_of(payload: bytes, low: int, high: int) -> bytes:
    """The lines from ``low`` to ``high`` of a payload, as one."""
    return pack(lines_of(payload)[low:high])


def directory_of(body: bytes) -> bytes:
    """What tells a line's directory from another's, without reading the line."""
    return body.partition(b'",[')[0]


def in_turn(lines: Iterable[Numbered]) -> list[Numbered]:
    """The lines, numbered, those of each directory at even distances: a kernel lets nobody else
    make an entry in a directory as long as a server has not answered, so that what remains of a
    large one, when all others are done, takes one entry after the other."""
    by_directory: dict[bytes, list[Numbered]] = {}
    for entry in lines:
        by_directory.setdefault(directory_of(entry[1][2]), []).append(entry)
    # Each directory begins elsewhere, or all those of one line would come at once.
    places = [
        ((number + at * _GOLDEN % 1) / len(entries), at, entry)
        for at, entries in enumerate(by_directory.values())
        for number, entry in enumerate(entries)
    ]
    places.sort(key=_PLACE)
    return [entry for _place, _at, entry in places]


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
        for name in ("broken", "lost"):
            fields[name] = tuple(fields[name])
        yield Header(**fields), stream.read(size)
