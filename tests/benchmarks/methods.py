# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The article's other methods: two-phase rsync against fpsync twice, parallelcp against the
article's script."""

from __future__ import annotations

import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from typing import Callable

from ..support.compare import compare_trees
from .measure import Result, engine, environment, run

OURS, PEER = "method rsync, both phases (scan, plan and check included)", "fpsync -n 8, twice"
GLIBC = "/usr/src/glibc/glibc-*.tar.xz"
SHARE = 10  # the article's script gets one in so many directories
# The end of the article's script; it takes names apart, so the trees' names must have no space.
ARTICLE = r"""
find $SOURCE_DIR -mindepth 1 -type d -print0 | sed -z "s/$SOURCE_DIR\///" |
  parallel --will-cite -j225 -0 "mkdir -p $DEST_DIR/{}"
find $SOURCE_DIR -mindepth 1 ! -type d -print0 | sed -z "s/$SOURCE_DIR\///" |
  parallel --will-cite -j225 -0 "cp -P $SOURCE_DIR/{} $DEST_DIR/{}"
"""


def timed(what: Callable[[], object]) -> float:
    """How long it takes, in s."""
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


def two_phase_rsync(tree: str, folder: str, rounds: int) -> list[Result]:
    """The pipeline with method rsync against what people do with fpsync, in turns."""
    for program in ("rsync", "fpsync"):
        if not shutil.which(program):
            print(f"left out: {PEER}: apt-get install rsync fpart")
            return []
    to, state = os.path.join(folder, "copy"), os.path.join(folder, "state")
    options = json.dumps({"method": "rsync"})

    def ours() -> None:
        run(engine(tree, state, to, "--options", options), env=environment())

    def peer() -> None:
        for _time in range(2):
            run(["fpsync", "-n", "8", "-t", state, tree + "/", to + "/"])

    print("two-phase rsync of %s, %d rounds in turn" % (tree, rounds), flush=True)
    seconds: dict[str, list[float]] = {OURS: [], PEER: []}
    for number in range(rounds):
        for name, contender in ((OURS, ours), (PEER, peer)):
            os.makedirs(to)
            os.makedirs(state)
            seconds[name].append(timed(contender))
            if number == 0 and name == OURS:
                _must_be_equal(tree, to)
            shutil.rmtree(to)
            shutil.rmtree(state)
        print(
            "  round %d: %s" % (number + 1, "  ".join("%.2f" % s[-1] for s in seconds.values())),
            flush=True,
        )
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        *(
            Result(f"wall time: {name}", value, details={"seconds": seconds[name]})
            for name, value in medians.items()
        ),
        Result(f"ratio: method rsync / {PEER}", medians[OURS] / medians[PEER], 0.9, ""),
    ]


def parallelcp(folder: str, rounds: int) -> list[Result]:
    """The installed command on all of glibc's source; the article's script on a tenth of it."""
    archives = sorted(glob.glob(GLIBC))
    if not archives or not shutil.which("parallel"):
        print(
            "left out: parallelcp against the article's script: apt-get install glibc-source "
            "parallel"
        )
        return []
    with tarfile.open(archives[-1]) as archive:
        archive.extractall(folder)
    source = next(
        path for path in glob.glob(os.path.join(folder, "glibc-*")) if os.path.isdir(path)
    )
    part, to = os.path.join(folder, "part"), os.path.join(folder, "copy")
    files = sum(len(names) for _at, _dirs, names in os.walk(source))
    some = take_part(source, part)
    command = _install(folder)
    print("parallelcp: %d files; the article's script: %d of them" % (files, some), flush=True)
    ours = []
    for number in range(rounds):
        ours.append(timed(lambda: run([command, source, to])))
        if not number:
            _must_be_equal(source, to)
        shutil.rmtree(to)
    os.makedirs(to)
    # Relative: with an absolute source the script copies nothing and exits with 0.
    article = timed(
        lambda: run(
            ["bash", "-c", ARTICLE],
            cwd=folder,
            env={**os.environ, "SOURCE_DIR": "part", "DEST_DIR": "copy"},
            stdin=subprocess.DEVNULL,
        )
    )
    shutil.rmtree(to)
    whole = article * files / some
    mine = statistics.median(ours)
    return [
        Result("wall time: parallelcp, glibc", mine, details={"seconds": ours, "files": files}),
        Result(
            "wall time: the article's script, %d of the files" % some,
            article,
            details={"files": some},
        ),
        Result("wall time: the article's script, all files (from that part)", whole),
        Result("ratio: parallelcp / the article's script", mine / whole, 1 / 50, ""),
    ]


def take_part(source: str, part: str) -> int:
    """Copy every tenth directory's files; returns how many."""
    count = 0
    for number, (at, _dirs, names) in enumerate(sorted(os.walk(source))):
        if number % SHARE == 0:
            to = os.path.join(part, os.path.relpath(at, source))
            os.makedirs(to, exist_ok=True)
            for name in names:
                shutil.copy2(os.path.join(at, name), to, follow_symlinks=False)
                count += 1
    return count


def _install(folder: str) -> str:
    """Build the command as the role ingestor does."""
    path = os.path.join(folder, "parallelcp")
    code = (
        "import sys; from ansible_collections.scaleout.ingest.plugins.module_utils.provision "
        "import executables\n"
        "open(sys.argv[1], 'wb').write(executables.build('parallelcp', sys.executable))"
    )
    run([sys.executable, "-c", code, path], env=environment())
    os.chmod(path, 0o755)
    return path


def _must_be_equal(source: str, copy: str) -> None:
    found = compare_trees(os.fsencode(source), os.fsencode(copy))
    if found:
        raise RuntimeError(f"the copy differs: {found[:5]}")
