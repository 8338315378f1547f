# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second pass: is what arrived what the source has, in all that was promised?"""

from __future__ import annotations

import errno
import os
import stat
from typing import AbstractSet, Collection

from ..core.changes import DEVICE, GROUP, MODE, OWNER, SIZE, TIME, TYPE, by_inode
from ..core.errnos import cannot_hold, cannot_link
from ..core.errors import OperationError
from ..core.paths import display, join, split
from ..core.steps import VERIFY
from ..core.want import Want, want_of
from ..fs.attributes import differing
from ..fs.listing import RUN, listed, reading
from ..fs.mount_table import holding
from ..fs.refresh import refresh
from ..fs.times import Where, set_times
from ..fs.worker_count import waits
from .digests import digest
from .mend import OtherContents
from .metadata import kind_of_attribute
from .replace import unlink_quietly
from .session import Session
from .temporary import temporary

_FEW = 4  # rows of a directory that are looked at one by one
_WIDE = 16  # of a wider directory, as often as it has more entries than rows, only the rows
_S_IFMT, _S_IFREG, _S_IFDIR, _S_IFLNK = 0o170000, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
_SET_ID = stat.S_ISUID | stat.S_ISGID
_SERVERS_OWN = "system.nfs4_acl"  # which servers write anew, in their own words


