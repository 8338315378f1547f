# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an entry is called until it is complete, and how what a killed run left of that goes away.

No two runs, and no two tries, use one name, and none can be that of an entry of the manifest: it is
random, and drawn after the scan. So whatever else has such a name in a directory that nothing more
is made in was left by a run that is dead, unless the source has it too: it may once have been the
destination of a run that was interrupted.
"""

from __future__ import annotations

import hashlib
import os
import re

from ..core.own_names import PREFIX, beside
from .rsync.leftovers import final_name

_OURS = re.compile(rb"\.ingest-(?:[0-9a-f]{24}|[0-9a-f]{32})\Z")  # 24: by earlier versions
# What proves something of a destination for a moment, also when a host joins a run late.
_PROOFS = re.compile(rb"\.ingest-(?:times-\d+-\d+|(?:probe|token)-[0-9a-f]{16})\Z")
_OLD = 600.0  # s: nobody waits for such a proof any more


def temporary() -> bytes:
    """A name that nothing has."""
    return PREFIX + os.urandom(16).hex().encode()


def temporary_of(name: bytes, run: int) -> bytes:
    """What all workers of ``run``, on all hosts, call a large file while they fill it. The name
    does not give the run's mark away: that is in the file, a proof that the run has made it."""
    return PREFIX + hashlib.sha256(mark_of(run) + b"/" + name).hexdigest()[:32].encode()


def mark_of(run: int) -> bytes:
    """What a large file that ``run`` has prepared carries behind its end."""
    return b"%016x" % run


def ours(name: bytes) -> bool:
    """Whether only this collection gives such names."""
    return name.startswith(PREFIX) and bool(_OURS.match(name) or _PROOFS.match(name))


def left_behind(directory: int, old: float = _OLD) -> list[bytes]:
    """What looks unfinished in a directory of the destination, given as its descriptor: what has
    names of :func:`ours` (proofs, ``old`` seconds before the directory last changed), and what may
    be an rsync's. Raises OSError."""
    until = os.fstat(directory).st_ctime - old
    found = []
    with os.scandir(b"/proc/self/fd/%d" % directory) as entries:
        for entry in entries:
            name = entry.name
            if ours(name):
                if _OURS.match(name) or entry.stat(follow_symlinks=False).st_ctime < until:
                    found.append(name)
            elif final_name(name) is not None:
                found.append(name)
    return found


def nothing_there(root: int) -> bool:
    """Whether a destination has no entry yet but what this collection puts beside the tree, so that
    no dead run can have left anything in it."""
    try:
        with os.scandir(b"/proc/self/fd/%d" % root) as entries:
            return all(beside(entry.name, True) and not ours(entry.name) for entry in entries)
    except OSError:  # a user may write here, but not list
        return False
