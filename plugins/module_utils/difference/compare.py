# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference of two indexes.

Each process of a crew compares a stretch of both trees at a time, by directory and name, and spools
what is not the same; what was moved is found among that, see :mod:`.moves`. ::

    with Difference(Options("/index/old", "/index/new")) as difference:
        for change in difference.changes():
            …
"""

from __future__ import annotations

import heapq
import os
import shutil
import sqlite3
import tempfile
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple

from ..core.errors import IngestError
from ..core.task_pool import Task, TaskPool
from ..index.generations import find
from ..index.gufi_reader import load, root_of
from ..index.reader import Index
from .contents import Contents
from .moves import settle
from .own_moves import OwnMoves
from .rows import BETWEEN_TREES, DEVICE, INODE, OVER_TIME, Compared, Row, check_fields, shown
from .sides import IndexSide, Renumbered
from .spool import Spool, path_of, unpack

ADDED, REMOVED, CHANGED, MOVED = "added", "removed", "changed", "moved"
CHANGES = (ADDED, REMOVED, CHANGED, MOVED)
_PART = "part"
_STRETCHES = 8  # for each process: they do not all take the same time


class Options(NamedTuple):
    """What is to be compared, and how.

    ``fields`` that count, None: those that can, see :data:`.rows.OVER_TIME`; ``moves``: whether
    to follow what was moved, None: if both are of one tree; ``workers``: processes;
    ``temporary``: a folder for what is found, None: /var/tmp or TMPDIR; ``own_moves``: whether what
    policies moved between pools is told, too.
    """

    old: str
    new: str
    fields: Optional[Tuple[str, ...]] = None
    moves: Optional[bool] = None
    workers: int = 0
    temporary: Optional[str] = None
    own_moves: bool = False


class Change(NamedTuple):
    """One difference. ``path``: in the new tree, of what was removed in the old one; ``before``:
    the old path, where it is another; ``fields`` that differ."""

    change: str
    path: bytes
    before: bytes
    fields: Tuple[str, ...]
    old: Optional[Row]
    new: Optional[Row]

    @property
    def row(self) -> Row:
        """The row that is now, or was last."""
        row = self.new or self.old
        if row is None:
            raise AssertionError("no row yet")
        return row


class Difference:
    """A difference, found out when it is made; its files are removed when it is closed.

    Raises:
        IngestError: an index can't be read or compared, or there is no room for what was found.
    """

    def __init__(self, options: Options) -> None:
        self._folder = _temporary(options.temporary)
        self._spool: Spool | None = None
        self._own: OwnMoves | None = None
        self.own_moves = 0  # that were left out by changes()
        try:
            options = _ours(options, self._folder)
            self.compared, renumbered, self.warnings = _agree(options)
            if not options.own_moves:
                old, new = find(options.old), find(options.new)
                self._own = OwnMoves(old, new, float(_meta(old).get("started", 0)))
            self._compare(options, renumbered)
        except sqlite3.Error as error:
            self.close()
            raise _failed(error) from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Difference:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was found."""
        if self._own is not None:
            self._own.close()
            self._own = None
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _compare(self, options: Options, renumbered: Renumbered) -> None:
        workers = options.workers or min(len(os.sched_getaffinity(0)), 8)
        old, new = _sides(options, self.compared, renumbered)
        try:
            bounds = new.bounds(workers * _STRETCHES)
            spools = _in_crew(options, self.compared, renumbered, bounds, workers, self._folder)
            self._spool = Spool(os.path.join(self._folder, "all"))
            for path in spools:
                self._spool.take(path)
            contents = Contents(old, new, self.compared, self._spool)
            settle(contents, self._spool, self.compared, old, new)
        finally:
            old.close()
            new.close()

    def changes(self) -> Iterator[Change]:
        """All differences, in the order of the paths in the new tree (of what was removed, of the
        path that it would have there): a directory right before all below it."""
        self.own_moves = 0
        try:
            for change in self._changes():
                if self._own and self._own.explain(
                    change.path, change.fields, change.old, change.new
                ):
                    self.own_moves += change.row.type != "d"
                else:
                    yield change
        except sqlite3.Error as error:
            raise _failed(error) from error

    def _changes(self) -> Iterator[Change]:
        if self._spool is None:
            raise AssertionError("nothing was compared")
        held: tuple[Any, ...] | None = None
        for found in heapq.merge(*self._spool.results(), key=_order):
            if held is not None:
                if found[:2] == (held[0], 1) and held[3] and found[3]:
                    yield self._change(CHANGED, held[0], held[2], held[4], found[4])
                    held = None
                    continue
                yield self._change(REMOVED, held[2], held[2], held[4], None)
                held = None
            key, kind = found[:2]
            if kind == 0:
                held = found
            elif kind == 1:
                yield self._change(ADDED, key, key, None, found[4])
            else:
                yield self._change((CHANGED, MOVED)[kind - 2], key, *found[2:])
        if held is not None:
            yield self._change(REMOVED, held[2], held[2], held[4], None)

    def _change(
        self, change: str, key: bytes, before: bytes, old: bytes | None, new: bytes | None
    ) -> Change:
        one = None if old is None else shown(unpack(old))
        other = None if new is None else shown(unpack(new))
        fields: tuple[str, ...] = ()
        if one is not None and other is not None:
            fields = tuple(
                name for name, place in self.compared.places if one[place] != other[place]
            )
        return Change(change, path_of(key), path_of(before), fields, one, other)


