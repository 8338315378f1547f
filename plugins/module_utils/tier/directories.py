# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that the target pool lacks: they appear complete, with what the source pool's have,
as users see whichever pool's comes first."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from ..copy.metadata import Metadata
from ..core.outcome import Losses
from ..core.paths import split
from ..core.vocabulary import PRESERVE
from ..fs.directories import DirCache
from . import renames
from .folder import Folder
from .outcome import FAILED, Stop


def make(
    path: bytes, sources: DirCache, targets: DirCache, folder: Folder, new: bytes
) -> list[bytes]:
    """Make a directory, and its parents, that the target pool lacks, each called ``new`` in the
    folder until it is complete; returns those that were made, the topmost first. Raises OSError,
    Stop."""
    missing: list[bytes] = []
    at = path
    while at:
        try:
            targets.get(at)
            break
        except FileNotFoundError:
            missing.append(at)
            at = split(at)[0]
    missing.reverse()
    for one in missing:
        _make(one, sources.get(one).fd, targets, folder, new)
    return missing


def _make(path: bytes, source: int, targets: DirCache, folder: Folder, name: bytes) -> None:
    like = "/proc/self/fd/%d" % source
    found = os.stat(like)
    os.mkdir(name, 0o700, dir_fd=folder.fd)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder.fd)
        try:
            losses = Losses()
            metadata = Metadata(frozenset(PRESERVE), losses)
            metadata.own(path, os.fstat(fd), found.st_uid, found.st_gid, fd)
            metadata.copy_attributes(path, like, fd, -1)
            os.fchmod(fd, stat.S_IMODE(found.st_mode))
            metadata.set_times(path, found.st_atime_ns, found.st_mtime_ns, fd)
            refuse(losses)
        finally:
            os.close(fd)
        directory, last = split(path)
        with suppress(FileExistsError):
            renames.move(folder.fd, name, targets.get(directory).fd, last)
    finally:
        with suppress(OSError):
            os.rmdir(name, dir_fd=folder.fd)


def refuse(losses: Losses) -> None:
    """Raises Stop if something could not be kept."""
    for kind, loss in losses.take().items():
        raise Stop(FAILED, f"the target pool can't hold its {kind}: {loss.message}")


def unmake(made: list[bytes], targets: DirCache) -> None:
    """Remove the directories that were made and stayed empty, the deepest first."""
    for path in reversed(made):
        directory, name = split(path)
        with suppress(OSError):
            os.rmdir(name, dir_fd=targets.get(directory).fd)
