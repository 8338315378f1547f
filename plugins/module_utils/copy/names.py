# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in a directory of both trees: newcomers, extras, and what is missing.

What is moved from a directory that is not listed yet into one that was is never seen by a walk.
So each directory is looked at once more when all is copied. The kernel sets its ctime whenever an
entry comes or goes, and nobody can set it back: as long as it is as the walk saw it, the listing
holds. If it is not, the directory is listed again.

What the destination has is told by one listing of it: where the number for its names is that of the
walk, both have the same. Only elsewhere are names compared, those that the walk would take: what
was left out is nobody's extra.
"""

from __future__ import annotations

import errno
import os
from itertools import chain, islice
from typing import Callable, Iterable, Iterator, List, NamedTuple, Tuple

from ..core.errors import OperationError
from ..core.outcome import MOST_EXTRAS, Extra
from ..core.own_names import beside
from ..core.paths import display, join
from ..core.steps import VERIFY
from ..core.want import NOT_LISTED, names_digest
from ..fs.listing import reading
from ..fs.refresh import refresh
from ..fs.worker_count import waits
from .session import Session

_HELD = 100_000  # names of a directory that are held at once
_MOST = 1_000  # newcomers, or missing names, of a directory that are looked for
_BUCKETS = 1 << 14

Takes = Callable[[bytes, bytes, bool], bool]
Entry = Tuple[bytes, bool]  # a name, and whether it is a directory
Listing = Callable[[], Iterator[Entry]]


class Found(NamedTuple):
    """What is not the same in both trees: some of the ``extras``, which are so many; and names of
    entries that the destination lacks though they are no newcomers."""

    extras: List[Extra]
    number: int
    missing: List[Entry]


_NOTHING = Found([], 0, [])


class Names:
    """Compares the names in directories of both trees, for one session."""

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

    def newcomers(self, path: bytes, seen: int, names: int) -> None:
        """Raises OperationError if a directory has entries that the destination lacks, and other
        ones than at the walk. That found its ctime (ns) to be ``seen`` (0: not known) and
        ``names`` to be :func:`..core.want.names_digest` of what it took (0: not known, NOT_LISTED:
        that was not all, so nothing is said here).

        Raises OSError if it can't be listed. One that is gone is its parent's affair."""
        source, found = self._listed(path, names)
        if found is not None and self._remote:
            found = self.look(source)
        if found is None or found.st_ctime_ns == seen:
            return
        stream = self._taken(path, source)
        first = sorted(islice(stream, _HELD + 1))
        if self._is(names, first):
            return
        _complain(list(islice(self._missing(path, source, chain(first, stream)), _MOST)))

    def compare(self, path: bytes, seen: int, names: int) -> Found:
        """The same, and what else differs in the names of a directory, for a session that looks
        afresh at both trees. Memory is bounded; names that can't be held are listed again.

        Raises OSError and OperationError as :meth:`newcomers`."""
        source, state = self._listed(path, names)
        if state is None:
            return _NOTHING
        known = state.st_ctime_ns == seen
        try:
            target = self._session.target(path).fd
            there = sorted(islice(self._taken(path, target), _HELD + 1))
        except (FileNotFoundError, NotADirectoryError):  # which is said of the directory
            return _NOTHING
        except PermissionError:  # of a user who may not read what is now his
            return _NOTHING
        if known and self._is(names, there):
            return _NOTHING
        here = sorted(islice(self._taken(path, source), _HELD + 1))
        known = known or self._is(names, here)
        if max(len(here), len(there)) <= _HELD:
            found = _differences(set(here), set(there))
        else:
            found = _apart(lambda: self._taken(path, source), lambda: self._taken(path, target))
        extras, count, missing = self._sort_out(path, source, target, found)
        if not known:
            _complain([name for name, _kind in missing])
            missing = []
        return Found(extras, count, missing)

    def look(self, source: int) -> os.stat_result:
        """The stat of a directory of the source as it is now, also where a server has it."""
        if self._remote:
            refresh(source)
        return os.fstat(source)

    def _listed(self, path: bytes, names: int) -> tuple[int, os.stat_result | None]:
        """The descriptor of a directory of the source, and its stat if it is there and one that
        the walk listed."""
        if names == NOT_LISTED:
            return -1, None
        try:
            source = self._session.source(path)
        except (FileNotFoundError, NotADirectoryError):
            return -1, None
        found = os.fstat(source)
        return source, (found if self._device in (None, found.st_dev) else None)

    def _taken(self, path: bytes, directory: int) -> Iterator[Entry]:
        """What the walk takes, of a directory of either tree."""
        takes = self._takes
        for name, is_directory in _entries(directory):
            if takes is None or takes(path, name, is_directory):
                yield name, is_directory

    @staticmethod
    def _is(names: int, entries: list[Entry]) -> bool:
        """Whether these, sorted, are all that the walk took, by the number for their names."""
        return bool(names) and len(entries) <= _HELD and names == _digest(entries)

    def _missing(self, path: bytes, source: int, entries: Iterable[Entry]) -> Iterator[bytes]:
        target = self._session.target(path).fd
        refresh(target)
        held = {name for name, _kind in islice(_entries(target), _HELD)}
        for name, _kind in entries:
            if name not in held and not _there(name, target) and _there(name, source):
                yield name

    def _sort_out(
        self, path: bytes, source: int, target: int, found: Iterator[tuple[Entry, bool]]
    ) -> tuple[list[Extra], int, list[Entry]]:
        """Extras, how many, and what is missing. A listing may be old: what is named was asked for
        once more."""
        extras: list[Extra] = []
        missing: list[Entry] = []
        count = 0
        for (name, is_directory), only_there in found:
            if only_there:
                if beside(name, not path):
                    continue
                if len(extras) < MOST_EXTRAS:
                    if _there(name, source) or not _there(name, target):
                        continue
                    extras.append(Extra(join(path, name), "d" if is_directory else "f"))
                count += 1
            elif len(missing) < _MOST and not _there(name, target) and _there(name, source):
                missing.append((name, is_directory))
        return extras, count, missing


def _complain(new: list[bytes]) -> None:
    if new:
        more = f" and {len(new) - 1} more are" if len(new) > 1 else " is"
        raise OperationError(
            VERIFY,
            errno.EAGAIN,
            f"has changed since it was scanned: '{display(new[0])}'{more} new in the source "
            "and not in the destination: run it again",
        )


def _apart(here: Listing, there: Listing) -> Iterator[tuple[Entry, bool]]:
    """What only one of two listings has, and whether that is ``there``. They are too long to be
    held: first they are summed up by the names' hashes, then those are listed again that differ."""
    sums, counts = [0] * _BUCKETS, [0] * _BUCKETS
    for listing, sign in ((here, 1), (there, -1)):
        for entry in listing():
            number = hash(entry)
            sums[number % _BUCKETS] += sign * number
            counts[number % _BUCKETS] += 1
    buckets: set[int] = set()
    held = 0
    for bucket in range(_BUCKETS):
        if sums[bucket]:
            if buckets and held + counts[bucket] > _HELD:
                yield from _differences(*(_of(listing, buckets) for listing in (here, there)))
                buckets, held = set(), 0
            buckets.add(bucket)
            held += counts[bucket]
    if buckets:
        yield from _differences(*(_of(listing, buckets) for listing in (here, there)))


def _of(listing: Listing, buckets: set[int]) -> set[Entry]:
    return {entry for entry in listing() if hash(entry) % _BUCKETS in buckets}


def _differences(ours: set[Entry], theirs: set[Entry]) -> Iterator[tuple[Entry, bool]]:
    for entry in sorted(theirs - ours):
        yield entry, True
    for entry in sorted(ours - theirs):
        yield entry, False


def _digest(entries: list[Entry]) -> int:
    return names_digest(
        [name for name, is_directory in entries if not is_directory],
        [name for name, is_directory in entries if is_directory],
    )


def _entries(directory: int) -> Iterator[Entry]:
    """The names in a directory that is only open for looking things up, and which of them are
    directories."""
    fd = reading(directory)
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
