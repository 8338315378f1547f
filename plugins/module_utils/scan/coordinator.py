# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parallel walk: a coordinator that holds the directories still to be listed, and workers."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from functools import partial
from typing import Any, Callable, Iterable

from ..core.errors import IngestError
from ..core.paths import display, to_text
from ..core.processes import Crew, Member
from ..fs.worker_count import waits
from ..index.reader import MAX_SHARDS, Totals, add_totals, shard_path
from ..mounts.probes import answering
from ..mounts.watchdog import Watch
from .filters import Filter
from .globs import Globs
from .prune import drop_fruitless
from .worker import Group, Options, Report, work

Progress = Callable[[Totals], None]

_AHEAD = 2  # batches a worker has, so that it never waits for the next
_BATCH = 128  # directories in one, at most
_BATCH_BYTES = 16_384  # and bytes of paths, so that sending one never blocks
_INTERVAL = 0.5  # s between calls of progress


def scan(
    source: str | bytes,
    folder: str,
    workers: int | str = "auto",
    threads: int | str = "auto",
    include: Iterable[bytes] = (),
    exclude: Iterable[bytes] = (),
    globs: Iterable[bytes] = (),
    one_file_system: bool = False,
    progress: Progress | None = None,
    stall: float = 0.0,
) -> Totals:
    """Walk ``source`` and write its index to ``folder``, in place of an index that was there.

    Nothing is followed below the source, and a directory is opened name by name, so that any
    depth works. What can't be read becomes a row in ``errors``; the scan goes on.

    Args:
        workers: processes (at most 8: one shard each), or ``auto``.
        threads: per process; more than one is for network mounts. ``auto``: 8 there, else 1.
        include, exclude: patterns with rsync's meaning, see :class:`.filters.Filter`.
        globs: if there are any, only what they match, whole; see :class:`.globs.Globs`.
        one_file_system: list no directory that is another file system's.
        progress: called about twice a second with the totals so far; what it raises ends the scan.
        stall: seconds that the source may not answer (0: for ever).

    Raises:
        IngestError: the source is no directory that can be listed, or does not answer; nothing
            matches the globs; the folder can't be written; a worker died.
    """
    return Scan(
        source, folder, workers, threads, include, exclude, globs, one_file_system, stall
    ).run(progress)


def processes(workers: int | str) -> int:
    """How many processes ``workers`` means. Raises IngestError."""
    if workers == "auto":
        return max(1, min(MAX_SHARDS, len(os.sched_getaffinity(0))))
    if isinstance(workers, int) and workers >= 1:
        return min(workers, MAX_SHARDS)
    raise IngestError(f"workers: '{workers}' is neither 'auto' nor a number from 1")


def check_source(source: bytes) -> None:
    """Raises IngestError if ``source`` is no directory that can be listed, or does not answer."""
    answering(to_text(source), [])
    try:
        with os.scandir(source) as entries:
            next(entries, None)
    except OSError as error:
        why = {FileNotFoundError: "does not exist", NotADirectoryError: "is not a directory"}.get(
            type(error), f"can't be listed: {error.strerror}"
        )
        raise IngestError(f"source '{display(source)}' {why}") from error


def check_output(source: bytes, folder: str, option: str = "output") -> None:
    """Raises IngestError if ``folder`` lies in the source: the scan would find itself."""
    inner, outer = os.path.realpath(os.fsencode(folder)), os.path.realpath(source)
    if inner == outer or inner.startswith(outer.rstrip(b"/") + b"/"):
        raise IngestError(
            f"{option} '{display(os.fsencode(folder))}' lies inside the source '{display(source)}': choose a folder elsewhere"
        )


