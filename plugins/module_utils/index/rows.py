# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rows of an index are. The tables are made from these, see :mod:`.schema`."""

from __future__ import annotations

import stat
from typing import Any, NamedTuple

# An entry's type, by that of its mode.
TYPES = {
    stat.S_IFREG: "f",
    stat.S_IFLNK: "l",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
    stat.S_IFBLK: "b",
    stat.S_IFCHR: "c",
}
_UNSIGNED = 1 << 64
_SIGNED = 1 << 63
# SQLite holds 63 bits and a sign. Larger numbers (inodes of some servers, times after 2262) are
# stored less 2^64; a time that far before 1970 was never meant.
_EARLIEST = -(1 << 62)


class Directory(NamedTuple):
    """A directory of the source. Times in ns, ``bytes`` and ``disk`` of its direct regular files.

    ``sort`` is the path with ``/`` as NUL: in its order a directory comes right before all that
    lies below it. Rows ``first`` to ``last`` of its part hold its entries, maybe among others.
    ``names`` is :func:`..core.want.names_digest` of all that was taken in it, 0 if that
    is not known, NOT_LISTED if something is missing.
    ``state`` is what the destination had of it, see :mod:`..core.changes`; ``different`` is how
    many of its entries it did not have, or not like this.
    ``part`` is the number of the part that holds it, and no column.
    """

    id: int
    parent: int
    path: bytes
    sort: bytes
    depth: int
    inode: int
    device: int
    mode: int
    uid: int
    gid: int
    nlink: int
    blocks: int
    atime: int
    mtime: int
    ctime: int
    entries: int
    files: int
    bytes: int
    disk: int
    subdirectories: int
    first: int
    last: int
    names: int
    state: int
    different: int
    part: int = 0


class Entry(NamedTuple):
    """Anything but a directory: type f l p s b c (``d`` only for an empty directory as an item).

    Times in ns, ``size`` in bytes, ``blocks`` of 512 bytes. ``state`` is what the destination had
    of it, see :mod:`..core.changes`.
    """

    id: int
    directory: int
    name: bytes
    type: str
    inode: int
    device: int
    mode: int
    nlink: int
    uid: int
    gid: int
    size: int
    blocks: int
    rdev: int
    atime: int
    mtime: int
    ctime: int
    state: int


class ScanError(NamedTuple):
    """What could not be read. ``path`` is relative to the source, ``b""`` is the source."""

    path: bytes
    operation: str
    errno: int
    message: str


class Twin(NamedTuple):
    """The file that the destination had for an entry which is right by itself, but a name among
    others."""

    id: int
    device: int
    inode: int


class Extra(NamedTuple):
    """What the destination had and the source had not: type d for a directory (with all below it),
    else f."""

    path: bytes
    type: str


class Passing(NamedTuple):
    """While a scan with globs goes on: a directory that counts only for what matches in it.
    ``entries`` and ``whole`` are how many entries and subdirectories of it do."""

    id: int
    sort: bytes
    depth: int
    entries: int
    whole: int


class Totals(NamedTuple):
    """Sums over an index: ``directories`` with the root; ``entries`` all that is no directory;
    ``bytes`` and ``disk`` (allocated, in bytes) of the regular files."""

    files: int = 0
    links: int = 0
    specials: int = 0
    directories: int = 0
    entries: int = 0
    bytes: int = 0
    disk: int = 0
    errors: int = 0


class Bucket(NamedTuple):
    """Regular files of ``low`` bytes up to, not including, ``high``: how many, and their bytes."""

    low: int
    high: int
    files: int
    bytes: int


def add_totals(totals: list[Totals]) -> Totals:
    """The sum of several totals."""
    return Totals(*map(sum, zip(*totals))) if totals else Totals()


def item_entry(directory: Directory) -> Entry:
    """An empty directory as an item of its own: an Entry of type ``d``."""
    same = {name: getattr(directory, name) for name in _SHARED}
    name = directory.path.rpartition(b"/")[2]
    return Entry(directory=directory.parent, name=name, type="d", size=0, rdev=0, **same)


_SHARED = tuple(name for name in Entry._fields if name in Directory._fields)


def narrow(number: Any) -> Any:
    """A number as SQLite can hold it (see :func:`widened`); anything else as it is."""
    if isinstance(number, int) and not -_SIGNED <= number < _SIGNED:
        number %= _UNSIGNED
        return number - _UNSIGNED if number >= _SIGNED else number
    return number


def widened(row: Any) -> Any:
    """A Directory or Entry with the numbers that :func:`narrow` made smaller."""
    known = row._fields
    large = {name: getattr(row, name) % _UNSIGNED for name in _WIDE if name in known}
    times = {name: _time(getattr(row, name)) for name in _TIMES}
    return row._replace(**large, **times)


_WIDE = ("inode", "device", "rdev")
_TIMES = ("atime", "mtime", "ctime")


def _time(number: int) -> int:
    return number + _UNSIGNED if number < _EARLIEST else number
