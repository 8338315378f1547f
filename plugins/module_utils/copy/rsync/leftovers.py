# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed rsync leaves in the destination: ``.NAME.XXXXXX``, the new contents of NAME.

Such a name proves nothing: ``.config.backup`` may be somebody's only one. So it is rsync's only if
it has the right owner, one link and, as long as rsync has not completed it, no rights for others;
and if all that it holds is how the source's NAME begins, so that nothing is lost with it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import IO

_TEMPORARY = re.compile(rb"\.(.+)\.[A-Za-z0-9]{6}\Z", re.DOTALL)
_LONG = 250  # bytes: of a longer name rsync cuts the end of NAME off, to have room for the rest
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
_BLOCK = 1 << 20


def final_name(name: bytes) -> bytes | None:
    """What the file is to be called that rsync calls ``name`` until it is complete, or None."""
    found = _TEMPORARY.match(name)
    return found.group(1) if found else None


def left_by_rsync(name: bytes, target: int, source: int) -> bool:
    """Whether an entry of the destination's directory ``target`` was an rsync's, given the same
    directory of the source. Both are descriptors. Raises OSError."""
    of = final_name(name)
    if of is None:
        return False
    try:
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not _unfinished(found):
        return False
    if len(name) < _LONG:
        return _begins(of, source, name, target)
    with os.scandir(b"/proc/self/fd/%d" % source) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(of)]
    return any(_begins(each, source, name, target) for each in names)


def _unfinished(found: os.stat_result) -> bool:
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_nlink == 1
        and found.st_uid == os.geteuid()
        and not found.st_mode & 0o7077
    )


def _begins(whole: bytes, source: int, part: bytes, target: int) -> bool:
    """Whether the source's file ``whole`` begins with all that ``part`` holds."""
    try:
        with _open(part, target) as left, _open(whole, source) as right:
            if not stat.S_ISREG(os.fstat(right.fileno()).st_mode):
                return False
            while True:
                block = left.read(_BLOCK)
                if not block:
                    return True
                if right.read(len(block)) != block:
                    return False
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):  # gone; a link; a socket
            return False
        raise


def _open(name: bytes, directory: int) -> IO[bytes]:
    return open(os.open(name, _READ, dir_fd=directory), "rb")
