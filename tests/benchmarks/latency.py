# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies where each call takes a millisecond longer, as a file server's do, at this machine's own
speed.

Source and destination lie on a FUSE file system that passes everything through (tests/faults) and
counts the calls. Each contender runs with several numbers of workers; its best one counts.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import Callable, NamedTuple, Sequence

from ..faults.mounts import faultfs
from ..support.compare import KINDS, compare_trees
from .measure import Result, engine, environment, run

DELAY = 1000  # µs
REMEMBER = 1.0  # s, the default of FUSE
OURS, PIPELINE = "parallelcp", "scan + plan + copy + second pass"
AT_LEAST = 1.5  # times as fast as the best of the others
_XARGS = "cd %s && find . ! -type d -print0 | xargs -0 -P %d -n 50 %s"


class Contender(NamedTuple):
    """``command`` copies a source into an existing directory with a number of workers."""

    name: str
    workers: Sequence[int]
    command: Callable[[str, str, int], list[str]]
    peer: bool = True
    made: bool = False


def _contenders(state: str) -> list[Contender]:
    def ours(source: str, to: str, workers: int) -> list[str]:
        return engine(source, state, to, "--tree", "--workers", str(workers))

    def pipeline(source: str, to: str, workers: int) -> list[str]:
        return engine(
            source, os.path.join(state, "run"), to, "--options", '{"workers": %d}' % workers
        )

    def rsyncs(source: str, to: str, workers: int) -> list[str]:
        return ["sh", "-c", _XARGS % (source, workers, f'sh -c \'rsync -aR "$@" "$0"\' {to}')]

    def parents(source: str, to: str, workers: int) -> list[str]:
        return ["sh", "-c", _XARGS % (source, workers, f"cp -p -P --parents -t {to}")]

    def fpsync(source: str, to: str, workers: int) -> list[str]:
        folder = os.path.join(state, "fpsync")
        return ["fpsync", "-n", str(workers), "-f", "200", "-t", folder, source + "/", to + "/"]

    many = (16, 32, 64)
    return [
        Contender(OURS, (32, 64, 128), ours, False),
        Contender(PIPELINE, (32, 64, 128), pipeline, False),
        Contender("find | xargs -P rsync -aR", many, rsyncs),
        Contender("find | xargs -P cp -p --parents", many, parents, made=True),
        Contender("fpsync", many, fpsync),
    ]


def slow_file_system(tree: str, folder: str) -> list[Result]:
    """Copy a tree with all; the ratios of their best times."""
    print("copying %s where each call takes %d µs longer" % (tree, DELAY), flush=True)
    best: dict[str, tuple[float, int, dict[str, int]]] = {}
    files = sum(len(names) for _at, _below, names in os.walk(tree))
    backing, mount = os.path.join(folder, "backing"), os.path.join(folder, "slow")
    os.makedirs(backing)
    with faultfs(os.fsencode(backing), os.fsencode(mount), threads=160, remember=REMEMBER) as slow:
        os.mkdir(os.path.join(backing, "source"))
        run(["cp", "-a", tree + "/.", os.path.join(backing, "source")])
        source = os.path.join(mount, "source")
        for contender in _contenders(os.path.join(folder, "state")):
            for number, workers in enumerate(contender.workers):
                # Each has a name of its own: the kernel remembers the last one's entries for a
                # while.
                name = "%s-%d" % (contender.name.split()[-1], number)
                behind, to = os.path.join(backing, name), os.path.join(mount, name)
                os.mkdir(behind)
                if contender.made:  # its processes would stand in each other's way
                    _make_directories(os.path.join(backing, "source"), behind)
                slow.tell("clear")
                slow.tell("delay=%d" % DELAY)
                begun = time.perf_counter()
                run(contender.command(source, to, workers), env=environment())
                seconds = time.perf_counter() - begun
                calls = slow.calls()
                slow.tell("clear")
                print(
                    "  %-34s %3d workers %7.2f s  %5.1f calls a file"
                    % (contender.name, workers, seconds, sum(calls.values()) / files),
                    flush=True,
                )
                if contender.name not in best or seconds < best[contender.name][0]:
                    best[contender.name] = seconds, workers, calls
                _check(os.path.join(backing, "source"), behind, contender)
                shutil.rmtree(behind)
                shutil.rmtree(os.path.join(folder, "state"), ignore_errors=True)
    return _results(best, files, [c.name for c in _contenders("") if c.peer])


def _make_directories(source: str, to: str) -> None:
    for at, below, _names in os.walk(source):
        for name in below:
            os.mkdir(os.path.join(to, os.path.relpath(os.path.join(at, name), source)))


def _check(source: str, to: str, contender: Contender) -> None:
    """All that ours promise must be right; of the others the contents."""
    ignore = KINDS - {"type", "contents", "missing"} if contender.peer else frozenset()
    found = compare_trees(os.fsencode(source), os.fsencode(to), ignore=ignore)
    if found:
        raise RuntimeError(f"{contender.name}: the copy differs: {found[:5]}")


def _results(
    best: dict[str, tuple[float, int, dict[str, int]]], files: int, peers: list[str]
) -> list[Result]:
    results = [
        Result(
            "1 ms a call: %s, %d workers" % (name, workers),
            seconds,
            details={"calls": calls, "files": files},
        )
        for name, (seconds, workers, calls) in best.items()
    ]
    fastest = min(best[name][0] for name in peers)
    for ours, limit in ((OURS, 1 / AT_LEAST), (PIPELINE, None)):
        results.append(
            Result(
                f"1 ms a call, ratio: {ours} / the best of the others",
                best[ours][0] / fastest,
                limit,
                "",
            )
        )
    return results
