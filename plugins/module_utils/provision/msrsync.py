# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command msrsync: a tree in buckets, many rsync at once, on one machine; its words are those
of the msrsync that the article uses."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
import time
from typing import NamedTuple, NoReturn

from ..client.ledger import Ledger
from ..client.options import RsyncOptions
from ..client.rsync_lines import configure
from ..client.runner import Runner
from ..client.settings import Settings
from ..copy.rsync.method import check_rsync
from ..copy.tree import check_apart
from ..core.errors import IngestError
from ..core.outcome import Counts
from ..core.paths import display, to_text
from ..core.units import count, duration, rate, size
from ..core.vocabulary import PRESERVE
from ..fs.worker_count import workers_for
from ..index.reader import Index
from ..index.rows import Totals
from ..plan import queries, results
from ..plan.dispatch import Dispatcher
from ..plan.planner import Limits, plan
from ..plan.store import PlanStore
from ..scan.coordinator import scan
from ..scan.options import ScanOptions
from .alone import HOST, serve

USAGE, FAILED = 2, 1
_USAGE = 'Usage: msrsync [options] [--rsync "OPTIONS"] SOURCE_DIR [SOURCE_DIR ...] DEST_DIR\n'
_HELP = (
    _USAGE
    + """
Copies as rsync does ("source" becomes DEST_DIR/source, "source/" its contents), in buckets of
files, with many rsync processes at once, in two phases: new files in place first, then all is
proved and repaired. What rsync can't keep across buckets is kept, too: hard links, times of
directories.

  -p, --processes N   rsync processes at once; by default 64 where one of the
                      directories is a network mount, else one a processor
  -f, --files N       files in a bucket, at most (default 1000)
  -s, --size BYTES    bytes in a bucket, at most (K, M, G, T; default 1G)
  -P, --progress      show the progress
  --stats             say at the end what was done, and how fast
  -d, --dry-run       say how many buckets there would be; copy nothing
  -b, --buckets DIR   where the list of what is to be done is kept meanwhile
  -k, --keep          keep it
  -j, --show          say where it is
  -r, --rsync "OPTS"  options for rsync besides "-a --numeric-ids"; those that
                      would break a bucket are refused, each with the reason
  -h, --help          show this text

Exit status: 0 all is there, 1 something could not be copied (each is named), 2 usage, or a
directory is missing.
"""
)
# What the first phase does anyway; the article gives it to the first of two commands.
_FIRST_PHASE = "--inplace"


class Job(NamedTuple):
    """One source directory and where its contents go."""

    source: bytes
    destination: bytes


