# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ingest-find: ask an index what a tree holds, without walking the tree."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from contextlib import ExitStack, closing
from typing import IO, Any, Callable, Dict, List, NoReturn

from ..core.errors import IngestError
from ..core.units import count, size
from ..search import output, reports, where
from ..search.engine import Answer, ask, explain
from ..search.functions import user
from ..search.guard import Limits, check_trust, limit_memory
from ..search.language import parse, size_of
from ..search.mistake import Mistake, hint
from ..search.source import Source, source_of

USAGE, FAILED = 2, 1
_USAGE = """Usage: ingest-find [options] -E SQL INDEX
       ingest-find [options] --where CONDITION INDEX
       ingest-find [options] --report NAME INDEX
       ingest-find --diff [options] [OLD] NEW
       ingest-find --tiers FILE [--explain POLICY | --which PATH]
"""
_HELP = (
    _USAGE
    + """
Answers from INDEX, the folder of an index or of its generations, or of a run,
what is in the tree that was scanned, and touches the tree itself not at all.

  -E SQL           a query on entries, pentries, everything, summary, tree; the
                   answer is that over the whole index
  --where COND     what meets a condition, as find prints it, such as
                   'size > 1G and age(mtime) > 90d and name ~ "*.bam"'
  --class NAME=COND
                   a condition with a name, for --where; can be repeated
  --report NAME    sizes, ages, users, types, largest, newest or duplicates
  --limit N        rows of a report (default 20)
  --diff           what differs between two indexes; --diff --help tells more
  --tiers FILE     what tiering policies would move; --tiers --help tells more
  --explain        say what would be asked, how the database would do it, and
                   for --where how many entries and bytes it finds

  -n THREADS       how many at once (by default one a processor)
  -d DELIMITER     what stands between columns (by default a tab)
  -0               a NUL behind each row, and names as they are
  --json           a JSON object a line
  --csv            CSV with a heading
  -o FILE          write to FILE, which is there when all is in it
  --per-thread     with -o: FILE.0, FILE.1, …, one for each of -n
  --time-limit S   end a query after S seconds (default: never)
  --memory-limit SIZE
                   how much memory a query may have (default 2G)
  --trust          read an index even if others may write to it
  -a, -B SIZE      of bdm-search: taken, and not needed
  -h, --help       show this text

In lines a value that would be taken for something else (a name with a newline,
or with the delimiter) is written as shells read it: $'a\\nb'.

Exit status: 0 answered, 1 not answered, 2 usage or a wrong query.
"""
)


def _difference(words: list[str]) -> int:
    from . import ingest_diff

    return ingest_diff.run(words)


def _tiers(words: list[str]) -> int:
    from . import ingest_tiers

    return ingest_tiers.run(words)


# A word that asks in another way, which is given the other words; only then its code is loaded.
WAYS: Dict[str, Callable[[List[str]], int]] = {"--diff": _difference, "--tiers": _tiers}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}\n{_USAGE}")
        raise SystemExit(USAGE)

    def format_help(self) -> str:
        return _HELP


