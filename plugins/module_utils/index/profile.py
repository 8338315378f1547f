# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree is made of, in numbers: one look at each entry of its index, in as many processes as
there are parts; memory does not grow with the index."""

from __future__ import annotations

import grp
import heapq
import os
import pwd
import sqlite3
from bisect import bisect_right
from typing import Any, Callable, Dict, List, Tuple

from ..core.errors import IngestError
from ..core.paths import display, join, to_bytes
from ..core.task_pool import Task, TaskPool
from .generations import find, generations
from .parts import complete, open_part
from .reader import Index
from .rows import Totals

SHOWN = 20  # rows of a table
_DAY = 86_400 * 10**9
# In days; what is older than the last has a bucket of its own, as what is later than the scan.
AGES = (0, 1, 7, 30, 90, 180, 365, 730, 1095, 1825)
_LIMITS = tuple(-age * _DAY for age in reversed(AGES))  # against (time - scan)
_SUFFIXES = 20_000  # names' ends that are told apart in one part
_LONGEST = 12  # bytes of a name's end that says what is in a file
_EARLIEST, _UNSIGNED = -(1 << 62), 1 << 64
Sums = Dict[Any, List[int]]  # entries and bytes for each of something
Json = Dict[str, Any]


class _Part:
    """What one part comes to."""

    def __init__(self, file: str, finished: float) -> None:
        self._scan = int(finished * 1e9)
        self.sizes: Sums = {}
        self.modified: Sums = {}
        self.accessed: Sums = {}
        self.owners: Sums = {}
        self.groups: Sums = {}
        self.suffixes: Sums = {}
        self.largest: List[Tuple[int, bytes, int]] = []  # size, name, directory's id
        db = open_part(file)
        try:
            self._entries(db)
            self._places(db)
        except sqlite3.Error as error:
            raise IngestError(f"{file} is damaged: {error}") from error
        finally:
            db.close()

    def _entries(self, db: sqlite3.Connection) -> None:
        sizes, modified, accessed = self.sizes, self.modified, self.accessed
        owners, groups, suffixes = self.owners, self.groups, self.suffixes
        scan, largest, least = self._scan, self.largest, -1
        for kind, size, mtime, atime, uid, gid, name, directory in db.execute(
            "SELECT type, size, mtime, atime, uid, gid, name, directory FROM raw_entries"
        ):
            if kind != "f":
                _add(owners, uid, 0)
                _add(groups, gid, 0)
                continue
            if mtime < _EARLIEST:
                mtime += _UNSIGNED
            if atime < _EARLIEST:
                atime += _UNSIGNED
            _add(sizes, size.bit_length(), size)
            _add(modified, bisect_right(_LIMITS, mtime - scan), size)
            _add(accessed, bisect_right(_LIMITS, atime - scan), size)
            _add(owners, uid, size)
            _add(groups, gid, size)
            stem, dot, end = name.rpartition(b".")
            known = stem and 0 < len(end) <= _LONGEST
            _add(suffixes, end.lower() if known else b"", size)
            if size > least:
                heapq.heappush(largest, (size, name, directory))
                if len(largest) > SHOWN:
                    heapq.heappop(largest)
                    least = largest[0][0]
            if len(suffixes) > _SUFFIXES:
                _few(suffixes, _SUFFIXES // 4)

    def _places(self, db: sqlite3.Connection) -> None:
        """Directories that stand out."""

        def path_of(identity: int) -> bytes:
            found = db.execute("SELECT path FROM raw_directories WHERE id=?", (identity,))
            return bytes(found.fetchone()[0])

        self.files = [(size, join(path_of(at), name)) for size, name, at in self.largest]
        self.deepest = _rows(db, "SELECT depth, path FROM raw_directories ORDER BY 1 DESC")
        self.widest = _rows(
            db,
            "SELECT entries + subdirectories, path, entries FROM raw_directories ORDER BY 1 DESC",
        )
        # Not every index has sums of all that lies below.
        self.tops: List[Tuple[Any, ...]] = []
        if db.execute("SELECT 1 FROM sqlite_master WHERE name='raw_below'").fetchone():
            self.tops = _rows(
                db,
                "SELECT ifnull(b.size, d.bytes), path, ifnull(b.files, d.files)"
                " FROM raw_directories d LEFT JOIN raw_below b ON b.id = d.id"
                " WHERE depth = 1 ORDER BY 1 DESC",
            )


def _rows(db: sqlite3.Connection, query: str) -> List[Tuple[Any, ...]]:
    return db.execute(f"{query} LIMIT {SHOWN}").fetchall()


def _add(sums: Sums, key: Any, size: int) -> None:
    found = sums.get(key)
    if found is None:
        sums[key] = [1, size]
    else:
        found[0] += 1
        found[1] += size


def _few(sums: Sums, most: int) -> None:
    """Forget the rarest but what they come to, as None."""
    rest = sums.setdefault(None, [0, 0])
    for key in sorted(sums, key=lambda key: -sums[key][0])[most:]:
        if key is not None:
            count, size = sums.pop(key)
            rest[0] += count
            rest[1] += size


def _join(sums: Sums, more: Sums) -> None:
    for key, (count, size) in more.items():
        found = sums.setdefault(key, [0, 0])
        found[0] += count
        found[1] += size


_SUMMED = ("sizes", "modified", "accessed", "owners", "groups", "suffixes")
_RANKED = ("files", "deepest", "widest", "tops")


def profile(folder: str, workers: int = 0) -> Json:
    """The numbers of the newest index in ``folder``, as JSON can hold them: names are printable,
    times epoch s, sizes bytes.

    Raises:
        IngestError: there is no index, or it is damaged.
    """
    where = find(folder)
    found = complete(where)
    finished = float(found.meta["finished"])
    todo: list[Task] = [(file,) for file in found.files]
    sums: dict[str, Sums] = {name: {} for name in _SUMMED}
    ranked: dict[str, list[Any]] = {name: [] for name in _RANKED}

    def make() -> Callable[[list[Task]], list[dict[str, Any]]]:
        def parts(tasks: list[Task]) -> list[dict[str, Any]]:
            done = [_Part(file, finished) for (file,) in tasks]
            return [{name: getattr(part, name) for name in _SUMMED + _RANKED} for part in done]

        return parts

    def take(reports: list[dict[str, Any]]) -> None:
        for report in reports:
            for name in _SUMMED:
                _join(sums[name], report[name])
            for name in _RANKED:
                ranked[name] = heapq.nlargest(SHOWN, ranked[name] + report[name])

    processes = workers or len(os.sched_getaffinity(0))
    pool = TaskPool((max(1, min(processes, len(todo))), 1), make)
    try:
        pool.drain(lambda: [todo.pop()] if todo else [], take)
    finally:
        pool.close()
    return _answer(folder, where, found.meta, sums, ranked)


def _answer(
    folder: str, where: str, meta: Json, sums: dict[str, Sums], ranked: dict[str, list[Any]]
) -> Json:
    index = Index(where)
    try:
        totals = index.totals()
    finally:
        index.close()
    powers = sums["sizes"]
    return {
        "source": display(to_bytes(str(meta["source"]))),
        "index": display(to_bytes(where)),
        "started": meta["started"],
        "finished": meta["finished"],
        "totals": totals._asdict(),
        "sizes": [
            [1 << power >> 1, 1 << power, *powers.get(power, (0, 0))]
            for power in (range(min(powers), max(powers) + 1) if powers else ())
        ],
        # From what is later than the scan to the oldest.
        "modified": [sums["modified"].get(at, [0, 0]) for at in range(len(AGES), -1, -1)],
        "accessed": [sums["accessed"].get(at, [0, 0]) for at in range(len(AGES), -1, -1)],
        "owners": _ranked(sums["owners"], _user),
        "groups": _ranked(sums["groups"], _group),
        "suffixes": _ranked(sums["suffixes"], lambda end: display(b"." + end) if end else "none"),
        "largest": [[size, display(path)] for size, path in ranked["files"]],
        "deepest": [[depth, display(path)] for depth, path in ranked["deepest"]],
        "widest": [[count, display(path), entries] for count, path, entries in ranked["widest"]],
        "tops": [[size, display(path), files] for size, path, files in ranked["tops"]],
        "growth": _growth(folder, where, totals, meta),
    }


def _ranked(sums: Sums, name: Callable[[Any], str]) -> list[list[Any]]:
    """The first by bytes, then by entries, and last all others together."""
    rest = list(sums.pop(None, [0, 0]))
    order = sorted(sums, key=lambda key: (-sums[key][1], -sums[key][0], str(key)))
    for key in order[SHOWN:]:
        rest = [rest[0] + sums[key][0], rest[1] + sums[key][1]]
    found = [[name(key), *sums[key]] for key in order[:SHOWN]]
    return found + ([["all others", *rest]] if rest[0] else [])


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except (KeyError, OverflowError):
        return str(uid)


def _group(gid: int) -> str:
    try:
        return f"{grp.getgrgid(gid).gr_name} ({gid})"
    except (KeyError, OverflowError):
        return str(gid)


def _growth(folder: str, where: str, totals: Totals, meta: Json) -> list[Json]:
    """What each generation held, the oldest first. One that can't be read tells nothing."""
    found = [{"finished": meta["finished"], **totals._asdict()}]
    try:
        others = generations(folder)
    except IngestError:
        others = []
    for other in others:
        if os.path.realpath(other) == os.path.realpath(where):
            continue
        try:
            index = Index(other)
        except IngestError:
            continue
        try:
            found.append({"finished": index.meta()["finished"], **index.totals()._asdict()})
        finally:
            index.close()
    return sorted(found, key=lambda one: float(one["finished"]))
