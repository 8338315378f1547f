# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a worker does with one line of a shard, by the shard's kind."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any, Callable, List

from ..copy import ranges
from ..copy.entry import copy_entry, copy_link
from ..copy.mend import OtherContents, can_be_mended, mark
from ..copy.names import Names
from ..copy.preserve import preserve_directory
from ..copy.session import Session
from ..copy.verify import Check
from ..core import steps
from ..core.errors import OperationError
from ..core.outcome import MOST_EXTRAS, Extra
from ..core.paths import display, join, split
from ..core.vocabulary import Kind
from ..core.want import want_of
from ..plan.shards import CopyRow, DirectoryRow, FinishRow, LinkRow, RangeRow, Row, path_of

# Of the rows of a line, which are all of one kind.
Operation = Callable[[Session, bytes, List[Any]], None]


def _copy(session: Session, directory: bytes, rows: list[CopyRow]) -> None:
    for row in rows:
        copy_entry(session, directory, row.name, row.want)


def _link(session: Session, directory: bytes, rows: list[LinkRow]) -> None:
    for row in rows:
        copy_link(session, directory, row.name, row.want, row.leader)


def _directories(session: Session, directory: bytes, rows: list[DirectoryRow]) -> None:
    for row in rows:
        preserve_directory(session, path_of(directory, row), row.want)


def _each(doing: str, act: Callable[[Session, bytes, Any], None]) -> Operation:
    """An operation that does ``act`` with each row; an OSError is the row's failure."""

    def operation(session: Session, directory: bytes, rows: list[Row]) -> None:
        for row in rows:
            session.step = doing
            try:
                act(session, directory, row)
            except OSError as error:
                session.fail(path_of(directory, row), error)

    return operation


def _prepare(session: Session, directory: bytes, row: FinishRow) -> None:
    ranges.prepare(session, directory, row.name, row.want, row.run)


def _range(session: Session, directory: bytes, row: RangeRow) -> None:
    ranges.copy_range(session, directory, row.name, row.want, row.offset, row.length, row.run)


def _finish(session: Session, directory: bytes, row: FinishRow) -> None:
    ranges.finish(session, directory, row.name, row.want, row.run)


def _discard(session: Session, directory: bytes, row: FinishRow) -> None:
    ranges.discard(session, directory, row.name, row.want, row.run)


def _leave_unlinked(session: Session, directory: bytes, row: LinkRow) -> None:
    why = f"is a name of {display(row.leader)}, which could not be copied whole"
    raise OperationError(steps.LINK, errno.ENOENT, why)


OPERATIONS: dict[str, Operation] = {
    Kind.COPY: _copy,
    Kind.LINK: _link,
    Kind.DIRECTORIES: _directories,
    Kind.PREPARE: _each(steps.CREATE, _prepare),
    Kind.RANGE: _each(steps.COPY_RANGE, _range),
    Kind.FINISH: _each(steps.FINISH, _finish),
}
_discard_all = _each(steps.REMOVE_TEMPORARY, _discard)
_leave_all_unlinked = _each(steps.LINK, _leave_unlinked)


def without(
    session: Session, kind: str, directory: bytes, rows: list[Any], broken: frozenset[bytes]
) -> list[Any]:
    """The rows without those of ``broken`` files, of which a part is missing: they are not
    finished but taken away, and get no further names."""
    if kind == Kind.FINISH:
        left = [row for row in rows if join(directory, row.name) in broken]
        _discard_all(session, directory, left)
    elif kind == Kind.LINK:
        left = [row for row in rows if row.leader in broken]
        _leave_all_unlinked(session, directory, left)
    else:
        left = []
    return [row for row in rows if row not in left] if left else rows


def look_for_newcomers(
    session: Session, names: Names, directory: bytes, rows: list[DirectoryRow]
) -> None:
    """Note what has come to directories since the scan; it was not copied."""
    for row in rows:
        path = path_of(directory, row)
        session.step = steps.VERIFY
        try:
            names.newcomers(path, row.seen, row.names)
        except OSError as error:
            session.fail(path, error)


