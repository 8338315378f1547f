# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``ingest-find --diff`` does: tells what differs between two indexes."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from typing import NoReturn

from ..core.atomic import written
from ..core.errors import IngestError
from ..core.units import count
from ..difference.compare import CHANGES, Difference, Options
from ..difference.output import FORMATS, add, empty_counts, pair, summary
from ..index.generations import find
from ..index.gufi_reader import root_of
from ..index.migrated import memory_beside
from ..search.functions import user
from ..search.guard import check_trust
from ..search.source import source_of

USAGE = 2
_USAGE = "Usage: ingest-find --diff [options] [OLD] NEW\n"
_HELP = (
    _USAGE
    + """
Tells what was added (+), removed (-), changed (~) and moved (>) between two
indexes: folders of an index, of its generations, or of a run. Without OLD the
last two generations in NEW are compared.

  --fields A,B     what makes a difference, such as size,mtime
  --no-moves       what was moved is removed here and added there
  --own-moves      tell what policies moved between pools, too
  --only A,B       tell only these: added, removed, changed, moved
  --counts         tell only how many there are
  --json           a JSON object a line
  -0               only the paths, a NUL behind each
  -o FILE          write to FILE, which is there when all is in it
  -n PROCESSES     how many compare at once (by default one a processor)
  --trust          read indexes even if others may write to them
  -h, --help       show this text

Exit status: 0 compared, 1 not compared, 2 usage.
"""
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}\n{_USAGE}")
        raise SystemExit(USAGE)

    def format_help(self) -> str:
        return _HELP


def _parser() -> _Parser:
    parser = _Parser(prog="ingest-find", allow_abbrev=False)
    parser.add_argument("--fields", type=_words)
    parser.add_argument("--no-moves", dest="moves", action="store_false", default=None)
    parser.add_argument("--own-moves", action="store_true")
    parser.add_argument("--only", type=_words, default=list(CHANGES))
    parser.add_argument("--counts", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("-0", dest="null", action="store_true")
    parser.add_argument("-o", dest="output")
    parser.add_argument("-n", dest="processes", type=int, default=0)
    parser.add_argument("--trust", action="store_true")
    parser.add_argument("indexes", nargs="+")
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def run(words: list[str]) -> int:
    """Compare, tell; returns the exit status. Raises IngestError."""
    parser = _parser()
    options = parser.parse_args(words)
    if len(options.indexes) > 2:
        parser.error("there are more than two indexes")
    for word in options.only:
        if word not in CHANGES:
            parser.error(f"--only: '{word}' is not one of {', '.join(CHANGES)}")
    if options.json and options.null:
        parser.error("only one of -0 and --json can be")
    if options.processes < 0:
        parser.error(f"-n: {options.processes} is negative")
    old, new = pair(options.indexes[0] if options.indexes[1:] else None, options.indexes[-1])
    if not options.trust:
        _check(old, new)
    fields = tuple(options.fields) if options.fields else None
    asked = Options(old, new, fields, options.moves, options.processes, own_moves=options.own_moves)
    with Difference(asked) as difference:
        for warning in difference.warnings:
            sys.stderr.write(f"ingest-find: {warning}\n")
        _tell(difference, options)
    return 0


def _tell(difference: Difference, options: argparse.Namespace) -> None:
    encode = FORMATS["json" if options.json else "null" if options.null else "text"]
    only, counts = frozenset(options.only), empty_counts()
    with ExitStack() as stack:
        stream = sys.stdout.buffer
        if options.output:
            stream = stack.enter_context(written(options.output, binary=True))
        for change in difference.changes():
            add(counts, change)
            if change.change in only and not options.counts:
                stream.write(encode(change))
        if options.counts:
            stream.write("".join(f"{line}\n" for line in summary(counts)).encode())
    if difference.own_moves:
        sys.stderr.write(
            f"ingest-find: left out {count(difference.own_moves)} files that policies moved "
            "between pools\n"
        )


def _check(*folders: str) -> None:
    for folder in folders:
        memory = memory_beside(find(folder)) if root_of(folder) is None else None
        try:
            check_trust([*source_of(folder).trusted, *([memory] if memory else [])], user)
        except IngestError as error:
            raise IngestError(f"{error}; with --trust it is read all the same") from error
