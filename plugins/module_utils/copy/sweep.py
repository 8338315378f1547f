# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dead runs left unfinished in the destination goes away, and is counted.

It costs a listing, so only these directories are looked at: those that get their metadata and do
not have their time yet, as any that a run was killed in, and, to have the room back in time, those
that large files are prepared in. In a destination that was empty there is nothing to look for.
"""

from __future__ import annotations

import os

from ..core.steps import REMOVE_TEMPORARY
from .rsync.leftovers import left_by_rsync
from .session import Session
from .temporary import left_behind, mark_of, ours

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


def sweep(session: Session, path: bytes, run: int | None = None) -> None:
    """Take away what is left in the destination's directory ``path``: all, or, while this run
    still makes large files in it, all that does not carry the mark of ``run``. Raises OSError."""
    target = session.target(path)
    # While others check and mend, what is unfinished may be theirs.
    if session.checking or session.clean or target.created or (run is not None and target.swept):
        return
    step, session.step = session.step, REMOVE_TEMPORARY
    try:
        names = left_behind(target.fd)
    except PermissionError:  # of a user who may not list what a run of root's left
        names = []
    for name in names:
        if run is not None and _carries(name, target.fd, run):
            continue
        try:
            os.stat(name, dir_fd=session.source(path), follow_symlinks=False)
            continue  # the source has it: once the destination of a run that was killed
        except FileNotFoundError:
            pass
        if not ours(name) and not left_by_rsync(name, target.fd, session.source(path)):
            continue
        try:
            os.unlink(name, dir_fd=target.fd)
        except (FileNotFoundError, IsADirectoryError):
            continue
        session.tally.removed += 1
        session.tally.changed += 1
    target.swept = True
    session.step = step


def _carries(name: bytes, directory: int, run: int) -> bool:
    """Whether this is a large file that ``run`` has prepared."""
    try:
        fd = os.open(name, _READ, dir_fd=directory)
    except OSError:
        return False
    try:
        mark = mark_of(run)
        return os.pread(fd, len(mark), max(0, os.fstat(fd).st_size - len(mark))) == mark
    except OSError:
        return False
    finally:
        os.close(fd)
