# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of the destination, listed beside that of the source: what is there already?

What is called equal has the type, size, time, mode, owner, group, link text, device numbers,
attributes and ACLs that the source's entry has, as far as they are to be kept. The contents are
believed, as by every copy that compares sizes and times. What can't be told is never equal: a time
that marks a file with wrong contents, a name of a file that has others, anything that could not be
looked at, all of a directory that is too wide.

Nothing is written, and no link is followed: directories are found one name after the other.
"""

from __future__ import annotations

import os
import stat
import threading

from ..core.changes import (
    ATTRIBUTES,
    COMPARED,
    DOUBT,
    LINKS,
    MARKS,
    NEW,
    TEXT,
    TIME,
    TYPE,
    Kept,
    by_inode,
)
from ..core.own_names import beside
from ..core.want import want_of
from ..fs.attributes import Attributes, differing
from ..fs.directories import DirCache
from ..fs.listing import listed, reading
from ..fs.refresh import refresh
from ..fs.times import same_step
from ..fs.worker_count import waits
from .options import Comparing

HELD = 50_000  # entries of a directory that are held,
MANY = 5_000  # and from where on those of only one directory in a process
# What the destination has in a directory's place.
UNKNOWN, MISSING, THERE = range(3)

_REGULAR = stat.S_IFREG
_ONE_OF_MANY = threading.Lock()


def worth_comparing(options: Comparing | None) -> Comparing | None:
    """None where there is nothing to compare with: no destination yet, an empty one, or one that
    can't be listed, which is for the copy to say."""
    if options is None:
        return None
    try:
        with os.scandir(options.destination) as entries:
            if all(beside(os.fsencode(entry.name), True) for entry in entries):
                return None
    except OSError:
        return None
    return options


class Comparer:
    """Compares directories; for one thread of the scan."""

    def __init__(self, options: Comparing, alone: bool) -> None:
        """``alone``: its process has no other threads, so it may change its directory. Raises
        OSError if the destination is no directory that can be opened."""
        self.alone = alone
        self.tree = DirCache(options.destination)
        self.kept = Kept.of(options.preserve)
        self.links = "links" in options.preserve
        self.attributes = Attributes("xattrs" in options.preserve, "acls" in options.preserve)
        self.grain = options.granularity
        self.remote = waits(options.destination)

    def directory(self, path: bytes, place: int, source: int) -> Counterpart:
        """What the destination has of a directory of the source, open as ``source``; ``place`` is
        what its parent's listing says of it. To be closed by the caller."""
        return Counterpart(self, path, place, source)


