# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an entry that the destination has already may be given what the source's has.

Where others may write in the destination, anybody can put a file there that has the right size and
time, or a further name of somebody else's file. Were that given an owner, set-id bits, capabilities
or a mode, their contents would get another user's powers, or their readers another user's file. So
what would gain, and is not ours, is made anew.
"""

from __future__ import annotations

import os
import stat

from ..core.paths import join
from ..core.steps import CREATE, OPEN
from ..core.want import Want
from ..fs.attributes import CAPABILITIES
from .preserve import preserve_file
from .replace import unlink_quietly
from .session import Pair, Session
from .temporary import temporary

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_ID = stat.S_ISUID | stat.S_ISGID


def doubtful(
    session: Session, want: Want, found: os.stat_result, changes: dict[str, bytes | None]
) -> bool:
    """Whether to change what was ``found``, and its attributes as in ``changes``, could give
    somebody what is not theirs. Links have nothing that could be given."""
    if stat.S_ISLNK(found.st_mode):
        return False
    metadata = session.metadata
    foreign = False
    if metadata.owner and metadata.root and not session.squashes_root:
        foreign = found.st_uid != want.uid or found.st_gid != want.gid
    other = stat.S_IMODE(found.st_mode) ^ stat.S_IMODE(want.mode) if metadata.mode else 0
    if found.st_nlink > 1:  # who knows where its other names are
        return foreign or bool(other or changes)
    if not metadata.root or session.squashes_root or found.st_uid == 0:
        return False
    return (
        bool(want.mode & other & _SET_ID)
        or CAPABILITIES in changes
        or (foreign and (found.st_uid != want.uid or bool(want.mode & stat.S_ISGID)))
    )


def gains(session: Session, pair: Pair, name: bytes, want: Want, found: os.stat_result) -> bool:
    """Whether a file made anew would have more than the doubtful one: one without contents is made
    beside it, to see. A destination that can't hold more would be written again in each run.

    Raises OSError.
    """
    losses = dict(session.losses.kinds)
    new = temporary()
    target = pair.target.fd
    session.step = CREATE
    fd = os.open(new, _NEW, want.mode & 0o777, dir_fd=target)
    try:
        made = os.fstat(fd)
        if session.metadata.root:
            session.squashes_root = made.st_uid != 0
            if session.squashes_root and found.st_nlink == 1:
                return False
        session.step = OPEN
        source = os.open(name, _READ, dir_fd=pair.source)
        try:
            preserve_file(session, pair, join(pair.path, name), source, os.fstat(source), fd, made)
        finally:
            os.close(source)
        if alike(session, pair, new, name, os.fstat(fd), found):
            return False
        session.losses.kinds = losses  # they come again
        return True
    finally:
        os.close(fd)
        unlink_quietly(new, target)


def alike(
    session: Session,
    pair: Pair,
    new: bytes,
    name: bytes,
    made: os.stat_result,
    found: os.stat_result,
) -> bool:
    """Whether two entries of one directory have the same owner, mode and attributes."""
    if (made.st_uid, made.st_gid, made.st_mode) != (found.st_uid, found.st_gid, found.st_mode):
        return False
    place = b"/proc/self/fd/%d/" % pair.target.fd
    return not (
        session.metadata.attributes
        and session.metadata.attribute_changes(place + new, place + name)
    )