def compare_names(
    check: Check, names: Names, directory: bytes, rows: list[DirectoryRow], repair: bool
) -> list[Extra]:
    """The same, and what else differs in the names of directories. Returns extras, some of those
    that are counted. What is missing is checked as any entry that was copied, so that it is
    mended if ``repair``; a missing directory has a row of its own."""
    session = check.session
    extras: list[Extra] = []
    for row in rows:
        path = path_of(directory, row)
        session.step = steps.VERIFY
        try:
            found = names.compare(path, row.seen, row.names)
            missing = _rows_of(session, path, found.missing)
        except OSError as error:
            session.fail(path, error)
            continue
        session.tally.extra += found.number
        extras += found.extras[: MOST_EXTRAS - len(extras)]
        check.attributes = True
        verify(check, Kind.COPY, path, missing, repair)
    return extras


def _rows_of(session: Session, directory: bytes, names: list[tuple[bytes, bool]]) -> list[CopyRow]:
    """Those of some entries of a directory of the source, but for directories. Raises OSError."""
    rows = []
    for name, is_directory in names:
        if not is_directory:
            source = session.source(directory)
            rows.append(CopyRow(name, want_of(os.stat(name, dir_fd=source, follow_symlinks=False))))
    return rows


def verify(check: Check, of: str, directory: bytes, rows: list[Any], repair: bool) -> None:
    """Check a line of the kind ``of``. What differs is copied again if ``repair``, otherwise it is
    marked, so that the next run copies it."""
    session = check.session
    for row in rows:
        if of == Kind.COPY and stat.S_ISDIR(row.want.mode):
            continue  # it has a row of its own, for later: its metadata may not be there yet
        session.step = steps.VERIFY
        try:
            try:
                _check(check, of, directory, row)
            except OSError as error:
                if isinstance(error, OtherContents):
                    error = mark(session, directory, row.name, row.want)
                if not (repair and can_be_mended(error) and _is_alone(session, of, directory, row)):
                    raise error
                _repair(check, of, directory, row)
        except OSError as error:
            session.fail(path_of(directory, row), error)


def _check(check: Check, of: str, directory: bytes, row: Any) -> None:
    leader = row.leader if of == Kind.LINK else None
    check.check(directory, row.name, row.want, leader)


def _is_alone(session: Session, of: str, directory: bytes, row: Any) -> bool:
    """Whether a new file can stand in for it. Further names of an old one, which were checked
    already, would stay with what is wrong: the next run makes them anew."""
    if of not in (Kind.COPY, Kind.FINISH):
        return True
    try:
        target = session.target(directory).fd
        found = os.stat(row.name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(found.st_mode) or found.st_nlink == 1


def _repair(check: Check, of: str, directory: bytes, row: Any) -> None:
    """Copy an entry again, and check it again. It counts as repaired, not as copied once more.
    Raises OSError if it differs even now."""
    session = check.session
    tally = session.tally
    before = tally.files, tally.directories, tally.bytes, tally.skipped
    failed = tally.failed
    session.metadata.probing = True
    try:
        # A large file comes in one piece here.
        OPERATIONS[Kind.COPY if of == Kind.FINISH else of](session, directory, [row])
        _give_times_again(session, directory)
    finally:
        session.metadata.probing = False
        tally.files, tally.directories, tally.bytes, tally.skipped = before
    if tally.failed == failed:
        session.step = steps.VERIFY
        check.forget(row.name)
        _check(check, of, directory, row)
        tally.repaired += 1


def _give_times_again(session: Session, directory: bytes) -> None:
    """What was made in a directory changed its time, perhaps after that was checked."""
    while True:
        session.step = steps.STAT
        found = os.fstat(session.source(directory))
        preserve_directory(session, directory, want_of(found))
        if not directory:
            return
        directory = split(directory)[0]