class Counterpart:
    """A directory of the destination, while that of the source is compared with it.

    ``extra`` are the names that nobody asked for, once all of the source's have been.
    """

    def __init__(self, comparer: Comparer, path: bytes, place: int, source: int) -> None:
        self._comparer = comparer
        self._place = place
        self._source = source
        self._fd = -1
        self._found: os.stat_result | None = None
        self._held: dict[bytes, os.stat_result] = {}
        self._directories: set[bytes] = set()
        self._odd: set[bytes] = set()  # that could not be looked at
        self._many = False
        # Of each entry that is right by itself, but a name among others: the file there.
        self.files: dict[bytes, tuple[int, int]] = {}
        if place == THERE:
            try:
                self._list(path)
            except OSError:
                self._forget()

    def _list(self, path: bytes) -> None:
        comparer = self._comparer
        self._fd = reading(comparer.tree.get(path).fd)
        if comparer.remote:
            refresh(self._fd)
        self._found = os.fstat(self._fd)
        held = self._held
        for run in listed(self._fd, comparer.remote):
            held.update(run.files)
            held.update(run.others)
            self._directories.update(name for name, _found in run.directories)
            self._odd.update(name for name, _error in run.failed)
            count = len(held) + len(self._directories)
            if count > HELD:
                self._forget()
                return
            if count > MANY and not self._many:
                self._many = _ONE_OF_MANY.acquire()

    def _forget(self) -> None:
        """It can't be told what is in it."""
        self._place = UNKNOWN
        self._held, self._directories, self._odd = {}, set(), set()

    def close(self) -> None:
        """Close it, and let go of what was held."""
        self._forget()
        if self._many:
            _ONE_OF_MANY.release()
            self._many = False
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def extra(self) -> list[tuple[bytes, bool]]:
        """The names that were not asked for, sorted, and which of them are directories."""
        return sorted(
            [(name, False) for name in self._held] + [(name, True) for name in self._directories]
        )

    def seen(self, name: bytes) -> None:
        """The source has this name, but it is not taken."""
        self._held.pop(name, None)
        self._directories.discard(name)

    def below(self, name: bytes) -> int:
        """What the destination has in the place of a subdirectory."""
        if self._place != THERE:
            return self._place
        if name in self._directories:
            self._directories.remove(name)
            return THERE
        odd = self._held.pop(name, None) is not None or name in self._odd
        return UNKNOWN if odd else MISSING

    def itself(self, have: os.stat_result) -> int:
        """What of the directory itself is not as in the source; see :mod:`..core.changes`."""
        if self._place == MISSING:
            return COMPARED | NEW
        if self._found is None:
            return 0
        bits = self._by_inode(have, self._found)
        if not bits and self._comparer.attributes:
            read = self._comparer.attributes.read
            try:
                wanted = read(self._source, have.st_dev)
                bits = ATTRIBUTES if differing(wanted, read(self._fd, self._found.st_dev)) else 0
            except OSError:
                bits = DOUBT
        return COMPARED | bits

    def entries(self, named: list[tuple[bytes, os.stat_result]]) -> list[int]:
        """What of each entry that is no directory is not as in the source."""
        if self._place != THERE:
            return [COMPARED | NEW if self._place == MISSING else 0] * len(named)
        held = self._held
        states: list[int] = []
        right: list[tuple[int, bytes, os.stat_result, os.stat_result]] = []
        for name, have in named:
            there = held.pop(name, None)
            if there is None:
                bits = self._without(name)
            elif (
                # Nearly always: without a call.
                there.st_mtime_ns == have.st_mtime_ns
                and there.st_size == have.st_size
                and there.st_mode == have.st_mode
                and there.st_uid == have.st_uid
                and there.st_gid == have.st_gid
                and have.st_nlink == there.st_nlink == 1
                and have.st_mode & 0o170000 == _REGULAR
                and have.st_mtime_ns not in MARKS
            ):
                bits = 0
            else:
                bits = self._compare(name, have, there)
            if there is not None and not bits & ~LINKS and self._comparer.attributes:
                right.append((len(states), name, have, there))
            states.append(COMPARED | bits)
        if right:
            self._compare_attributes(states, right)
        return states

    def _without(self, name: bytes) -> int:
        """For a name that stands for nothing that could be compared."""
        if name in self._directories:
            self._directories.remove(name)
            return TYPE
        return DOUBT if name in self._odd else NEW

    def _compare(self, name: bytes, have: os.stat_result, there: os.stat_result) -> int:
        """All but attributes."""
        bits = self._by_inode(have, there)
        if not bits and have.st_mode & 0o170000 == stat.S_IFLNK:
            bits = self._text(name)
        if not bits and (have.st_nlink > 1 or there.st_nlink > 1):
            if have.st_nlink > 1 and self._comparer.links:
                self.files[name] = (there.st_dev, there.st_ino)
                bits = LINKS
            elif there.st_nlink > 1:
                bits = DOUBT  # names of who knows what
        return bits

    def _by_inode(self, have: os.stat_result, there: os.stat_result) -> int:
        comparer, time = self._comparer, have.st_mtime_ns
        bits = by_inode(comparer.kept, want_of(have), there)
        if comparer.kept.times and same_step(time, there.st_mtime_ns, comparer.grain):
            bits &= ~TIME
        return bits or (DOUBT if time in MARKS else 0)

    def _text(self, name: bytes) -> int:
        try:
            same = os.readlink(name, dir_fd=self._source) == os.readlink(name, dir_fd=self._fd)
        except OSError:
            return DOUBT
        return 0 if same else TEXT

    def _compare_attributes(
        self, states: list[int], right: list[tuple[int, bytes, os.stat_result, os.stat_result]]
    ) -> None:
        """Note in ``states`` which of the entries that are right so far have other attributes."""
        wanted = self._read(self._source, [(name, have) for _at, name, have, _there in right])
        found = self._read(self._fd, [(name, there) for _at, name, _have, there in right])
        for (at, *_more), ours, theirs in zip(right, wanted, found):
            if ours is None or theirs is None:
                states[at] |= DOUBT
            elif (ours or theirs) and differing(ours, theirs):
                states[at] |= ATTRIBUTES

    def _read(
        self, directory: int, named: list[tuple[bytes, os.stat_result]]
    ) -> list[dict[str, bytes] | None]:
        """The attributes of entries; None where they can't be read."""
        place = b"/proc/self/fd/%d/" % directory
        if self._comparer.alone:
            os.fchdir(directory)  # a path through /proc takes four times as long
            place = b""
        return self._comparer.attributes.read_all(place, named)
