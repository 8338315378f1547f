# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command prime: count what a tree holds, and read it, to warm a cluster's cache."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import NoReturn

from ..core.errors import IngestError
from ..core.paths import display
from ..core.units import BUCKETS, count, size
from ..scan.prime import SKIP, WHOLE, Counts, Part, prime

_USAGE = """Usage: prime --directory DIRECTORY [options]
"""
_HELP = (
    _USAGE
    + """
Counts the files, directories and bytes below DIRECTORY, in parallel.

  --directory DIR  the tree
  --workers N      workers; by default one a processor, and 16 a processor
                   (at most 64) on a network mount
  --interval S     seconds between lines of progress; 0: none (default 10)
  --read           read every file once, to warm a cache
  --part I/N       read only part I of N (from 1), the same on every machine:
                   N machines with parts 1/N to N/N read everything once
  --skip NAME      leave out entries of this name, instead of .snapshot and
                   .zfs; can be given several times; '' leaves out nothing
  -h, --help       show this text

Symbolic links are not followed. Exit status: 0 all is well, 1 something could
not be listed or read (each is named), 2 usage or a missing directory.
"""
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}\n{_USAGE}")
        raise SystemExit(2)

    def format_help(self) -> str:
        return _HELP


def parse_part(text: str) -> Part:
    """``2/8`` as the second of eight parts. Raises ValueError."""
    number, slash, of = text.partition("/")
    if not slash or not 1 <= int(number) <= int(of):
        raise ValueError(text)
    return Part(int(number) - 1, int(of))


def _positive(text: str) -> int:
    if not 1 <= int(text) <= 1024:
        raise ValueError(text)
    return int(text)


class _Progress:
    """Lines of progress on the standard error."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next = time.monotonic() + interval

    def __call__(self, counts: Counts) -> None:
        if self._interval and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._interval
            sys.stderr.write(f"{line(counts)}\n")
            sys.stderr.flush()


def line(counts: Counts) -> str:
    """The counts in one line."""
    seconds = max(counts.seconds, 1e-3)
    text = (
        f"{count(counts.files)} files, {count(counts.directories)} directories, "
        f"{size(counts.bytes)} found"
    )
    if counts.files_read:
        text += (
            f"; {count(counts.files_read)} files, {size(counts.bytes_read)} read, "
            f"{size(counts.bytes_read / seconds)}/s"
        )
    return text + f" in {counts.seconds:.1f} s"


def table(directory: bytes, counts: Counts) -> str:
    """The counts as the command prints them."""
    seconds = max(counts.seconds, 1e-3)
    rows = [
        ("directory", display(directory)),
        ("files", str(counts.files)),
        ("directories", str(counts.directories)),
        ("others", str(counts.others)),
        ("bytes", str(counts.bytes)),
        ("items", str(counts.items)),
        (f"items / {BUCKETS}", str(counts.per_process)),
    ]
    if counts.files_read:
        rows += [
            ("files read", f"{counts.files_read} ({counts.files_read / seconds:.0f}/s)"),
            ("bytes read", f"{counts.bytes_read} ({size(counts.bytes_read / seconds)}/s)"),
        ]
    rows += [("seconds", f"{counts.seconds:.1f}"), ("errors", f"{len(counts.failures)}")]
    return "".join(f"{name:12} {value}\n" for name, value in rows)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = _Parser(prog="prime")
    parser.add_argument("--directory", required=True)
    parser.add_argument("--workers", type=_positive)
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--read", action="store_true")
    parser.add_argument("--part", type=parse_part, default=WHOLE)
    parser.add_argument("--skip", action="append")
    options = parser.parse_args(arguments)
    directory = os.fsencode(options.directory)
    skip = SKIP if options.skip is None else frozenset(os.fsencode(s) for s in options.skip if s)
    try:
        counts = prime(
            directory,
            options.workers or "auto",
            options.read,
            options.part,
            skip,
            _Progress(options.interval),
        )
    except (IngestError, OSError) as error:
        sys.stderr.write(f"prime: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    for failure in counts.failures:
        sys.stderr.write(
            f"prime: {display(failure.path) or '.'}: {failure.operation}: {failure.message}\n"
        )
    sys.stdout.write(table(directory, counts))
    return 1 if counts.failures else 0
