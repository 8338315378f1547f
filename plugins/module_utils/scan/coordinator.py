# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parallel walk: a coordinator that holds the directories still to be listed, and workers."""

from __future__ import annotations

import fcntl
import os
import time
from functools import partial
from typing import Any, Callable

from ..core.errors import IngestError
from ..core.paths import display, to_text
from ..core.processes import Crew, Member
from ..index.earlier import FULL, errors_outside
from ..index.prune import drop_fruitless
from ..index.rows import Totals, add_totals
from ..index.writer import Completion, clear, errors_named
from ..mounts.probes import answering
from ..mounts.watchdog import Watch
from .compare import THERE, UNKNOWN, worth_comparing
from .messages import Group, Report, task_of
from .options import ScanOptions, processes
from .worker import work

Progress = Callable[[Totals], None]

_AHEAD = 2  # batches a worker has, so that it never waits for the next
_BATCH = 128  # directories in one, at most
_BATCH_BYTES = 16_384  # and bytes of paths, so that sending one never blocks
_INTERVAL = 0.5  # s between calls of progress


def scan(options: ScanOptions, progress: Progress | None = None) -> Totals:
    """Walk the source and write its index, in place of an index that was there.

    Nothing is followed below the source, and a directory is opened name by name, so that any
    depth works. What can't be read becomes a row in ``errors``; the scan goes on. ``progress`` is
    called about twice a second with the totals so far; what it raises ends the scan.

    Raises:
        IngestError: an option can't be used; the source is no directory that can be listed, or
            does not answer; nothing matches the globs; the folder can't be written; a worker died.
    """
    return Scan(options).run(progress)


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
            f"{option} '{display(os.fsencode(folder))}' lies inside the source "
            f"'{display(source)}': choose a folder elsewhere"
        )


class Scan:
    """One walk; see :func:`scan`."""

    def __init__(self, options: ScanOptions) -> None:
        self.options = options
        self.source, self.folder = options.source, options.folder
        self.count = processes(options.workers)
        self.compare = worth_comparing(options.compare)
        self._beside = [self.compare.destination] if self.compare else []
        self.task = task_of(options, self.compare)
        self.globs = self.task.globs
        self.unmatched_globs: list[bytes] = []
        self.matched: set[int] = set()
        self.lost: dict[int, int] = {}
        self.pending = _Pending()
        self._crew = Crew()
        self._hands: dict[Member, _Hand] = {}
        self._watch = Watch(self.source, self._beside, options.stall)

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
        clear(self.folder)
        started = time.time()
        active = self.globs.start if self.globs else None
        place = THERE if self.compare else UNKNOWN
        self.pending.push([Group(0, b"", 0, active, b"", 0, place)])
        try:
            self._start()
            self._coordinate(progress)
            finished = self._end()
            self._check_globs()
            totals = self._complete(finished, started)
        except BaseException:
            self._crew.close()
            clear(self.folder)
            raise
        finally:
            self._watch.close()
        if progress is not None:
            progress(totals)
        return totals

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

    def _start(self) -> None:
        for n in range(self.count):
            member = self._crew.add(partial(work, number=n, task=self.task))
            self._hands[member] = _Hand()

    def _coordinate(self, progress: Progress | None) -> None:
        due = time.monotonic() + _INTERVAL
        heard = time.monotonic()
        while True:
            # A source that does not answer fails the scan: without it nothing can be complete.
            self._watch.step({self.source: time.monotonic() - heard}, self._beside)
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
                    batch = self.pending.take(self.count, self.task.threads)
                    if not batch:
                        return
                    member.send(batch)
                    hand.batches += 1

    def _take(self, hand: _Hand, report: Report) -> None:
        hand.totals = report.totals
        hand.kept = report.kept
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

    def _complete(self, finished: list[tuple[Totals, bool]], started: float) -> Totals:
        """What needs all parts: vanished subdirectories, fruitless ways to a glob, meta."""
        with errors_named(self.folder):
            parts = Completion(self.folder, self.count)
            for directory, times in self.lost.items():
                parts.lose(directory, times)
            if self.globs:
                finished = [
                    (totals._replace(directories=totals.directories - dropped), wide)
                    for (totals, wide), dropped in zip(finished, drop_fruitless(parts.parts))
                ]
            if self.options.earlier is not None:
                errors = errors_outside(self.options.earlier)
                parts.note(errors)
                (first, wide), *rest = finished
                more = first.errors + len(errors)
                finished = [(first._replace(errors=more), wide), *rest]
            if self.options.sums:
                parts.sum_up()
            parts.finish(finished, self._meta(started))
        return add_totals([totals for totals, _wide in finished])

    def _meta(self, started: float) -> dict[str, Any]:
        earlier = self.options.earlier
        return {
            "source": to_text(self.source),
            "include": list(map(to_text, self.options.include)),
            "exclude": list(map(to_text, self.options.exclude)),
            "globs": list(map(to_text, self.globs.patterns)),
            "unmatched_globs": list(map(to_text, self.unmatched_globs)),
            "one_file_system": self.options.one_file_system,
            "sums": self.options.sums,
            "links": self.options.links,
            "xattrs": self.options.xattrs,
            "compared": self._compared(),
            "mode": FULL if earlier is None else earlier.mode,
            "subtrees": list(map(to_text, () if earlier is None else earlier.subtrees)),
            "kept": sum(hand.kept for hand in self._hands.values()),
            "scans": self.options.scans,
            # When directories were looked at first; of those that were kept that is longer ago.
            "looked": earlier.looked if earlier is not None and earlier.subtrees else started,
            "started": started,
            "finished": time.time(),
            "workers": self.count,
            "threads": self.task.threads,
        }

    def _compared(self) -> dict[str, Any] | None:
        """With what the entries were compared, for whoever asks what their states mean."""
        if self.compare is None:
            return None
        return {
            "destination": to_text(self.compare.destination),
            "preserve": sorted(self.compare.preserve),
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
        self.kept = 0
