# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second pass: is what arrived what the source has?"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import Any

from ..core.errors import OperationError
from ..core.paths import join, split
from ..core.want import Want
from ..fs.refresh import refresh
from .mend import OtherContents
from .regular import same_file
from .session import Session

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_BLOCK = 1 << 20


def check(
    session: Session, directory: bytes, name: bytes, want: Want, leader: bytes | None, digests: bool
) -> None:
    """Compare one entry of the destination with the source: type, size, time, link text and
    hard link, and with ``digests`` the contents, read back and hashed on both sides.

    Raises OSError for what is missing or differs.
    """
    try:
        _check(session, directory, name, want, leader, digests)
    except OSError:
        # An NFS client may remember how it was before another client changed it.
        _ask_again(session, directory, name)
        _check(session, directory, name, want, leader, digests)


def _ask_again(session: Session, directory: bytes, name: bytes) -> None:
    parts = directory.split(b"/") if directory else []
    for count in range(len(parts) + 1):
        try:
            fd = session.targets.get(b"/".join(parts[:count])).fd
        except OSError:
            return
        refresh(fd)
    if name:
        refresh(fd, name)


def _check(
    session: Session, directory: bytes, name: bytes, want: Want, leader: bytes | None, digests: bool
) -> None:
    path = join(directory, name) if name else directory
    if stat.S_ISDIR(want.mode):
        found = os.fstat(session.targets.get(path).fd)
        target = session.targets.get(path).fd
    else:
        target = session.targets.get(directory).fd
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
    if stat.S_IFMT(found.st_mode) != stat.S_IFMT(want.mode):
        raise _differs("is of another type")
    if leader is not None and "links" not in session.losses.kinds:
        leader_directory, leader_name = split(leader)
        lead = os.stat(
            leader_name, dir_fd=session.targets.get(leader_directory).fd, follow_symlinks=False
        )
        target = session.targets.get(directory).fd
        if not os.path.samestat(found, lead) and lead.st_nlink > 1:
            raise _differs("is not the hard link that it is in the source")
    if stat.S_ISLNK(want.mode):
        source = session.sources.get(directory).fd
        if os.readlink(name, dir_fd=source) != os.readlink(name, dir_fd=target):
            raise _differs("is a link to something else")
    elif stat.S_ISREG(want.mode):
        _check_file(session, directory, name, want, found, digests)
    elif not stat.S_ISDIR(want.mode) and found.st_rdev != want.rdev:
        raise _differs("is another device")
    if (
        stat.S_ISDIR(want.mode)
        and session.metadata.times
        and not session.metadata.same_time("/proc/self/fd/%d" % target, None, found, want.mtime)
    ):
        raise _differs("has another time")
    session.tally.skipped += 1


def _check_file(
    session: Session,
    directory: bytes,
    name: bytes,
    want: Want,
    found: os.stat_result,
    digests: bool,
) -> None:
    source_directory = session.sources.get(directory).fd
    target = session.targets.get(directory).fd
    if not same_file(session, want, found, name, target):
        # The source may have changed between the scan and the copy, which copied what it found.
        now = os.stat(name, dir_fd=source_directory, follow_symlinks=False)
        if now.st_size != found.st_size or (
            session.metadata.times
            and not session.metadata.same_time(name, target, found, now.st_mtime_ns)
        ):
            raise _differs(
                "has %d bytes, the source %d" % (found.st_size, now.st_size)
                if now.st_size != found.st_size
                else "has another time"
            )
    if digests:
        if _digest(name, source_directory) != _digest(name, target):
            raise OtherContents()
        session.tally.bytes += found.st_size


def _digest(name: bytes, directory: int) -> bytes:
    digest = _hash()
    fd = os.open(name, _READ, dir_fd=directory)
    try:
        while True:
            try:
                block = os.read(fd, _BLOCK)
            except OSError as error:
                raise OperationError("read", error.errno or 0) from error
            if not block:
                return digest.digest()
            digest.update(block)
    finally:
        os.close(fd)


def _hash() -> Any:
    """BLAKE2b, or SHA-256 where only that is allowed: Red Hat's Python in FIPS mode refuses the first."""
    try:
        return hashlib.blake2b()
    except ValueError:
        return hashlib.sha256()


def _differs(message: str) -> OperationError:
    return OperationError("verify", errno.EIO, message)
