# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file under way: the old one and the new one, both held open, and how they are looked at."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from typing import Callable

from ..copy.contents import SMALL, Contents
from ..copy.metadata import Metadata
from ..core.errnos import cannot_hold
from ..core.errors import OperationError
from ..core.outcome import Losses
from ..core.vocabulary import PRESERVE
from . import leases
from .directories import refuse
from .outcome import CHANGED, FAILED, HOT, SKIPPED, Candidate, Stop, known_of

READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOATIME
MAKING = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOATIME
_BLOCK = 1 << 20
_TRIES, _PAUSE = 5, 0.002  # s


class UnderWay:
    """One file. ``source`` and ``target`` are descriptors, -1 if closed; ``before`` is how the old
    one was before it was read; ``temporary`` is what the new one is called until it has its names.
    """

    __slots__ = (
        "candidate",
        "source",
        "target",
        "before",
        "made",
        "temporary",
        "leased",
        "placed",
        "parked",
    )

    def __init__(self, candidate: Candidate, leased: bool) -> None:
        self.candidate = candidate
        self.leased = leased
        self.source = self.target = -1
        self.before: os.stat_result = os.stat_result([0] * 10)
        self.made: os.stat_result = self.before
        self.temporary = b""
        # How many of the names are the new file's already.
        self.placed = 0
        # The old one's names, as far as they are out of everybody's reach, and what they are now.
        self.parked: list[tuple[bytes, bytes]] = []

    @property
    def path(self) -> bytes:
        """Its first name."""
        return self.candidate.paths[0]

    # -- the old file ------------------------------------------------------------------------------

    def open(
        self, name: bytes, directory: int, quiet: float, now: float, all_names: bool = True
    ) -> None:
        """Open the old file and see that nobody uses it: by a lease, or, without, by times that lie
        ``quiet`` seconds back; and, with ``all_names``, that it has no other names. Raises Stop,
        OSError."""
        known = self.candidate.known
        try:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            raise Stop(CHANGED, "is not there any more") from None
        if not stat.S_ISREG(found.st_mode):
            raise Stop(SKIPPED, "is no regular file")
        if known is not None and known_of(found) != known:
            raise Stop(CHANGED, "is not as the index knows it")
        if all_names and found.st_nlink != len(self.candidate.paths):
            raise Stop(
                SKIPPED,
                f"has {found.st_nlink} names, of which {len(self.candidate.paths)} are in the list",
            )
        try:
            self.source = os.open(name, READING, dir_fd=directory)
        except BlockingIOError:
            raise Stop(HOT, "is held by somebody's lease") from None
        if self.leased:
            if not leases.take(self.source):
                raise Stop(HOT, "is open or mapped")
        elif now - max(found.st_mtime, found.st_ctime) < quiet:
            raise Stop(HOT, f"changed within the last {quiet:.0f} s")
        self.before = os.fstat(self.source)
        if not unchanged(found, self.before):
            raise Stop(CHANGED, "changed while it was opened")
        os.posix_fadvise(self.source, 0, min(found.st_size, SMALL), os.POSIX_FADV_WILLNEED)

    def stands(self) -> None:
        """See that the old file is as it was before it was read. Raises Stop, OSError."""
        self._alone()
        if not unchanged(os.fstat(self.source), self.before):
            raise Stop(HOT, "changed meanwhile")

    def agrees(self) -> None:
        """See that nothing has happened to the old file that has not happened to the new one as
        well: what is done to a file by its name is done to both. Raises Stop, OSError."""
        for dummy in range(_TRIES):
            self._alone()
            now = os.fstat(self.source)
            if unchanged(now, self.before) or self._both(now):
                self.before = now
                return
            time.sleep(_PAUSE)  # it may be between the two
        raise Stop(HOT, "changed meanwhile")

    def _both(self, now: os.stat_result) -> bool:
        new = os.fstat(self.target)
        return (
            self.leased  # so nobody can have written to it
            and looks(now) == looks(new)
            and now.st_nlink == new.st_nlink
            and same_attributes(self.source, self.target)
        )

    def rests(self) -> None:
        """The same as :meth:`stands` after it was renamed, which changes its ctime."""
        self._alone()
        now = os.fstat(self.source)
        if looks(now) != looks(self.before) or now.st_nlink != self.before.st_nlink:
            raise Stop(HOT, "changed meanwhile")

    def _alone(self) -> None:
        if self.leased and not leases.take(self.source):
            raise Stop(HOT, "was opened meanwhile")

    # -- the new file ------------------------------------------------------------------------------

    def copy(self, contents: Contents) -> None:
        """Give the new file everything that the old one has. Raises Stop, OSError."""
        before, path = self.before, self.path
        found = os.fstat(self.target)
        if not stat.S_ISREG(found.st_mode) or found.st_size or found.st_nlink != 1:
            raise Stop(FAILED, "what was made for it in the target pool is not an empty file")
        count = contents.copy(
            self.source,
            self.target,
            before.st_size,
            before.st_blocks,
            (before.st_dev, found.st_dev),
        )
        if count != before.st_size:
            self._was_it_changed()
            raise Stop(FAILED, f"ended after {count} of {before.st_size} bytes")
        losses = Losses()
        metadata = Metadata(frozenset(PRESERVE), losses)
        metadata.own(path, found, before.st_uid, before.st_gid, self.target)
        try:
            metadata.copy_attributes(path, self.source, self.target, -1)
        except OSError as error:
            raise OperationError("give it its attributes", error.errno or 0) from error
        os.fchmod(self.target, stat.S_IMODE(before.st_mode))
        metadata.set_times(path, before.st_atime_ns, before.st_mtime_ns, self.target)
        refuse(losses)
        self.made = os.fstat(self.target)

    def recall(self) -> None:
        """Of the new file, which is on the disk by now, forget what was written, and begin to read
        what is stored. Raises OSError."""
        os.posix_fadvise(self.target, 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(self.target, 0, min(self.before.st_size, SMALL), os.POSIX_FADV_WILLNEED)

    def verify(self, look: Callable[[int], None]) -> None:
        """Compare the new file, as it is stored, with the old one; and hold a lease on it from now
        on. ``look`` is told of each block. Raises Stop, OSError."""
        sparse = self.before.st_blocks * 512 < self.before.st_size
        if not same_contents(self.source, self.target, self.before.st_size, sparse, look):
            self._was_it_changed()
            raise Stop(FAILED, "what was stored in the target pool is not what was written")
        if looks(self.made) != looks(self.before):
            raise Stop(FAILED, "the target pool does not keep its size, times, mode or owner")
        if self.leased and not leases.take(self.target):
            raise Stop(FAILED, "what was made for it in the target pool is open elsewhere")

    def _was_it_changed(self) -> None:
        """A copy that is wrong says nothing if the old file changed, which only a lease can rule
        out. Raises Stop, OSError."""
        if not unchanged(os.fstat(self.source), self.before):
            raise Stop(HOT, "changed meanwhile")

    def alone(self) -> bool:
        """Whether nobody but this process has the new file, or waits for it; without leases,
        whether nobody has changed it."""
        if self.leased:
            return leases.take(self.target)
        return looks(os.fstat(self.target)) == looks(self.made)

    # -- the end -----------------------------------------------------------------------------------

    def let_go(self) -> None:
        """Close both, which lets those in who wait."""
        for fd in (self.source, self.target):
            if fd >= 0:
                with suppress(OSError):
                    os.close(fd)
        self.source = self.target = -1


def unchanged(now: os.stat_result, before: os.stat_result) -> bool:
    """Whether nothing has happened to a file between two looks."""
    return known_of(now) == known_of(before) and now.st_nlink == before.st_nlink


def looks(found: os.stat_result) -> tuple[int, int, int, int, int]:
    """What a stat shows of a file whatever its inode and names: size, mtime, mode, owner, group."""
    return (found.st_size, found.st_mtime_ns, found.st_mode, found.st_uid, found.st_gid)


def same_attributes(one: int, other: int) -> bool:
    """Whether two files have the same extended attributes and ACLs. Raises OSError."""
    metadata = Metadata(frozenset(PRESERVE), Losses())
    return not metadata.attribute_changes(one, other)


def same_contents(
    one: int, other: int, size: int, sparse: bool = True, look: Callable[[int], None] | None = None
) -> bool:
    """Whether two files, of ``size`` bytes both, have the same contents; what is a hole in both is
    not read if they may be ``sparse``. ``look`` is told of each block. Raises OSError."""
    at = 0
    while at < size:
        if sparse:
            at = min(_data(one, at, size), _data(other, at, size))
            if at >= size:
                break
        block = os.pread(one, _BLOCK, at)
        if not block or block != os.pread(other, _BLOCK, at):
            return False
        at += len(block)
        if look is not None and at < size:
            look(len(block))
    return True


def _data(fd: int, at: int, size: int) -> int:
    """Where data comes next; ``size`` if none does."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:
        return at if cannot_hold(error.errno or 0) else size  # one can't tell, the other has none
