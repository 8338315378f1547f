# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the destination has already: is it right, and what of its metadata is not?"""

from __future__ import annotations

import os
import stat

from ..core.changes import CONTENTS, GROUP, MODE, OWNER, TIME, by_inode
from ..core.paths import join
from ..core.steps import SET_ATTRIBUTES, SET_MODE, SET_OWNER, SET_TIMES
from ..core.want import Want
from ..fs.refresh import refresh
from .preserve import hold
from .session import Pair, Session
from .trust import doubtful, gains


def same_file(
    session: Session, want: Want, found: os.stat_result, name: bytes, directory: int
) -> bool:
    """Whether an entry of the destination holds what is wanted, by type, size and time."""
    wrong = by_inode(session.metadata.kept, want, found) & CONTENTS
    if wrong == TIME and session.metadata.times:
        return session.metadata.same_time(name, directory, found, want.mtime)
    return not wrong


def settle(session: Session, pair: Pair, name: bytes, want: Want, found: os.stat_result) -> bool:
    """The contents are right: correct what else differs, and count the entry as skipped.

    Returns False where it must be made anew instead (see :mod:`.trust`); nothing is changed then.
    Raises OSError.
    """
    metadata = session.metadata
    path = join(pair.path, name)
    changes = changes_of(session, pair, name)
    if differs(session, want, found, changes):
        good = False
        if doubtful(session, want, found, changes):
            if not stat.S_ISREG(found.st_mode) or gains(session, pair, name, want, found):
                return False
            # Unless it has turned out that this destination gives root nothing.
            good = doubtful(session, want, found, changes)
        if not good:
            session.tally.changed += _correct(session, pair, name, want, found, changes)
    if metadata.times and found.st_mtime_ns != want.mtime:
        if metadata.same_time(name, pair.target.fd, found, want.mtime):
            metadata.lost_times(path, want.mtime, found.st_mtime_ns)
        else:  # a regular file with another time would not be settled, but copied
            session.tally.changed += _set_time(session, pair, name, want, found)
    session.tally.skipped += 1
    return True


def stays(session: Session, pair: Pair, name: bytes, want: Want, found: os.stat_result) -> bool:
    """Whether :func:`settle` would leave a file with the right contents where it is."""
    changes = changes_of(session, pair, name)
    return not doubtful(session, want, found, changes) or not gains(
        session, pair, name, want, found
    )


def changes_of(session: Session, pair: Pair, name: bytes) -> dict[str, bytes | None]:
    """The attributes that an entry must get (None: lose) to have those of the source's."""
    if not session.metadata.attributes:
        return {}
    session.step = SET_ATTRIBUTES
    return session.metadata.attribute_changes(
        b"/proc/self/fd/%d/%s" % (pair.source, name),
        b"/proc/self/fd/%d/%s" % (pair.target.fd, name),
    )


def differs(
    session: Session, want: Want, found: os.stat_result, changes: dict[str, bytes | None]
) -> bool:
    """Whether owner, mode or attributes are not what is wanted."""
    return bool(changes or by_inode(session.metadata.kept, want, found) & (MODE | OWNER | GROUP))


def _correct(
    session: Session,
    pair: Pair,
    name: bytes,
    want: Want,
    found: os.stat_result,
    changes: dict[str, bytes | None],
) -> bool:
    """Returns whether anything was changed."""
    metadata = session.metadata
    path = join(pair.path, name)
    session.step = SET_OWNER
    held = hold(name, pair.target.fd, found)
    try:
        where = "/proc/self/fd/%d" % held
        changed, owned = metadata.own(path, found, want.uid, want.gid, where)
        if metadata.attributes:
            if changed:  # a new owner takes capabilities away
                changes = changes_of(session, pair, name)
            session.step = SET_ATTRIBUTES
            changed |= metadata.change_attributes(path, where, changes)
        if metadata.mode and not stat.S_ISLNK(found.st_mode):
            session.step = SET_MODE
            bits = metadata.final_mode(path, want.mode, owned)
            # A new owner or ACL may have changed the bits that were found.
            if stat.S_IMODE(os.fstat(held).st_mode) != bits:
                metadata.set_mode(path, where, bits)
                changed = True
        return changed
    finally:
        os.close(held)


def _set_time(session: Session, pair: Pair, name: bytes, want: Want, found: os.stat_result) -> bool:
    """Returns whether the destination took it."""
    session.step = SET_TIMES
    path, directory = join(pair.path, name), pair.target.fd
    session.metadata.set_times(path, want.atime, want.mtime, name, directory)
    if stat.S_ISLNK(found.st_mode):
        refresh(directory, name)
        now = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if abs(now.st_mtime_ns - want.mtime) >= 2_000_000_000:
            session.metadata.lost_times(
                path, want.mtime, found.st_mtime_ns, "the destination keeps no times of links"
            )
            return False
    return True