class Scan:
    """One walk; see :func:`scan`."""

    def __init__(
        self,
        source: str | bytes,
        folder: str,
        workers: int | str = "auto",
        threads: int | str = "auto",
        include: Iterable[bytes] = (),
        exclude: Iterable[bytes] = (),
        globs: Iterable[bytes] = (),
        one_file_system: bool = False,
        stall: float = 0.0,
    ) -> None:
        self.source = os.fsencode(source)
        self.folder = folder
        self.count = processes(workers)
        self.include, self.exclude = list(include), list(exclude)
        self.globs = Globs(globs)
        if threads == "auto":
            threads = 8 if waits(self.source) else 1
        if not isinstance(threads, int) or threads < 1:
            raise IngestError(f"threads: '{threads}' is neither 'auto' nor a number from 1")
        self.options = Options(
            self.source,
            folder,
            threads,
            Filter(self.include, self.exclude),
            self.globs,
            one_file_system,
        )
        self.unmatched_globs: list[bytes] = []
        self.matched: set[int] = set()
        self.lost: dict[int, int] = {}
        self.pending = _Pending()
        self._crew = Crew()
        self._hands: dict[Member, _Hand] = {}
        self._watch = Watch(self.source, [], stall)

    def run(self, progress: Progress | None = None) -> Totals:
        """Walk."""
        check_source(self.source)
        check_output(self.source, self.folder)
        lock = self._lock_folder()
        try:
            return self._walk(progress)
        finally:
            os.close(lock)

    def _walk(self, progress: Progress | None) -> Totals:
        self._clear_folder()
        started = time.time()
        active = self.globs.start if self.globs else None
        self.pending.push([Group(0, b"", 0, active, b"")])
        try:
            self._start()
            self._coordinate(progress)
            finished = self._end()
            self._check_globs()
            totals = self._complete(finished, started)
        except BaseException:
            self._crew.close()
            self._clear_folder()
            raise
        finally:
            self._watch.close()
        if progress is not None:
            progress(add_totals(totals))
        return add_totals(totals)

    def _lock_folder(self) -> int:
        """Make the folder and keep other scans out of it until the descriptor is closed."""
        try:
            os.makedirs(self.folder, exist_ok=True)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise IngestError(
                f"the index can't be written to '{self.folder}': {error.strerror}"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise IngestError(
                f"another scan is writing its index to '{self.folder}' now"
            ) from error
        except OSError:
            pass  # a file system without locks, or a directory that NFS can't lock
        return descriptor

    def _clear_folder(self) -> None:
        try:
            for number in range(MAX_SHARDS):
                if os.path.lexists(shard_path(self.folder, number)):
                    os.unlink(shard_path(self.folder, number))
        except OSError as error:
            raise IngestError(
                f"the index can't be written to '{self.folder}': {error.strerror}"
            ) from error

    def _start(self) -> None:
        for number in range(self.count):
            member = self._crew.add(partial(work, number=number, options=self.options))
            self._hands[member] = _Hand()

    def _coordinate(self, progress: Progress | None) -> None:
        due = time.monotonic() + _INTERVAL
        heard = time.monotonic()
        while True:
            # A source that does not answer fails the scan: without it nothing can be complete.
            self._watch.step({self.source: time.monotonic() - heard}, [])
            self._hand_out()
            if not any(hand.batches for hand in self._hands.values()):
                return
            for member in self._crew.wait(max(0.0, due - time.monotonic())):
                self._take(self._hands[member], member.receive())
                heard = time.monotonic()
            if time.monotonic() >= due:
                due = time.monotonic() + _INTERVAL
                if progress is not None:
                    progress(add_totals([hand.totals for hand in self._hands.values()]))

    def _hand_out(self) -> None:
        """Give batches to the processes that have few, to the idlest first."""
        for have in range(_AHEAD):
            for member, hand in self._hands.items():
                if hand.batches <= have:
                    batch = self.pending.take(self.count, self.options.threads)
                    if not batch:
                        return
                    member.send(batch)
                    hand.batches += 1

    def _take(self, hand: _Hand, report: Report) -> None:
        hand.totals = report.totals
        hand.batches -= report.batch_done
        if report.unanswered:
            self._watch.failed(self.source, "list")
        self.pending.push(report.found)
        self.matched |= report.matched
        for parent in report.lost:
            self.lost[parent] = self.lost.get(parent, 0) + 1

    def _end(self) -> list[tuple[Totals, bool]]:
        """Let all processes complete their shards; what each says of it."""
        for member in self._crew.members:
            member.send(None)
        last = [member.receive() for member in self._crew.members]
        self._crew.finish()
        return last

    def _check_globs(self) -> None:
        self.unmatched_globs = [
            glob for n, glob in enumerate(self.globs.patterns) if n not in self.matched
        ]
        if self.globs and not self.matched:
            patterns = ", ".join(f"'{display(glob)}'" for glob in self.globs.patterns)
            raise IngestError(f"globs: nothing in '{display(self.source)}' matches {patterns}")

    def _complete(self, finished: list[tuple[Totals, bool]], started: float) -> list[Totals]:
        """What needs all shards: vanished subdirectories, fruitless ways to a glob, meta."""
        totals = [totals for totals, _wide in finished]
        shards = [
            sqlite3.connect(shard_path(self.folder, n), isolation_level=None)
            for n in range(self.count)
        ]
        for db in shards:
            db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN")
        for parent, times in self.lost.items():
            shards[parent % MAX_SHARDS].execute(
                "UPDATE directories SET subdirectories = subdirectories - ? WHERE id = ?",
                (times, parent),
            )
        if self.globs:
            dropped = drop_fruitless(shards)
            totals = [
                each._replace(directories=each.directories - number)
                for each, number in zip(totals, dropped)
            ]
        for number, db in enumerate(shards):
            meta: dict[str, Any] = {"totals": totals[number]._asdict(), "wide": finished[number][1]}
            if number == 0:
                meta.update(self._meta(started))
            db.executemany(
                "INSERT INTO meta VALUES (?, ?)", [(k, json.dumps(v)) for k, v in meta.items()]
            )
            db.execute("COMMIT")
            db.close()
        return totals

    def _meta(self, started: float) -> dict[str, Any]:
        return {
            "source": to_text(self.source),
            "include": [to_text(pattern) for pattern in self.include],
            "exclude": [to_text(pattern) for pattern in self.exclude],
            "globs": [to_text(glob) for glob in self.globs.patterns],
            "unmatched_globs": [to_text(glob) for glob in self.unmatched_globs],
            "one_file_system": self.options.one_file_system,
            "started": started,
            "finished": time.time(),
            "workers": self.count,
            "threads": self.options.threads,
            "shards": self.count,
        }


class _Pending:
    """The directories still to be listed, last in first out, so that few are held."""

    def __init__(self) -> None:
        self._groups: list[Group] = []
        self._count = 0

    def push(self, groups: list[Group]) -> None:
        """Add some."""
        self._groups += groups
        self._count += sum(group.names.count(b"\0") + 1 for group in groups)

    def take(self, workers: int, threads: int) -> list[Group]:
        """A fair part for one worker: small while there is little to share."""
        limit = max(threads, min(_BATCH, self._count // (2 * workers)))
        batch: list[Group] = []
        size = 0
        while self._groups and limit > 0 and (not batch or size < _BATCH_BYTES):
            group = self._groups.pop()
            names = group.names.split(b"\0")
            if len(names) > limit:
                self._groups.append(group._replace(names=b"\0".join(names[:-limit])))
                names = names[-limit:]
            batch.append(group._replace(names=b"\0".join(names)))
            size += len(group.path) + len(batch[-1].names)
            limit -= len(names)
            self._count -= len(names)
        return batch


class _Hand:
    """What one process of the scan has to do, and has done."""

    def __init__(self) -> None:
        self.batches = 0
        self.totals = Totals()
