# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two-phase rsync of a list of items: new files written in place first, then all proved and
repaired."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import AbstractSet, Callable, Iterator, Sequence

from ...core.outcome import Failure
from ...core.paths import split
from ..session import Session
from .messages import Change, worked_through
from .process import Progress, rsync, slots
from .shelter import Shelter, at_once, can_bind

_ARGUMENTS = 1 << 19  # bytes of names on one command line
_FATAL_RUNS = 4
_HOPELESS = (1, 2, 3, 4, 5, 6, 14, 19, 20, 21, 22, 25)  # no other list would fare better


class Result:
    """What came of one list.

    ``files`` are the items copied now, those ``repaired`` by phase 2 among them; ``changed`` are
    the files and those that got other metadata only. ``left`` are items, counted nowhere here, of
    which the destination refused an owner or an attribute: rsync then leaves out the rest of their
    metadata as well, so somebody else has to finish them. ``moved`` are those of them that were
    copied now. ``equal`` are the items that the destination had as they are in the source.
    """

    def __init__(self) -> None:
        self.files = self.bytes = self.skipped = self.changed = self.repaired = 0
        self.failures: list[Failure] = []
        self.left: list[bytes] = []
        self.moved: set[bytes] = set()
        self.equal: set[bytes] = set()


def two_phases(
    arguments: Sequence[str],
    session: Session,
    paths: Sequence[bytes],
    verify: str = "metadata",
    progress: Progress | None = None,
    existing: AbstractSet[bytes] = frozenset(),
) -> Result:
    """Copy the items at ``paths`` (relative; no directories), each below an existing directory.

    Phase 1 writes new files in place: no temporary file and no rename, half the metadata calls on a
    cache. Phase 2 runs over the same list without ``--inplace``: it compares size and time, or with
    ``verify="checksum"`` the contents, and copies what differs. Its word is final: what failed
    before and is right now has not failed. With ``verify="none"`` there is no phase 2.

    Args:
        arguments: rsync and its options, from :func:`.options.command`.
        progress: called with items and bytes copied since the last call.
        existing: those of the paths that the destination has already. They are replaced when the
            new contents are complete: in place, a full disk would leave neither the old nor the
            new, and a further link of the file would change as well.

    Where :func:`.shelter.can_bind` is false, all directories must be :class:`.shelter.Undisturbed`,
    and short enough for rsync.
    """
    result = Result()
    run = _Phases(arguments, session, result, progress)
    first: dict[bytes, bool] = {}
    new = [path for path in paths if path not in existing] if existing else paths
    failures = run.phase(new, ["--inplace"], first)
    failures.update(run.phase([path for path in paths if path in existing], [], first))
    copied = {path for path, was in first.items() if was}
    changed = set(first)
    if verify != "none":
        second: dict[bytes, bool] = {}
        extra = ["--checksum"] if verify == "checksum" else []
        failures = run.phase(paths, extra, second)
        repaired = {path for path, was in second.items() if was}.difference(failures)
        result.repaired = len(repaired - run.left)
        copied |= repaired
        changed.update(second)
    left = run.left.difference(failures)
    result.files = len(copied.difference(failures, left))
    result.changed = len(changed.difference(failures, left))
    result.skipped = len(paths) - len(left) - len(failures) + (b"" in failures) - result.files
    result.left = sorted(left)
    result.moved = copied & left
    if b"" not in failures:
        result.equal = set(paths).difference(changed, failures, run.left)
    result.failures = list(failures.values())
    return result


class _Phases:
    """The runs over one list, with what they share."""

    def __init__(
        self, arguments: Sequence[str], session: Session, result: Result, progress: Progress | None
    ) -> None:
        self.arguments = list(arguments)
        self.session = session
        self.result = result
        self.left: set[bytes] = set()
        self.progress = progress

    def phase(
        self, paths: Sequence[bytes], extra: list[str], changes: dict[bytes, bool]
    ) -> dict[bytes, Failure]:
        """One pass over all paths; returns the failures by path, and notes in ``changes`` what was
        touched, and whether it was copied."""
        failures: dict[bytes, Failure] = {}

        def changed(change: Change) -> None:
            changes[change.path] = changes.get(change.path, False) or change.copied
            self.result.bytes += change.bytes

        for batch in batches(paths, at_once()):
            self._batch(batch, extra, changed, failures)
        return failures

    def _batch(
        self,
        batch: list[bytes],
        extra: list[str],
        changed: Callable[[Change], None],
        failures: dict[bytes, Failure],
    ) -> None:
        """Run rsync over a batch; when it gives up over one item, again without that item."""
        message = ""
        for attempt in range(_FATAL_RUNS):
            with slots():
                shelter = Shelter(self.session, can_bind())
                called = _names(shelter, batch, failures)
                if not called:
                    return
                command = [*self.arguments, *extra]
                ended = rsync(command, shelter, called, changed, self.progress)
            if not worked_through(ended.code):
                # Look for what it left unfinished, as in directories that others have made.
                self.session.targets.forget()
            failures.update(ended.failures)
            self.left |= ended.refused
            message = ended.message
            if "--inplace" in extra:
                self._clean(ended.failures)
            if worked_through(ended.code) and not message:
                return
            if worked_through(ended.code) and ended.failures:
                failures[b""] = Failure(b"", "rsync", 0, message)
                return
            batch = [path for path in called.values() if path not in ended.failures]
            if not batch:
                return
            if ended.code in _HOPELESS or (attempt and not ended.failures):
                break
        for path in batch:
            failures[path] = Failure(path, "rsync", 0, message)

    def _clean(self, failures: dict[bytes, Failure]) -> None:
        """Take away new files that were written in part, so that they hold no space and look like
        no file."""
        for path, why in failures.items():
            if why.operation.startswith("write fail"):
                directory, name = split(path)
                with suppress(OSError):  # it has failed already, and phase 2 looks at it again
                    os.unlink(name, dir_fd=self.session.targets.get(directory).fd)


def _names(
    shelter: Shelter, paths: list[bytes], failures: dict[bytes, Failure]
) -> dict[bytes, bytes]:
    """The items by their names in the shelter; those whose directory can't be opened fail."""
    called: dict[bytes, bytes] = {}
    for path in paths:
        try:
            called[shelter.name(path)] = path
        except OSError as error:
            why = error.strerror or str(error)
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                why += ": a link or a file is in the place of a directory"
            failures[path] = Failure(path, "open directory", error.errno or 0, why)
    return called


def batches(paths: Sequence[bytes], directories: int) -> Iterator[list[bytes]]:
    """Cut a list into what one rsync takes: so many directories, and so many bytes of names.

    The names go on the command line: rsync reads --files-from byte by byte, two system calls each,
    which costs as much as copying small files.
    """
    batch: list[bytes] = []
    seen: set[bytes] = set()
    length = 0
    for path in paths:
        seen.add(split(path)[0])
        if batch and (length + len(path) > _ARGUMENTS or len(seen) > directories):
            yield batch
            batch, length, seen = [], 0, {split(path)[0]}
        batch.append(path)
        length += len(path) + 11
    if batch:
        yield batch
