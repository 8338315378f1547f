# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared: a row for each directory and each entry, and which of its fields count."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence, Tuple

from ..core.errors import IngestError

# A row as SQLite gives it, in the order of Row's fields.
Plain = Tuple[Any, ...]


class Row(NamedTuple):
    """A directory (type d) or an entry. None: not known, or not asked for.

    Times in ns, ``size`` in bytes (0 for a directory), ``crtime`` (birth) 0 if not known,
    ``blocks`` of 512 bytes, ``linkname`` of symbolic links only.
    """

    name: bytes
    type: str
    inode: Optional[int]
    device: Optional[int]
    mode: int
    uid: int
    gid: int
    size: int
    rdev: int
    mtime: int
    ctime: Optional[int]
    crtime: Optional[int]
    linkname: Optional[bytes]
    nlink: Optional[int]
    blocks: Optional[int]
    atime: Optional[int]
    xattr_names: Optional[bytes]


FIELDS = Row._fields[1:]
# Which count if nothing is said: of one tree at two times, and of two trees.
OVER_TIME = ("type", "size", "mtime", "ctime", "mode", "uid", "gid", "inode", "rdev", "linkname")
BETWEEN_TREES = ("type", "size", "mtime", "mode", "uid", "gid", "rdev", "linkname")
_UNSIGNED = 1 << 64
_EARLIEST = -(1 << 62)
# What tells one object from another.
IDENTITY = ("inode", "device", "ctime", "crtime")
# Always read, as they are shown of what was added or removed.
_SHOWN = ("name", "type", "mode", "uid", "gid", "size", "rdev", "mtime", "linkname")

TYPE, INODE, DEVICE, SIZE, RDEV, MTIME, CTIME, CRTIME, LINK = (
    Row._fields.index(name)
    for name in ["type", "inode", "device", "size", "rdev", "mtime", "ctime", "crtime", "linkname"]
)


class Compared(NamedTuple):
    """``fields`` that make a difference; ``moves``: whether objects are followed from path to
    path; ``seconds``: one side has whole seconds only."""

    fields: Tuple[str, ...]
    moves: bool
    seconds: bool = False

    @property
    def read(self) -> set[str]:
        """The columns that are needed."""
        return {*_SHOWN, *self.fields, *(IDENTITY if self.moves else ())}

    @property
    def places(self) -> list[tuple[str, int]]:
        """The fields and where they are in a row."""
        return [(name, Row._fields.index(name)) for name in Row._fields if name in self.fields]


def shown(row: Plain) -> Row:
    """A row with the numbers that SQLite could not hold."""
    found = Row._make(row)
    wide = {
        name: getattr(found, name) % _UNSIGNED
        for name in ("inode", "device", "rdev")
        if (getattr(found, name) or 0) < 0
    }
    for name in ("mtime", "ctime", "atime"):
        if (getattr(found, name) or 0) < _EARLIEST:
            wide[name] = getattr(found, name) + _UNSIGNED
    return found._replace(**wide) if wide else found


def check_fields(fields: Sequence[str]) -> tuple[str, ...]:
    """The fields, if they can be compared. Raises IngestError."""
    for name in fields:
        if name not in FIELDS:
            raise IngestError(f"fields: '{name}' is not one of {', '.join(FIELDS)}")
    return tuple(fields)


def same_identity(old: Plain, new: Plain) -> bool:
    """Whether two rows under one name are of one object, as far as can be told: it has its inode
    still, and was not born since."""
    if old[INODE] != new[INODE] or old[DEVICE] != new[DEVICE] or old[TYPE] != new[TYPE]:
        return False
    return not (old[CRTIME] and new[CRTIME] and old[CRTIME] != new[CRTIME])


def same_object(old: Plain, new: Plain) -> bool:
    """Whether two rows under different names, of one device and inode, are of one object.

    The times of birth say so where both are known. Otherwise a rename leaves all as it was but the
    ctime; an inode that was given to another file has other times.
    """
    if old[TYPE] != new[TYPE] or old[RDEV] != new[RDEV]:
        return False
    if old[CRTIME] and new[CRTIME]:
        return bool(old[CRTIME] == new[CRTIME])
    if old[CTIME] == new[CTIME]:
        return True
    alike = old[MTIME] == new[MTIME] and old[SIZE] == new[SIZE] and old[LINK] == new[LINK]
    return bool(alike and new[CTIME] > old[CTIME])
