# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further names of a file that was copied under its first one, its leader."""

from __future__ import annotations

import errno
import os
import stat

from ..core.errnos import cannot_link
from ..core.errors import OperationError
from ..core.paths import join, split
from ..core.steps import LINK, OPEN_DESTINATION, STAT
from ..core.want import Want, want_of
from .regular import copy_file
from .replace import look, put, refuse_directory, unlink_quietly
from .session import Session
from .settle import same_file
from .special import copy_node, same_node
from .temporary import temporary


def hard_link(session: Session, directory: bytes, name: bytes, want: Want, leader: bytes) -> None:
    """Make an entry a hard link to ``leader``, which was copied before; a copy of its own where the
    destination has no hard links. Raises OSError."""
    target = session.pair(directory).target
    leader_directory, leader_name = split(leader)
    session.step = OPEN_DESTINATION
    leader_fd = session.target(leader_directory).fd
    lead = look(session, leader_name, leader_fd)
    if lead is None or not _arrived(session, directory, name, want, lead, leader_name, leader_fd):
        raise OperationError(LINK, errno.ENOENT, "the file that it is a link of was not copied")
    found = None
    for replacing in (False, True):
        new = temporary() if replacing else name
        session.step = LINK
        try:
            os.link(
                leader_name, new, src_dir_fd=leader_fd, dst_dir_fd=target.fd, follow_symlinks=False
            )
        except FileExistsError:
            found = look(session, name, target.fd)
            if found is not None and os.path.samestat(found, lead):
                session.tally.skipped += 1
                return
            if found is not None:
                refuse_directory(found)
            continue
        except OSError as error:
            if not cannot_link(error.errno or 0):
                raise
            session.losses.add("links", join(directory, name), os.strerror(error.errno or 0))
            if stat.S_ISREG(want.mode):
                copy_file(session, directory, name, want)
            else:
                copy_node(session, directory, name, want)
            return
        if replacing:
            put(session, new, name, target.fd)
            unlink_quietly(new, target.fd)  # where both names were one file, renaming did nothing
        session.tally.files += 1
        session.tally.changed += 1
        return
    raise OperationError(LINK, errno.EEXIST)


def _arrived(
    session: Session,
    directory: bytes,
    name: bytes,
    want: Want,
    lead: os.stat_result,
    leader: bytes,
    leader_fd: int,
) -> bool:
    """Whether the leader has come, complete: as the source had it when it was scanned, or has it
    now."""
    if stat.S_ISREG(want.mode) and same_file(session, want, lead, leader, leader_fd):
        return True
    session.step = STAT
    source = session.source(directory)
    now = want_of(os.stat(name, dir_fd=source, follow_symlinks=False))
    if stat.S_ISREG(now.mode):
        return same_file(session, now, lead, leader, leader_fd)
    text = os.readlink(name, dir_fd=source) if stat.S_ISLNK(now.mode) else b""
    return same_node(leader, now, text, lead, leader_fd)
