# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries that came to a directory of the source after it had been listed.

What is moved from a directory that is not listed yet into one that was is never seen by a walk.
So each directory is looked at once more when all is copied. The kernel sets its ctime whenever an
entry comes or goes, and nobody can set it back: as long as it is as the walk saw it, the listing
holds. If it is not, the directory is listed again.
"""

from __future__ import annotations

import errno
import os
from itertools import chain, islice
from typing import Callable, Iterable, Iterator

from ..core.errors import OperationError
from ..core.paths import display
from ..core.steps import VERIFY
from ..core.want import NOT_LISTED, names_digest
from ..fs.refresh import refresh
from ..fs.worker_count import waits
from .session import Session

_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_HELD = 100_000  # names of a directory in the destination that are held; more are asked for singly

Takes = Callable[[bytes, bytes, bool], bool]


class Newcomers:
    """Looks for them, for one session."""

    def __init__(
        self, session: Session, takes: Takes | None = None, one_file_system: bool = False
    ) -> None:
        """``takes`` says which entries the walk takes: (directory, name, is a directory); with
        ``one_file_system`` those of other file systems than the root's are not."""
        self._session = session
        self._takes = takes
        self._remote = waits(session.sources.root)
        self._device: int | None = None
        if one_file_system:
            self._device = os.fstat(session.source(b"")).st_dev

    def check(self, path: bytes, seen: int, names: int) -> None:
        """Raises OperationError if a directory has entries that the destination lacks, and other
        ones than at the walk. That found its ctime (ns) to be ``seen`` (0: not known) and
        ``names`` to be :func:`..core.want.names_digest` of what it took (0: not known, NOT_LISTED:
        that was not all, so nothing is said here).

        Raises OSError if it can't be listed. One that is gone is its parent's affair."""
        if names == NOT_LISTED:
            return
        session = self._session
        try:
            source = session.source(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        found = self.look(source)
        if found.st_ctime_ns == seen or self._device not in (None, found.st_dev):
            return
        stream = self._taken(path, source)
        first = sorted(islice(stream, _HELD + 1))
        if names and len(first) <= _HELD and names == _digest(first):
            return
        new = list(islice(self._missing(path, source, chain(first, stream)), 1000))
        if new:
            more = f" and {len(new) - 1} more are" if len(new) > 1 else " is"
            raise OperationError(
                VERIFY,
                errno.EAGAIN,
                f"has changed since it was scanned: '{display(new[0])}'{more} new in the source "
                "and not in the destination: run it again",
            )

    def look(self, source: int) -> os.stat_result:
        """The stat of a directory of the source as it is now, also where a server has it."""
        if self._remote:
            refresh(source)
        return os.fstat(source)

    def _taken(self, path: bytes, source: int) -> Iterator[tuple[bytes, bool]]:
        takes = self._takes
        for name, is_directory in _entries(source):
            if takes is None or takes(path, name, is_directory):
                yield name, is_directory

    def _missing(
        self, path: bytes, source: int, entries: Iterable[tuple[bytes, bool]]
    ) -> Iterator[bytes]:
        target = self._session.target(path).fd
        refresh(target)
        held = {name for name, _kind in islice(_entries(target), _HELD)}
        for name, _kind in entries:
            if name not in held and not _there(name, target) and _there(name, source):
                yield name


def _digest(entries: list[tuple[bytes, bool]]) -> int:
    return names_digest(
        [name for name, is_directory in entries if not is_directory],
        [name for name, is_directory in entries if is_directory],
    )


def _entries(directory: int) -> Iterator[tuple[bytes, bool]]:
    """The names in a directory that is only open for looking things up, and which of them are
    directories."""
    fd = os.open(b".", _LIST, dir_fd=directory)
    try:
        with os.scandir(b"/proc/self/fd/%d" % fd) as entries:
            for entry in entries:
                yield entry.name, entry.is_dir(follow_symlinks=False)
    finally:
        os.close(fd)


def _there(name: bytes, directory: int) -> bool:
    refresh(directory, name)
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
