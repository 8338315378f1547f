# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an index of ten million entries, and one of Linux's source, answers in which time."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.index.rows import Totals
from ansible_collections.scaleout.ingest.plugins.module_utils.index.sums import Direct
from ansible_collections.scaleout.ingest.plugins.module_utils.index.writer import (
    Completion,
    PartWriter,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import executables
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import coordinator
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.options import ScanOptions
from ansible_collections.scaleout.ingest.plugins.module_utils.search.engine import ask
from ansible_collections.scaleout.ingest.plugins.module_utils.search.guard import Limits
from ansible_collections.scaleout.ingest.plugins.module_utils.search.language import parse
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import (
    IndexSource,
    Source,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.search.where import find

from . import measure
from .measure import Result

ENTRIES, PER_DIRECTORY, PARTS, ROUNDS = 10_000_000, 20, 2, 3
NOW = 1_800_000_000 * 10**9
DAY = 86_400 * 10**9
COUNT = "SELECT COUNT(*) FROM pentries WHERE uid=0 AND gid=0"
PATHS = (
    'SELECT path() || (CASE type WHEN "d" THEN "" ELSE "/" || name END) FROM pentries'
    " WHERE uid= 0 AND gid=0"
)


def synthetic(folder: str, entries: int = ENTRIES) -> None:
    """An index of so many files, 20 in a directory, in two parts; one file in 100,000 is large."""
    context = multiprocessing.get_context("fork")
    with context.Pool(PARTS) as pool:
        finished = pool.starmap(_part, [(folder, n, entries // PARTS) for n in range(PARTS)])
    completion = Completion(folder, PARTS)
    completion.sum_up()
    scanned = NOW // 10**9
    meta = {"source": "/synthetic", "sums": True, "started": scanned, "finished": scanned}
    completion.finish(finished, meta)


def _part(folder: str, number: int, entries: int) -> tuple[Totals, bool]:
    writer = PartWriter(folder, number, sums=True)
    if number == 0:
        top = (0, 1, 1, 0o40755, 0, 0, 3, 8, NOW, NOW, NOW, 0, 0, 0, 0, entries, 1, 0, 0, 0, 0)
        writer.record(
            (writer.next_id(), 0, b"", b"", *top, b"", 0, 0, 0, None, *Direct().row()), None
        )
    for directory in range(entries // PER_DIRECTORY):
        _directory(writer, number, directory)
    return writer.finish()


def _directory(writer: PartWriter, number: int, count: int) -> None:
    own = writer.next_id()
    rows: list[tuple[Any, ...]] = []
    user = count % 50
    for at in range(PER_DIRECTORY):
        file = count * PER_DIRECTORY + at
        size = (file * 2_654_435_761) % 100_000
        if file % 100_000 == 77_777:
            size += 1 << 31
        time_of = NOW - (file * 40_503 % 1000) * DAY
        name = b"file-%09d.dat" % file
        rest = (0, time_of, time_of, time_of, 0, 4096)
        rows.append(
            (0, own, name, "f", file, 1, 33188, 1, user, user, size, size // 512 + 1, *rest)
        )
    size = sum(row[10] for row in rows)
    totals = Totals(files=len(rows), entries=len(rows), bytes=size)
    first, last = writer.store(rows, totals)
    direct = Direct()
    direct.add(rows, len(rows), 0)
    path = b"part%d-%07d" % (number, count)
    stat = (own, 1, 0o40755, user, user, 2, 8, NOW, NOW, NOW)
    sums = (len(rows), len(rows), size, size, 0, first, last, 0, 0, 0)
    row = (own, 64, path, path, 1, *stat, *sums, path, 4096, 4096, 0, None, *direct.row())
    writer.record(row, None)


def best(act: Any) -> float:
    """The shortest of some runs, in s."""
    times = []
    for dummy in range(ROUNDS):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return min(times)


def drained(source: Source, query: str) -> int:
    """Ask, and take all rows; returns how many."""
    return sum(map(len, ask(source, query, Limits(PARTS)).rows))


def ten_million(folder: str) -> list[Result]:
    """Sums over all entries, and a condition that few meet."""
    place = os.path.join(folder, "synthetic")
    os.makedirs(place, mode=0o755)
    synthetic(place)
    source = IndexSource(place)
    total = "SELECT count(*), sum(size), max(mtime) FROM pentries"
    groups = "SELECT uid, count(*), sum(size) FROM pentries GROUP BY uid ORDER BY 3 DESC"
    large = "SELECT path() || '/' || name FROM pentries WHERE size > 1073741824"
    where = parse("size > 1G and age(mtime) > 90d")

    def found() -> None:
        sum(map(len, find(source, where, Limits(PARTS), now=NOW).rows))

    everything = "SELECT path() || '/' || name FROM pentries WHERE size + 0 > 1073741824"
    assert drained(source, large) == drained(source, everything) > 50
    return [
        Result("10M entries: sums over all", best(lambda: drained(source, total)), 3.0),
        Result("10M entries: by owner", best(lambda: drained(source, groups))),
        Result("10M entries: files above 1 GiB, by SQL", best(lambda: drained(source, large)), 0.5),
        Result("10M entries: files above 1 GiB, by a condition", best(found), 0.5),
    ]


def beside_find(tree: str, folder: str) -> list[Result]:
    """The note's two queries, and find on the same tree, in turns."""
    place = os.path.join(folder, "linux")
    os.makedirs(place, mode=0o755)
    options = ScanOptions(os.fsencode(tree), place, PARTS, sums=True)
    coordinator.scan(options, None)
    command = os.path.join(folder, "ingest-find")
    with open(command, "wb") as stream:
        stream.write(executables.build("ingest-find", sys.executable))
    os.chmod(command, 0o755)
    source = IndexSource(place)
    look = ["find", tree, "-uid", "0", "-gid", "0", "-not", "-type", "d"]
    found: list[Result] = []
    for name, query in (("count", COUNT), ("paths", PATHS)):
        runs: dict[str, list[measure.Run]] = {"find": [], "command": []}
        within: list[float] = []
        for dummy in range(2 * ROUNDS):
            runs["find"].append(measure.run(look))
            runs["command"].append(measure.run([command, "-n", str(PARTS), "-E", query, place]))
            begun = time.perf_counter()
            drained(source, query)
            within.append(time.perf_counter() - begun)
        least = {key: min(run.seconds for run in every) for key, every in runs.items()}
        details = {"find": least["find"], "command": least["command"], "engine": min(within)}
        share = f"Linux's source: the note's {name}, of find's time,"
        found += [
            Result(f"{share} the engine", min(within) / least["find"], 0.05, "", details),
            Result(f"{share} the whole command", least["command"] / least["find"], None, ""),
        ]
    return found
