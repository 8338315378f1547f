# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an entry the destination does not have as the source has it.

The scan, the copy and the second pass ask this alike, and the index keeps the answer as a number:
the sum of the bits below, EQUAL where none but COMPARED is set, 0 where nobody has looked.
"""

from __future__ import annotations

import os
import stat
from typing import Collection, NamedTuple

from .want import Want

COMPARED = 1
NEW = 1 << 1  # the destination has nothing under this name
TYPE = 1 << 2
SIZE = 1 << 3
TIME = 1 << 4
MODE = 1 << 5
OWNER = 1 << 6
GROUP = 1 << 7
DEVICE = 1 << 8  # the numbers of a device
TEXT = 1 << 9  # of a symbolic link
ATTRIBUTES = 1 << 10  # extended attributes and ACLs
LINKS = 1 << 11  # right by itself, but a name among others: are they names of one file there, too?
DOUBT = 1 << 12  # it could not be told

EQUAL = COMPARED
# With any of these the contents have to be brought; with others they are there.
CONTENTS = NEW | TYPE | SIZE | TIME | DEVICE | TEXT | DOUBT

# What is made anew, and so changes the time of the directory that it lies in.
MADE = NEW | TYPE | DOUBT

_DAY = 86400 * 10**9  # in ns; more than any file system's steps
# The times (ns) of a file that turned out to have wrong contents: one for nearly all, another for
# those that have a time near the first in the source.
MARKS = (0, 2 * _DAY)

_NAMES = {
    NEW: "new",
    TYPE: "type",
    SIZE: "size",
    TIME: "time",
    MODE: "mode",
    OWNER: "owner",
    GROUP: "group",
    DEVICE: "device",
    TEXT: "text",
    ATTRIBUTES: "attributes",
    LINKS: "links",
    DOUBT: "doubt",
}


class Kept(NamedTuple):
    """Of what an inode says, what is to be kept."""

    mode: bool = True
    owner: bool = True
    times: bool = True

    @classmethod
    def of(cls, preserve: Collection[str]) -> Kept:
        """What ``preserve`` (of :data:`..core.vocabulary.PRESERVE`) means."""
        return cls("mode" in preserve, "owner" in preserve, "times" in preserve)


def by_inode(kept: Kept, want: Want, found: os.stat_result) -> int:
    """What of ``found`` is not as it is wanted, as far as both inodes tell; 0 if nothing.

    Times differ here by any nanosecond, see :func:`..fs.times.same_step`. A file whose time is not
    kept has its contents if it is no older. A symbolic link has neither mode nor size of its own.
    """
    if stat.S_IFMT(found.st_mode) != stat.S_IFMT(want.mode):
        return TYPE
    kind = stat.S_IFMT(want.mode)
    bits = 0
    if kind == stat.S_IFREG and found.st_size != want.size:
        bits |= SIZE
    elif kind in (stat.S_IFBLK, stat.S_IFCHR) and found.st_rdev != want.rdev:
        bits |= DEVICE
    if kept.times:
        if found.st_mtime_ns != want.mtime:
            bits |= TIME
    elif kind == stat.S_IFREG and found.st_mtime_ns < want.mtime:
        bits |= TIME
    if kept.mode and kind != stat.S_IFLNK and (found.st_mode ^ want.mode) & 0o7777:
        bits |= MODE
    if kept.owner:
        if found.st_uid != want.uid:
            bits |= OWNER
        if found.st_gid != want.gid:
            bits |= GROUP
    return bits


def mark_for(time: int) -> int:
    """The mark for a file that has this time (ns) in the source."""
    return MARKS[0] if time > _DAY else MARKS[1]


def words(state: int) -> list[str]:
    """What the bits of a state mean: ``["mode", "owner"]``."""
    return [word for bit, word in _NAMES.items() if state & bit]