def _parser() -> _Parser:
    parser = _Parser(prog="ingest-find", allow_abbrev=False)
    parser.add_argument("-n", dest="threads", type=_number)
    parser.add_argument("-B", dest="buffer")
    parser.add_argument("-a", dest="all", action="store_true")
    parser.add_argument("-d", dest="delimiter", default="\t")
    parser.add_argument("-o", dest="output")
    parser.add_argument("--per-thread", action="store_true")
    parser.add_argument("-0", dest="null", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--csv", action="store_true")
    parser.add_argument("-E", dest="sql")
    parser.add_argument("--where")
    parser.add_argument("--class", dest="classes", action="append", default=[])
    parser.add_argument("--report")
    parser.add_argument("--limit", type=_number, default=20)
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("--time-limit", type=float, default=0.0)
    parser.add_argument("--memory-limit", default="2G")
    parser.add_argument("--trust", action="store_true")
    parser.add_argument("index")
    return parser


def _number(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to 1000000")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    for word, way in WAYS.items():
        if word in words:
            return _quiet(way, [other for other in words if other != word])
    return _quiet(_run, words)


def _quiet(act: Callable[[List[str]], int], words: list[str]) -> int:
    """Do it; who stops reading, or presses Ctrl-C, hears no more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        status = act(words)
        sys.stdout.flush()
        return status
    except Mistake as error:
        sys.stderr.write(f"ingest-find: {error}\n")
        return USAGE
    except IngestError as error:
        sys.stderr.write(f"ingest-find: {error}\n")
        return FAILED
    except MemoryError:
        sys.stderr.write("ingest-find: the query needs more memory than it may have\n")
        return FAILED
    except BrokenPipeError:
        # Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        sys.stderr.write(f"ingest-find: {error.filename or 'output'}: {error.strerror}\n")
        return FAILED
    except KeyboardInterrupt:
        return 128 + _stopped[-1]


_stopped = [int(signal.SIGINT)]


def _stop(number: int, frame: Any) -> NoReturn:
    _stopped.append(number)
    raise KeyboardInterrupt


def _run(words: list[str]) -> int:
    parser = _parser()
    options = parser.parse_args(words)
    asked = [name for name in ("sql", "where", "report") if getattr(options, name) is not None]
    if len(asked) != 1:
        parser.error("one of -E, --where and --report is needed")
    if options.null + options.json + options.csv > 1:
        parser.error("only one of -0, --json and --csv can be")
    if options.per_thread and not options.output:
        parser.error("--per-thread needs -o")
    if options.report is not None and options.report not in reports.REPORTS:
        known = ", ".join(reports.REPORTS)
        said = hint(options.report, reports.REPORTS)
        parser.error(f"there is no report '{options.report}': {known}{said}")
    if not options.time_limit >= 0:
        parser.error("--time-limit: no query takes less than 0 s")
    limit_memory(size_of(options.memory_limit, "--memory-limit"))
    source = source_of(options.index)
    if not options.trust:
        try:
            check_trust(list(source.trusted), user)
        except IngestError as error:
            raise IngestError(f"{error}; with --trust it is read all the same") from error
    if options.explain:
        _explain(source, options)
        return 0
    if options.report is not None:
        return _report(source, options)
    answer = _answer(source, options)
    with closing(answer.rows):  # type: ignore[type-var]
        _write(answer, options)
    return 0


def _limits(options: argparse.Namespace) -> Limits:
    threads = options.threads or len(os.sched_getaffinity(0))
    return Limits(min(threads, 64), options.time_limit)


def _answer(source: Source, options: argparse.Namespace) -> Answer:
    if options.sql is not None:
        return ask(source, options.sql, _limits(options))
    detailed = options.json or options.csv
    columns = tuple(where.COLUMNS) if detailed else ("path",)
    return where.find(source, _condition(options), _limits(options), columns)


def _condition(options: argparse.Namespace) -> Any:
    classes = {}
    for text in options.classes:
        name, equals, condition = text.partition("=")
        if not equals or not name.strip():
            raise IngestError(f"--class: '{text}' is not of the form NAME=CONDITION")
        classes[name.strip()] = condition
    return parse(options.where, classes)


def _format(columns: list[str], options: argparse.Namespace, terminal: bool) -> output.Format:
    delimiter = os.fsencode(options.delimiter)
    if options.json:
        return output.json_lines(columns)
    if options.csv:
        return output.comma_separated(columns)
    return output.null(delimiter) if options.null else output.lines(delimiter, terminal)


def _write(answer: Answer, options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        streams: list[IO[bytes]] = [sys.stdout.buffer]
        if options.output:
            names = [options.output]
            if options.per_thread:
                names = [f"{options.output}.{n}" for n in range(_limits(options).threads)]
            streams = [stack.enter_context(output.result_file(name)) for name in names]
        terminal = not options.output and sys.stdout.isatty()
        formats = [_format(answer.columns, options, terminal) for each in streams]
        if options.csv:
            for stream, written in zip(streams, formats):
                stream.write(written([]))
        for batch in answer.rows:
            for number, (stream, written) in enumerate(zip(streams, formats)):
                stream.write(written(batch[number :: len(streams)]))


def _report(source: Source, options: argparse.Namespace) -> int:
    report = reports.REPORTS[options.report]
    answer = ask(source, report.query.format(limit=options.limit), _limits(options))
    rows = reports.labelled(report, [row for batch in answer.rows for row in batch])
    named = Answer(list(report.names), iter([rows]))
    if options.json or options.csv or options.null or options.output:
        _write(named, options)
    else:
        width = shutil.get_terminal_size().columns
        sys.stdout.write(reports.table(report, rows, width))
    return 0


def _explain(source: Source, options: argparse.Namespace) -> None:
    said: list[str] = []
    if options.where is not None:
        counted = where.count(source, _condition(options), _limits(options))
        asked, final, plans = counted.asked, "", counted.plans
        said = [f"Found: {count(counted.entries)} entries, {size(counted.bytes)} in files"]
    else:
        text = options.sql
        if options.report is not None:
            text = reports.REPORTS[options.report].query.format(limit=options.limit)
        asked, final, plans = explain(source, text)
    parts = count(len(source.parts))
    groups = [(f"Each of {parts} parts is asked:", asked)]
    groups.append(("Their answers are asked:", [final] if final else []))
    groups.append(("The database does that so:", plans))
    for title, texts in groups:
        if texts:
            sys.stdout.write("\n  ".join([title, *texts]) + "\n")
    sys.stdout.write("".join(f"{line}\n" for line in said))