class Done(NamedTuple):
    """What became of a job. ``scan`` and ``seconds``: how long the scan and all of it took."""

    totals: Totals
    counts: Counts
    buckets: int
    scan: float
    seconds: float


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}\n{_USAGE}")
        raise SystemExit(USAGE)

    def format_help(self) -> str:
        return _HELP


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = _Parser(prog="msrsync")
    parser.add_argument("-p", "--processes", type=_positive)
    parser.add_argument("-f", "--files", type=_positive, default=1000)
    parser.add_argument("-s", "--size", type=_bytes, default=1 << 30)
    parser.add_argument("-P", "--progress", action="store_true")
    parser.add_argument("--stats", action="store_true")
    parser.add_argument("-d", "--dry-run", action="store_true")
    parser.add_argument("-b", "--buckets")
    parser.add_argument("-k", "--keep", action="store_true")
    parser.add_argument("-j", "--show", action="store_true")
    parser.add_argument("-r", "--rsync", default="")
    parser.add_argument("directories", nargs="*")
    options = parser.parse_args(_with_values(sys.argv[1:] if arguments is None else arguments))
    if len(options.directories) < 2:
        parser.error("a source and a destination are needed")
    *sources, destination = map(os.fsencode, options.directories)
    try:
        options.rsync = [word for word in shlex.split(options.rsync) if word != _FIRST_PHASE]
    except ValueError as error:
        parser.error(f"--rsync: {error}")
    try:
        jobs = [_job(source, destination) for source in sources]
        check_rsync("here", frozenset(PRESERVE), options.rsync)
        for job in jobs:
            check_apart(job.source, job.destination)
    except IngestError as error:
        parser.error(
            str(error).replace(" in ingest_rsync_options", "").replace("on host here ", "")
        )
    failed = 0
    try:
        for job in jobs:
            failed += _in_folder(job, options)
    except (IngestError, OSError) as error:
        sys.stderr.write(f"msrsync: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return 130
    return FAILED if failed else 0


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _bytes(text: str) -> int:
    try:
        number = rate(text, "size")
    except IngestError as error:
        raise ValueError(text) from error
    return _positive(str(number))


def _with_values(words: list[str]) -> list[str]:
    """``--rsync`` and its value as one word: the value begins with a dash."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in ("--rsync", "-r"):
            joined[-1] = f"--rsync={word}"
        else:
            joined.append(word)
    return joined


def _job(source: bytes, destination: bytes) -> Job:
    """As rsync has it: a slash at the source's end means its contents. Raises IngestError."""
    if not os.path.isdir(source):
        raise IngestError(f"'{display(source)}' does not exist, or is not a directory")
    name = os.path.basename(source)
    if name not in (b"", b".", b".."):
        destination = os.path.join(destination, name)
    if os.path.lexists(destination) and not os.path.isdir(destination):
        raise IngestError(f"'{display(destination)}' is not a directory")
    return Job(os.path.abspath(source), os.path.abspath(destination))


def _in_folder(job: Job, options: argparse.Namespace) -> int:
    """Do one job in a folder of its own; how many items failed. Raises IngestError, OSError."""
    folder = tempfile.mkdtemp(prefix="msrsync-", dir=options.buckets)
    if options.show:
        sys.stdout.write(f"the buckets are in {folder}\n")
    try:
        return _run(job, folder, options)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _run(job: Job, folder: str, options: argparse.Namespace) -> int:
    begun = time.monotonic()
    index, path = os.path.join(folder, "index"), os.path.join(folder, "plan.db")
    totals = scan(ScanOptions(job.source, index))
    scanned = time.monotonic() - begun
    limits = Limits(items=options.files, bytes=options.size, range_threshold=0)
    plan(
        index,
        path,
        [HOST],
        limits=limits,
        source=to_text(job.source),
        destinations=[to_text(job.destination)],
        method="msrsync",
    )
    with PlanStore.open(path) as store:
        buckets = len(list(queries.planned(store, HOST)))
        if options.dry_run:
            sys.stdout.write(
                f"{_items(totals.entries)} and {size(totals.bytes)} in {count(buckets)} "
                f"{'bucket' if buckets == 1 else 'buckets'}, for {display(job.destination)}; "
                "nothing was copied\n"
            )
            return 0
        os.makedirs(job.destination, exist_ok=True)
        show = _Progress(totals) if options.progress else None
        serve(Dispatcher(store, HOST, 1e9), Runner(_settings(job, options)), show)
        if show is not None:
            show.end()
        done = Done(totals, queries.sums(store, HOST), buckets, scanned, time.monotonic() - begun)
        failures = _say_failures(store, index)
        if options.stats:
            sys.stdout.write(_stats(job, done, failures, options))
        return failures


def _settings(job: Job, options: argparse.Namespace) -> Settings:
    """Raises IngestError."""
    processes, threads = workers_for((job.source, job.destination), options.processes or "auto")
    base = Settings(job.source, (job.destination,), PRESERVE, processes, threads)
    wanted = RsyncOptions("msrsync", tuple(options.rsync), options.files, options.size)
    return configure(wanted, base, options.processes is None)


def _say_failures(store: PlanStore, index: str) -> int:
    """Name each item that failed; how many there are."""
    found = Index(index)
    try:
        last, number = None, 0
        for failed in results.failures(store, found.errors()):
            if failed.path != last:
                number += 1
                last = failed.path
                sys.stderr.write(
                    f"msrsync: {display(failed.path) or '.'}: {failed.operation}: "
                    f"{failed.message}\n"
                )
        return number
    finally:
        found.close()


def _items(number: int) -> str:
    return f"{count(number)} {'item' if number == 1 else 'items'}"


def _stats(job: Job, done: Done, failures: int, options: argparse.Namespace) -> str:
    copied = max(done.seconds - done.scan, 1e-3)
    rows = [
        ("Status", f"{_items(failures)} failed" if failures else "success"),
        ("From", display(job.source)),
        ("To", display(job.destination)),
        ("Total size", size(done.totals.bytes)),
        ("Total entries", count(done.totals.entries + done.totals.directories)),
        (
            "Buckets",
            f"{count(done.buckets)} of at most {count(options.files)} files and "
            f"{size(options.size)}",
        ),
        ("Copied", f"{count(done.counts.files)} files, {size(done.counts.bytes)}"),
        ("Up to date", count(done.counts.skipped)),
        ("Entries per second", count(done.totals.entries / copied)),
        ("Speed", f"{size(done.counts.bytes / copied)}/s"),
        ("Scan", duration(done.scan)),
        ("Total time", duration(done.seconds)),
    ]
    return "".join(f"{name + ':':20} {value}\n" for name, value in rows)


class _Progress:
    """One line on a terminal, written over and over; elsewhere a line every ten seconds."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        self._begun = time.monotonic()
        self._due = 0.0
        self._terminal = sys.stderr.isatty()

    def __call__(self, ledger: Ledger) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + (0.5 if self._terminal else 10.0)
            self._write(ledger)

    def _write(self, ledger: Ledger) -> None:
        seconds = max(time.monotonic() - self._begun, 1e-3)
        line = (
            f"{count(ledger.files)} of {count(self._totals.entries)} entries, "
            f"{size(ledger.live_bytes)} of {size(self._totals.bytes)}, "
            f"{count(ledger.files / seconds)} entries/s, {size(ledger.live_bytes / seconds)}/s"
        )
        sys.stderr.write(f"\r\033[K{line}" if self._terminal else f"{line}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """The line is complete."""
        if self._terminal:
            sys.stderr.write("\n")
