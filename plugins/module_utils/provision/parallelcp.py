# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command parallelcp: copy a tree with many workers, on one machine."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from ..copy.tree import check_apart, copy_tree
from ..core.errors import IngestError
from ..core.paths import display
from ..core.vocabulary import PRESERVE

USAGE, MISSING, NOT_WRITABLE, FAILED = 1, 2, 3, 4
_USAGE = "\nUsage: %s [-j JOBS] [--no-preserve] [-v] SOURCE_DIR DEST_DIR\n\n"
_HELP = """Copies everything below SOURCE_DIR into DEST_DIR, which is made if it is missing.

  -j, --jobs JOBS  workers; by default one a processor, and 16 a processor
                   (at most 64) where one of the two is a network mount
  --no-preserve    leave modes, owners, times and attributes to the system
                   (by default all of them are kept, and hard links, too)
  -v, --verbose    say at the end what was copied
  -h, --help       show this text

Exit status: 0 all is there, 1 usage, 2 a directory is missing or unusable,
3 DEST_DIR is not writable, 4 something could not be copied (each is named).
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}\n{_USAGE % self.prog}")
        raise SystemExit(USAGE)

    def format_help(self) -> str:
        return _USAGE % self.prog + _HELP


def _jobs(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1024:
        raise ValueError(text)
    return number


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = _Parser(prog=os.path.basename(sys.argv[0]) or "parallelcp")
    parser.add_argument("-j", "--jobs", type=_jobs)
    parser.add_argument("--no-preserve", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("directories", nargs="*")
    options = parser.parse_args(arguments)
    if len(options.directories) != 2:
        parser.error("two directories are needed")
    source, destination = (os.fsencode(path) for path in options.directories)

    def refuse(status: int, what: str, path: bytes, why: str) -> int:
        sys.stderr.write(f"{what} directory {display(path)} {why}\n")
        sys.stderr.write(_USAGE % parser.prog)
        return status

    if not os.path.isdir(source):
        return refuse(MISSING, "Source", source, "does not exist, or is not a directory")
    try:
        os.makedirs(destination, exist_ok=True)
    except OSError as error:
        why = f"does not exist, or is not a directory ({error.strerror})"
        return refuse(MISSING, "Destination", destination, why)
    if not os.access(destination, os.W_OK | os.X_OK):
        return refuse(
            NOT_WRITABLE, "Destination", destination, "is not writeable, or is not a directory"
        )
    preserve = frozenset(("sparse",) if options.no_preserve else PRESERVE)
    try:
        check_apart(source, destination)
    except IngestError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return MISSING
    try:
        result = copy_tree(source, destination, options.jobs or "auto", preserve)
    except (IngestError, OSError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return 130
    for failure in result.failures:
        sys.stderr.write(
            f"{parser.prog}: {display(failure.path)}: {failure.operation}: {failure.message}\n"
        )
    for kind, (count, path, reason) in sorted(result.losses.kinds.items()):
        sys.stderr.write(
            f"{parser.prog}: not kept: {kind} of {count} entries, the first is {display(path)}: "
            f"{reason}\n"
        )
    if result.removed:
        sys.stderr.write(
            f"{parser.prog}: removed {result.removed} unfinished files that a killed run had left\n"
        )
    if options.verbose:
        sys.stdout.write(
            f"{result.files} files and {result.bytes} bytes copied, {result.skipped} were there, "
            f"{len(result.failures)} failed, in {result.seconds:.1f} s\n"
        )
    return FAILED if result.failures else 0