class Check:
    """Compares entries of the destination with the source. For one session, which looks at the
    destination afresh (:meth:`.session.Session.look_afresh`) once for what is checked together.

    Of what is checked now: ``lost`` are the kinds of what the copy said that the destination could
    not hold, ``attributes`` is whether the source may have extended attributes or ACLs there.
    """

    def __init__(self, session: Session, digests: bool = False) -> None:
        """With ``digests`` contents are read back and hashed on both sides."""
        self.session = session
        self.lost: AbstractSet[str] = frozenset()
        self.attributes = True
        self._digests = digests
        self._source_waits = waits(session.sources.root)
        place = holding(os.path.realpath(session.targets.root))
        self._lists = waits(session.targets.root) and not (place and "nordirplus" in place.options)
        self._user = os.geteuid()
        self._groups = {os.getegid(), *os.getgroups()}
        self._directory = b""
        self._known: dict[bytes, os.stat_result] = {}  # of its entries
        self._leader: tuple[bytes, os.stat_result] | None = None

    def expect(self, directory: bytes, names: Collection[bytes]) -> None:
        """Say what will be asked of a directory next. Where a server has it, one listing tells what
        many entries are, a hundred a call; of a much wider directory they are looked at alone."""
        self._directory, self._known, self._leader = directory, {}, None
        if not self._lists or len(names) < _FEW:
            return
        wanted = frozenset(names)
        try:
            fd = reading(self.session.target(directory).fd)
        except OSError:  # which is said of each entry
            return
        try:
            seen = 0
            for run in listed(fd, True, wanted=lambda name, _is_directory: name in wanted):
                self._known.update(run.files)
                self._known.update(run.others)
                seen += RUN
                if seen >= _WIDE * len(names) or len(self._known) == len(wanted):
                    break
        except OSError:
            pass
        finally:
            os.close(fd)

    def check(self, directory: bytes, name: bytes, want: Want, leader: bytes | None = None) -> None:
        """Compare one entry: type, size, times, mode, owner, group, link text, device, attributes
        and ACLs, as far as they are to be kept, and with ``leader`` that it is a link to that.

        Raises OSError for what is missing or differs.
        """
        try:
            self._check(directory, name, want, leader)
        except OSError:
            # An NFS client may remember how it was before another client changed it.
            self._ask_again(directory, name)
            self._check(directory, name, want, leader)
        self.session.tally.skipped += 1

    def forget(self, name: bytes) -> None:
        """What is known of an entry may not be so any more."""
        self._known.pop(name, None)
        self._leader = None

    def _ask_again(self, directory: bytes, name: bytes) -> None:
        self.forget(name)
        parts = directory.split(b"/") if directory else []
        for count in range(len(parts) + 1):
            try:
                fd = self.session.target(b"/".join(parts[:count])).fd
            except OSError:
                return
            refresh(fd)
        if name:
            refresh(fd, name)

    def _check(self, directory: bytes, name: bytes, want: Want, leader: bytes | None) -> None:
        session = self.session
        kind = want.mode & _S_IFMT
        if kind == _S_IFDIR:
            directory, name = (join(directory, name) if name else directory), b""
        target = session.target(directory).fd
        if name:
            known = self._known.get(name) if directory == self._directory else None
            found = known or os.stat(name, dir_fd=target, follow_symlinks=False)
            if leader is not None and self._is_link(found, leader):
                return  # the rest is said of its first name
        else:
            found = os.fstat(target)
        if not _exactly(want, found):
            path = join(directory, name) if name else directory
            wrong = self._wrong(want, found, path, target)
            if wrong:
                # The source may have changed between the scan and the copy, which copied what it
                # found.
                now = self._now(directory, name)
                if now == want or self._wrong(now, found, path, target):
                    raise _differs(wrong)
        if kind == _S_IFLNK:
            source = session.source(directory)
            if os.readlink(name, dir_fd=source) != os.readlink(name, dir_fd=target):
                raise _differs("is a link to something else")
        if self.attributes and session.metadata.attributes:
            self._check_attributes(directory, name, target)
        if self._digests and kind == _S_IFREG:
            if digest(name, session.source(directory), self._source_waits) != digest(
                name, session.target(directory).fd, True
            ):
                raise OtherContents()
            session.tally.bytes += found.st_size

    def _now(self, directory: bytes, name: bytes) -> Want:
        """What the source has by now."""
        source = self.session.source(directory)
        if not name:
            return want_of(os.fstat(source))
        return want_of(os.stat(name, dir_fd=source, follow_symlinks=False))

    def _wrong(self, want: Want, found: os.stat_result, path: bytes, target: int) -> str:
        """What of an entry is not as it is wanted, in words. What the destination can't hold is not
        wrong. ``target`` is its directory, or itself."""
        metadata = self.session.metadata
        bits = by_inode(metadata.kept, want, found)
        if bits & TYPE:
            return "is of another type"
        wrong = []
        if bits & SIZE:
            wrong.append(f"has {found.st_size} bytes, the source {want.size}")
        if bits & DEVICE:
            wrong.append("is another device")
        # Where times are not kept, one that is later than the source's says nothing, nor does one
        # that the destination's clock gave.
        if bits & TIME and metadata.times and not self._same_time(want, found, path, target):
            wrong.append("has another time")
        if bits & OWNER and not self._other_owner(want):
            wrong.append(f"belongs to user {found.st_uid}, not {want.uid}")
        if bits & GROUP and not self._other_group(want, found):
            wrong.append(f"belongs to group {found.st_gid}, not {want.gid}")
        if bits & MODE and not self._other_mode(want, found):
            modes = stat.S_IMODE(found.st_mode), stat.S_IMODE(want.mode)
            wrong.append("has mode %04o, not %04o" % modes)
        return ", ".join(wrong)

    def _same_time(self, want: Want, found: os.stat_result, path: bytes, target: int) -> bool:
        metadata = self.session.metadata
        name = split(path)[1]
        where: Where = name
        parent: int | None = target
        if stat.S_ISDIR(want.mode):
            where, parent = "/proc/self/fd/%d" % target, None
        if metadata.same_time(where, parent, found, want.mtime):
            return True
        if not stat.S_ISLNK(found.st_mode) or _takes_time(name, target, found, want):
            return False
        why = "the destination keeps no times of links"
        metadata.lost_times(path, want.mtime, found.st_mtime_ns, why)
        return True

    def _other_owner(self, want: Want) -> bool:
        """Whether another owner is explained. Only root can give a file to somebody else."""
        return "owner" in self.lost or (self._user != 0 and want.uid != self._user)

    def _other_group(self, want: Want, found: os.stat_result) -> bool:
        """Whether another group is explained: others than root give what is theirs to their groups
        alone."""
        return not self.lost.isdisjoint(("owner", "group")) or (
            self._user != 0 and (want.gid not in self._groups or found.st_uid != self._user)
        )

    def _other_mode(self, want: Want, found: os.stat_result) -> bool:
        """Whether other bits are explained: without its owner a file gets no set-id bits, and the
        kernel takes that of a group away where the user is not in it."""
        if "mode" in self.lost:
            return True
        other = stat.S_IMODE(found.st_mode ^ want.mode)
        if other & ~_SET_ID or found.st_mode & other:
            return False
        return "set-id" in self.lost or (
            self._user != 0 and other == stat.S_ISGID and want.gid not in self._groups
        )

    def _is_link(self, found: os.stat_result, leader: bytes) -> bool:
        """Whether an entry is a hard link to its leader; False if the destination can't have it, so
        that it is a copy. Raises OperationError if it could."""
        directory, name = split(leader)
        target = self.session.target(directory).fd
        if self._leader is None or self._leader[0] != leader:
            self._leader = leader, os.stat(name, dir_fd=target, follow_symlinks=False)
        if os.path.samestat(found, self._leader[1]):
            return True
        if "links" not in self.lost or _can_link(name, target):
            raise _differs("is not the hard link that it is in the source")
        return False

    def _check_attributes(self, directory: bytes, name: bytes, target: int) -> None:
        """Those of an entry where the source may have some. Elsewhere nobody is asked: it would be
        felt with each entry."""
        metadata = self.session.metadata
        where: Where = b"/proc/self/fd/%d/%s" % (target, name)
        if not name:
            where = "/proc/self/fd/%d" % target
        try:
            fd = self.session.source(directory)
            source: Where = b"/proc/self/fd/%d/%s" % (fd, name) if name else "/proc/self/fd/%d" % fd
            wanted = metadata.read_attributes(source)
        except FileNotFoundError:  # it was copied, and has gone since
            return
        wrong = [
            display(os.fsencode(kind))
            for kind in differing(wanted, metadata.read_attributes(where))
            if kind != _SERVERS_OWN and kind_of_attribute(kind) not in self.lost
        ]
        if wrong:
            raise _differs(f"has other attributes than the source: {', '.join(sorted(wrong))}")


