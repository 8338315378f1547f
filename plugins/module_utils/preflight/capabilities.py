# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a destination can hold, found out by doing it, in a directory that is removed again."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import struct
from typing import Any, Callable

from ..core.errnos import may_pass
from ..core.own_names import beside
from ..fs.refresh import refresh
from ..fs.times import LATEST, ODD, SECOND, grain_of
from ..mounts import same_export

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_OTHER = 1  # a user and group that every Unix has
_MIB = 1 << 20
_BITS = 0o7751
_CAPABILITY = struct.pack("<5I", 0x02000000, 1 << 10, 0, 0, 0)  # CAP_NET_BIND_SERVICE, permitted
_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, bits, who)
    for tag, bits, who in (
        (0x01, 6, 0xFFFFFFFF),
        (0x02, 4, _OTHER),
        (0x04, 4, 0xFFFFFFFF),
        (0x10, 4, 0xFFFFFFFF),
        (0x20, 0, 0xFFFFFFFF),
    )
)
_LOWER, _UPPER, _APART = (
    b"name-\xc3\xa9",
    b"NAME-\xc3\xa9",
    b"name-e\xcc\x81",
)  # é as one and as two


class Holds:
    """What was found: ``lacks`` says of each kind that is not kept why; the rest is in
    ``values``."""

    def __init__(self) -> None:
        self.lacks: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(self.values, lacks=self.lacks)

    def attempt(self, kind: str, act: Callable[[], object], why: str = "") -> bool:
        """Note ``kind`` as lacking if ``act`` fails or says False."""
        try:
            if act() is not False:
                return True
            self.lacks[kind] = why or "it is not kept"
        except OSError as error:
            number = error.errno or 0
            if _is_of_the_moment(number):
                raise
            self.lacks[kind] = os.strerror(number)
        return False


def _is_of_the_moment(number: int) -> bool:
    """Whether an errno tells of a full disk or a dead server, and nothing of what can be kept.
    Servers without ACLs say EIO to them."""
    return number in _FULL or (may_pass(number) and number != errno.EIO)


def space(path: bytes) -> dict[str, int]:
    """Bytes and inodes that this user may still use where ``path`` is, and how many there are;
    ``inodes`` is 0 where they are not counted."""
    found = os.statvfs(path)
    return {
        "bytes": found.f_blocks * found.f_frsize,
        "bytes_free": found.f_bavail * found.f_frsize,
        "inodes": found.f_files,
        "inodes_free": found.f_favail,
    }


def source_lacks(path: bytes) -> list[str]:
    """Of attributes and ACLs the kinds that the file system of a source can't have."""
    found = []
    for kind, name in (
        ("user_xattrs", "user.ingest"),
        ("trusted_xattrs", "trusted.ingest"),
        ("security_xattrs", "security.capability"),
        ("acls", "system.posix_acl_access"),
    ):
        try:
            os.getxattr(path, name)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
                found.append(kind)
    return found


def is_empty(path: bytes) -> bool:
    """Whether a directory has no entries but ours and the file system's own."""
    with os.scandir(path) as entries:
        return all(beside(entry.name, True) for entry in entries)


def probe(directory: bytes) -> dict[str, Any]:
    """Find out what can be kept below a directory; its times change.

    Raises:
        OSError: no directory can be made in it.
    """
    parent = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    name = b".ingest-probe-" + secrets.token_hex(8).encode()
    try:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            fd = _enter(name, parent)
            try:
                return _probe_all(fd).as_dict()
            finally:
                os.close(fd)
        finally:
            _remove(name, parent)
    finally:
        os.close(parent)