def _failed(error: sqlite3.Error) -> IngestError:
    return IngestError(f"the difference can't be found out: {error}")


def _order(found: tuple[Any, ...]) -> tuple[Any, ...]:
    return found[:2]


def _temporary(folder: str | None) -> str:
    where = folder or os.environ.get("TMPDIR") or "/var/tmp"
    try:
        return tempfile.mkdtemp(prefix="ingest-difference-", dir=where)
    except OSError as error:
        raise IngestError(
            f"temporary files can't be written to {where}: {error.strerror}"
        ) from error


def _ours(options: Options, folder: str) -> Options:
    """The same of indexes of this collection only: those of GUFI are read into a folder."""
    found = []
    for name, where in (("old.gufi", options.old), ("new.gufi", options.new)):
        root = root_of(where)
        if root is not None:
            where = os.path.join(folder, name)
            load(root, where)
        found.append(where)
    return options._replace(old=found[0], new=found[1])


def _sides(
    options: Options, compared: Compared, renumbered: Renumbered
) -> tuple[IndexSide, IndexSide]:
    old = IndexSide(options.old, compared)
    try:
        return old, IndexSide(options.new, compared, renumbered)
    except BaseException:
        old.close()
        raise


def _agree(options: Options) -> tuple[Compared, Renumbered, list[str]]:
    """What counts, by what both indexes are, and what should be known of them."""
    metas = [_meta(folder) for folder in (options.old, options.new)]
    old, new = _sides(options, Compared(("inode", "device"), False), ())
    try:
        roots = [next(side.directories(b"", b"\0"), None) for side in (old, new)]
        if roots[0] is None or roots[1] is None:
            raise IngestError("an index that holds not even its source can't be compared")
        one_tree = roots[0][INODE] == roots[1][INODE]
        moves = one_tree if options.moves is None else options.moves
        seconds = any(meta.get("layout") == "gufi" for meta in metas)
        compared = Compared(_fields(options, metas, one_tree), moves, seconds)
        renumbered = _renumbered(old, new) if moves or "device" in compared.fields else ()
        return compared, renumbered, _warnings(metas)
    finally:
        old.close()
        new.close()


def _meta(folder: str) -> Dict[str, Any]:
    index = Index(find(folder))
    try:
        return {**index.meta(), "errors": index.totals().errors}
    finally:
        index.close()


def _fields(options: Options, metas: list[Dict[str, Any]], one_tree: bool) -> tuple[str, ...]:
    """The fields that count. Raises IngestError: one was not scanned."""
    fields = check_fields(options.fields or (OVER_TIME if one_tree else BETWEEN_TREES))
    for name, noted in (("linkname", "links"), ("xattr_names", "xattrs")):
        missing = [
            folder for folder, meta in zip((options.old, options.new), metas) if not meta.get(noted)
        ]
        if name in fields and missing:
            if options.fields:
                raise IngestError(f"fields: the index in {missing[0]} has no '{name}'")
            fields = tuple(field for field in fields if field != name)
    if not options.fields and any(meta.get("layout") == "gufi" for meta in metas):
        fields = tuple(field for field in fields if field != "rdev")  # GUFI has none
    return fields


def _warnings(metas: list[Dict[str, Any]]) -> list[str]:
    """What makes a difference that is none."""
    old, new = metas
    found = []
    for name in ("include", "exclude", "globs", "one_file_system"):
        if (old.get(name) or None) != (new.get(name) or None):
            found.append(f"the two scans differ in '{name}': what only one took is a difference")
    for word, meta, so in (("older", old, "added"), ("newer", new, "removed")):
        if meta["errors"]:
            found.append(
                f"the {word} scan could not read everything ({meta['errors']} errors):"
                f" what it did not see may be called {so}"
            )
    return found


def _renumbered(old: IndexSide, new: IndexSide) -> Renumbered:
    """Devices that have another number than before, as those of a server do after a mount: what
    stands under the same path with the same inode."""
    before, now = old.devices(), new.devices()
    found = []
    for device, top in sorted(now.items(), key=lambda item: item[1]):
        if device in before:
            continue
        stood = next(old.directories(top, top + b"\0"), None)
        here = next(new.directories(top, top + b"\0"), None)
        if stood is None or here is None or stood[INODE] != here[INODE]:
            continue
        if stood[DEVICE] not in now:
            found.append((device, stood[DEVICE]))
    return tuple(found)


def _in_crew(
    options: Options,
    compared: Compared,
    renumbered: Renumbered,
    bounds: list[bytes],
    workers: int,
    folder: str,
) -> list[str]:
    """Have all stretches compared; returns the files of what was found."""
    todo: list[Task] = list(zip([b"", *bounds], [*bounds, None]))

    def make() -> Callable[[list[Task]], None]:
        old, new = _sides(options, compared, renumbered)
        spool = Spool(os.path.join(folder, f"{_PART}{os.getpid()}"))
        contents = Contents(old, new, compared, spool)

        def stretches(tasks: list[Task]) -> None:
            for low, high in tasks:
                contents.stretch(low, high)
            spool.commit()

        return stretches

    pool = TaskPool((min(workers, len(todo)), 1), make)
    try:
        pool.drain(lambda: [todo.pop(0)] if todo else [], lambda _report: None)
    finally:
        pool.close()
    names = sorted(name for name in os.listdir(folder) if name.startswith(_PART))
    return [os.path.join(folder, name) for name in names]