def _exactly(want: Want, found: os.stat_result) -> bool:
    """Whether an inode is as it is wanted, without a look at what of it is to be kept: as nearly
    all are. What has contents has a size of its own."""
    mode = want.mode
    return (
        found.st_mtime_ns == want.mtime
        and found.st_mode == mode
        and found.st_uid == want.uid
        and found.st_gid == want.gid
        and (
            found.st_size == want.size if mode & _S_IFMT == _S_IFREG else found.st_rdev == want.rdev
        )
    )


def _takes_time(name: bytes, directory: int, found: os.stat_result, want: Want) -> bool:
    """Whether the destination keeps times of links, by giving one its own for a moment: then that
    it has another one is wrong."""
    try:
        set_times(name, directory, (found.st_atime_ns, want.mtime))
        refresh(directory, name)
        now = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if now.st_mtime_ns == found.st_mtime_ns:
            return False
        set_times(name, directory, (found.st_atime_ns, found.st_mtime_ns))
    except OSError as error:
        return not cannot_hold(error.errno or 0)
    return True


def _can_link(name: bytes, directory: int) -> bool:
    """Whether a file can have one more name. Where it can, what is checked is wrong, and that its
    directory has another time then hides nothing."""
    new = temporary()
    try:
        os.link(name, new, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if not cannot_link(error.errno or 0):
            raise
        return False
    unlink_quietly(new, directory)
    return True


def _differs(message: str) -> OperationError:
    return OperationError(VERIFY, errno.EIO, message)
