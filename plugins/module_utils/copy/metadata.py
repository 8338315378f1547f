# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, mode, times, extended attributes and ACLs, with as few calls as the result needs."""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable

from ..core.changes import Kept
from ..core.errnos import cannot_hold
from ..core.outcome import Losses
from ..fs.attributes import ACLS, Attributes, differing, get, held
from ..fs.times import (
    GRAINS,
    SECOND,
    Beyond,
    Where,
    held_everywhere,
    look,
    probe_entry,
    same_step,
    set_times,
)

_LABEL = "security.selinux"
_STILL = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_TIME = (errno.EINVAL, errno.ERANGE, errno.EOVERFLOW)


class Metadata:
    """Sets metadata of one tree's entries. For one thread."""

    def __init__(self, preserve: frozenset[str], losses: Losses) -> None:
        self.kept = Kept.of(preserve)
        self.mode, self.owner, self.times = self.kept
        self._attributes = Attributes("xattrs" in preserve, "acls" in preserve)
        self.attributes = bool(self._attributes)
        self.had_attributes = 0  # entries of the source, so far
        self._losses = losses
        self.root = os.geteuid() == 0
        self._may_own = True
        self._granularity: dict[int, int] = {}
        self._beyond = Beyond()
        # Off in the second pass: a probe would touch a directory that another worker checks.
        self.probing = True

    # -- owner and mode --------------------------------------------------------------------

    def own(
        self,
        path: bytes,
        found: os.stat_result,
        uid: int,
        gid: int,
        where: Where,
        parent: int | None = None,
    ) -> tuple[bool, bool]:
        """Give an entry its owner where that differs from ``found``.

        ``where`` is a descriptor, or a name in ``parent`` (never followed).
        Returns (changed, the owner is right).
        """
        if not self.owner or (found.st_uid == uid and found.st_gid == gid):
            return False, True
        if self._may_own and (self.root or found.st_gid != gid):
            new_uid = uid if self.root else -1
            try:
                if parent is None:
                    os.chown(where, new_uid, gid)
                else:
                    os.chown(where, new_uid, gid, dir_fd=parent, follow_symlinks=False)
            except OSError as error:
                if not cannot_hold(error.errno or 0):
                    raise
                if self.root:  # a squashed root: the next one would fail as well
                    self._may_own = False
            else:
                if self.root:
                    return self._took_owner(path, uid, gid, where, parent)
                if found.st_uid == uid:
                    return True, True
                self._losses.add("owner", path, "only root can give a file to another user")
                return True, False
        self._losses.add(
            "owner" if found.st_uid != uid else "group",
            path,
            "the destination refuses to change the owner"
            if self.root
            else "only root can give a file to another user",
        )
        return False, False

    def _took_owner(
        self, path: bytes, uid: int, gid: int, where: Where, parent: int | None
    ) -> tuple[bool, bool]:
        """After a chown that succeeded: a server that squashes root may have made another of it."""
        now = look(where, parent)
        if now.st_uid == uid and now.st_gid == gid:
            return True, True
        self._losses.add(
            "owner" if now.st_uid != uid else "group",
            path,
            "the destination gives it to user %d" % now.st_uid
            if now.st_uid != uid
            else "the destination gives it to group %d" % now.st_gid,
        )
        return False, False

    def final_mode(self, path: bytes, mode: int, owned: bool) -> int:
        """The permission bits to set; without its owner a file must not keep set-id bits."""
        bits = stat.S_IMODE(mode)
        if not owned and bits & 0o6000:
            self._losses.add("set-id", path, "not kept on a file whose owner could not be kept")
            bits &= ~0o6000
        return bits

    def set_mode(self, path: bytes, where: Where, bits: int) -> None:
        """Set permission bits, and note if the destination does not keep them. Raises OSError."""
        os.chmod(where, bits)
        now = stat.S_IMODE(os.stat(where).st_mode)
        if now != bits:
            kind = "set-id" if now == bits & ~0o6000 else "mode"
            self._losses.add(kind, path, "the destination keeps the mode %04o" % now)

    # -- times -----------------------------------------------------------------------------

    def same_time(
        self, where: Where, parent: int | None, found: os.stat_result, wanted: int
    ) -> bool:
        """Whether the mtime that an entry has is what the destination makes of ``wanted`` (ns).

        A difference below two seconds may be the destination's granularity, which is then probed
        once per device with the entry's own time; any difference from a time that not every file
        system holds may be the end of its range. While ``probing`` is off, whatever explains it is
        believed. ``where`` and ``parent`` as for :meth:`own`.
        """
        if wanted == found.st_mtime_ns or self._rounded(where, parent, found, wanted):
            return True
        return not held_everywhere(wanted) and self._beyond.same(
            where, parent, found, wanted, self.probing
        )

    def _rounded(
        self, where: Where, parent: int | None, found: os.stat_result, wanted: int
    ) -> bool:
        kept = found.st_mtime_ns
        if abs(wanted - kept) >= 2 * SECOND or kept % 100:
            return False
        grain = self._granularity.get(found.st_dev)
        if grain is None:
            if not self.probing:
                return any(wanted // step * step == kept for step in GRAINS)
            grain = self._granularity[found.st_dev] = probe_entry(where, parent, found)
        return same_step(wanted, kept, grain)

    def set_times(
        self, path: bytes, atime: int, mtime: int, where: Where, parent: int | None = None
    ) -> None:
        """Give an entry its times (ns), and note if the destination does not hold them.

        ``where`` and ``parent`` as for :meth:`own`. Raises OSError.
        """
        if held_everywhere(mtime):
            set_times(where, parent, (atime, mtime))
            return
        try:
            set_times(where, parent, (atime, mtime))
        except OSError as error:
            if error.errno not in _NO_TIME:
                raise
            nearest = 0 if mtime < SECOND else (1 << 31) - 1
            set_times(where, parent, (nearest * SECOND, nearest * SECOND))
        self.lost_times(path, mtime, look(where, parent).st_mtime_ns)

    def lost_times(self, path: bytes, wanted: int, found: int, why: str = "") -> None:
        """Note that a time arrived rounded, or not at all."""
        if not self.times or wanted == found:
            return
        if why or held_everywhere(wanted) or found in [wanted // grain * grain for grain in GRAINS]:
            self._losses.add("times", path, why or "the destination keeps coarser times")
        else:
            self._losses.add("times (range)", path, "beyond what the destination holds")

    # -- extended attributes and ACLs -------------------------------------------------------

    def copy_attributes(self, path: bytes, source: Where, target: Where, device: int) -> bool:
        """Give a new entry the source's attributes. Returns whether there were any."""
        wanted = self.read_attributes(source, device)
        for name, value in wanted.items():
            self._set(path, target, name, value)
        self.had_attributes += bool(wanted)
        return bool(wanted)

    def attribute_changes(self, source: Where, target: Where) -> dict[str, bytes | None]:
        """What an existing entry's attributes must become (None: removed) to be the source's."""
        wanted = self.read_attributes(source)
        self.had_attributes += bool(wanted)
        return differing(wanted, self.read_attributes(target))

    def read_attributes(self, where: Where, device: int = -1) -> dict[str, bytes]:
        """Those of an entry that are to be kept; see :meth:`..fs.attributes.Attributes.read`."""
        return self._attributes.read(where, device)

    def change_attributes(
        self, path: bytes, target: Where, changes: dict[str, bytes | None]
    ) -> bool:
        """Make these changes. Returns whether one was made."""
        changed = False
        for name, value in changes.items():
            if value is None:
                changed |= self._remove(target, name)
            else:
                changed |= self._set(path, target, name, value)
        return changed

    def drop_inherited(self, target: Where) -> None:
        """Take off the ACL that a new entry inherited from its directory's default ACL."""
        for name in ACLS[:2]:
            self._remove(target, name)

    def has_default_acl(self, directory: int) -> bool:
        """Whether new entries in this directory inherit an ACL."""
        if not self._attributes.acls:
            return False
        try:
            os.getxattr("/proc/self/fd/%d" % directory, ACLS[1])
        except OSError:
            return False
        return True

    def _set(self, path: bytes, target: Where, name: str, value: bytes) -> bool:
        try:
            if isinstance(target, int):
                os.setxattr(target, name, value)
            else:
                os.setxattr(target, name, value, follow_symlinks=held(target))
        except OSError as error:
            if not cannot_hold(error.errno or 0):
                raise
            if error.errno == errno.EACCES and _while_writable(target, os.setxattr, name, value):
                return True
            if (
                name == _LABEL and _label(target) == value
            ):  # all files of a mount may have one label
                return False
            self._losses.add(kind_of_attribute(name), path, os.strerror(error.errno or 0))
            return False
        return True

    @staticmethod
    def _remove(target: Where, name: str) -> bool:
        try:
            if isinstance(target, int):
                os.removexattr(target, name)
            else:
                os.removexattr(target, name, follow_symlinks=held(target))
        except OSError as error:
            if error.errno != errno.ENODATA and not cannot_hold(error.errno or 0):
                raise
            return error.errno == errno.EACCES and _while_writable(target, os.removexattr, name)
        return True


def kind_of_attribute(name: str) -> str:
    """What the loss of an attribute is called. SELinux labels every file of a host that has it, and
    NFS 3 holds no label: counted by themselves they hide no file that lost its capabilities."""
    if name == _LABEL:
        return "SELinux labels"
    return "acls" if name in ACLS else f"xattrs ({name.split('.', maxsplit=1)[0]})"


def _label(target: Where) -> bytes:
    try:
        return get(target, _LABEL)
    except OSError:
        return b""


def _while_writable(target: Where, act: Callable[..., None], *arguments: object) -> bool:
    """Change an attribute of a file or directory that its mode makes read-only, which the kernel
    allows only root: with a mode that lets its owner write for that moment."""
    try:
        flags = _STILL & ~os.O_NOFOLLOW if held(target) else _STILL
        fd = target if isinstance(target, int) else os.open(target, flags)
    except OSError:
        return False
    try:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode & stat.S_IWUSR:
            return False
        os.fchmod(fd, mode | stat.S_IWUSR)
        try:
            act(fd, *arguments)
        finally:
            os.fchmod(fd, mode)
        return True
    except OSError:
        return False
    finally:
        if fd != target:
            os.close(fd)