def _enter(name: bytes, parent: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _remove(name: bytes, parent: int) -> None:
    try:
        fd = _enter(name, parent)
    except FileNotFoundError:  # it could not be made
        return
    try:
        for entry in os.listdir(fd):
            os.unlink(os.fsencode(entry), dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=parent)


def _probe_all(directory: int) -> Holds:
    holds = Holds()
    fd = os.open(b"file", _CREATE, 0o600, dir_fd=directory)
    try:
        holds.attempt("sparse", lambda: _sparse(fd), "holes are filled")
        _times(holds, fd)
        _links(holds, directory)
        _attributes(holds, fd)
        _owner(holds, fd)
        holds.attempt("mode", lambda: _mode(holds, fd))
    finally:
        os.close(fd)
    _nodes(holds, directory)
    _names(holds, directory)
    return holds


def _sparse(fd: int) -> bool:
    os.pwrite(fd, b"x", _MIB - 1)
    os.fsync(fd)
    refresh(fd)
    return os.fstat(fd).st_blocks * 512 < _MIB // 2


def _times(holds: Holds, fd: int) -> None:
    """Steps in ns, and the first and last second; None where no end was found."""

    def kept(time: int) -> int:
        try:
            os.utime(fd, ns=(time, time))
        except OSError:
            return time + 10 * SECOND  # refused: certainly not kept
        return os.fstat(fd).st_mtime_ns

    def held(second: int) -> bool:
        # A second that is the limit may be what became of any beyond it.
        return kept(second * SECOND) // SECOND == second

    oldest: int | None = None
    if not held(-2):
        oldest = 0
    elif not held(-(1 << 31) - 2):
        oldest = -(1 << 31)
    latest = next((limit for limit in LATEST if not held(limit + 2)), None)
    holds.values.update(granularity=grain_of(kept(ODD)), oldest=oldest, newest=latest)


def _links(holds: Holds, directory: int) -> None:
    def symbolic() -> bool:
        os.symlink(b"nowhere", b"symbolic", dir_fd=directory)
        return os.readlink(b"symbolic", dir_fd=directory) == b"nowhere"

    def times() -> bool:
        os.utime(b"symbolic", ns=(ODD, ODD), dir_fd=directory, follow_symlinks=False)
        refresh(directory, b"symbolic")
        found = os.stat(b"symbolic", dir_fd=directory, follow_symlinks=False)
        return abs(found.st_mtime_ns - ODD) < 2 * SECOND

    def hard() -> bool:
        os.link(b"file", b"hard", src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        return os.path.samestat(
            os.stat(b"hard", dir_fd=directory), os.stat(b"file", dir_fd=directory)
        )

    if holds.attempt("symbolic_links", symbolic):
        holds.attempt("link_times", times, "they are those of their making")
    holds.attempt("hard_links", hard)


def _attributes(holds: Holds, fd: int) -> None:
    """Extended attributes that this user may set elsewhere, and an ACL."""

    def set_and_get(name: str, value: bytes) -> Callable[[], object]:
        def act() -> bool:
            os.setxattr(fd, name, value)
            return os.getxattr(fd, name) == value

        return act

    wanted: list[tuple[str, str, bytes]] = [("user_xattrs", "user.ingest", b"value")]
    if os.geteuid() == 0:
        wanted.append(("trusted_xattrs", "trusted.ingest", b"value"))
        wanted.append(("security_xattrs", "security.capability", _CAPABILITY))
    wanted.append(("acls", "system.posix_acl_access", _ACL))
    for kind, name, value in wanted:
        holds.attempt(kind, set_and_get(name, value))
    if holds.lacks.get("trusted_xattrs") == os.strerror(errno.EPERM):
        del holds.lacks["trusted_xattrs"]  # this root sees none in the source either


def _owner(holds: Holds, fd: int) -> None:
    """Whom a new file belongs to, and whether root can give it away."""
    user = os.geteuid()
    found = os.fstat(fd).st_uid
    holds.values.update(uid=user, owner=found)
    if user:
        return

    def give() -> bool:
        os.fchown(fd, _OTHER, _OTHER)
        state = os.fstat(fd)
        return (state.st_uid, state.st_gid) == (_OTHER, _OTHER)

    holds.attempt("owner", give, "another owner is set")


def _mode(holds: Holds, fd: int) -> bool:
    os.fchmod(fd, _BITS)
    bits = stat.S_IMODE(os.fstat(fd).st_mode)
    for kind, mask in (("set_id", 0o6000), ("sticky", 0o1000)):
        if bits & mask != _BITS & mask:
            holds.lacks[kind] = "the bits are taken off"
    return bits & 0o777 == _BITS & 0o777


def _nodes(holds: Holds, directory: int) -> None:
    def make(name: bytes, kind: int, device: int) -> Callable[[], object]:
        def act() -> bool:
            os.mknod(name, kind | 0o600, device, dir_fd=directory)
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            return stat.S_IFMT(found.st_mode) == kind and found.st_rdev == device

        return act

    holds.attempt("fifos", make(b"fifo", stat.S_IFIFO, 0))
    holds.attempt("sockets", make(b"socket", stat.S_IFSOCK, 0))
    if os.geteuid() == 0:
        holds.attempt("devices", make(b"device", stat.S_IFCHR, os.makedev(1, 3)))


def _names(holds: Holds, directory: int) -> None:
    def create(name: bytes) -> Callable[[], object]:
        return lambda: os.close(os.open(name, _CREATE, 0o600, dir_fd=directory))

    def absent(name: bytes) -> bool:
        try:
            os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return True
        return False

    holds.values["longest_name"] = 255
    try:
        create(b"n" * 255)()
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.EINVAL):
            raise
        holds.values["longest_name"] = os.fpathconf(directory, "PC_NAME_MAX")
    holds.attempt("any_name", create(b"bytes-\xff"))
    if holds.attempt("utf8_names", create(_LOWER)):
        holds.attempt("case", lambda: absent(_UPPER), "upper and lower case are the same")
        holds.attempt("forms", lambda: absent(_APART), "composed and decomposed are the same")


def of_destination(
    source: bytes | None, target: bytes, seen: list[dict[str, Any]], write: bool
) -> dict[str, Any]:
    """All that is to be known of a destination: :func:`space`, ``empty``, ``source_lacks``, and
    with ``write`` what :func:`probe` finds, after which the directory has the times that it had
    before ``seen``.

    Raises:
        IngestError: it can't be written or looked at, or the hosts of ``seen`` don't see one
            directory.
    """
    same_export.same_on_all(seen)
    (place,) = same_export.levels([target])
    try:
        same_export.ask_again(place.path)
        found: dict[str, Any] = space(place.path)
        found["source_lacks"] = source_lacks(source) if source else []
        found["empty"] = bool(place.missing) or is_empty(place.path)
        before = os.stat(place.path)
        if write and not same_export.closed_to_owner(before):
            times = before.st_atime_ns, before.st_mtime_ns
            try:
                found.update(probe(place.path))
            finally:
                same_export.put_back(place.path, *(same_export.true_times(seen) if seen else times))
    except OSError as error:
        raise same_export.problem(
            "ingest_destinations", target, f"can't be probed ({error.strerror or error})"
        ) from error
    return found
