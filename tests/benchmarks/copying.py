# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine against its peers, on one tree in memory, in turns."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from typing import Callable, NamedTuple

from ..support.compare import compare_trees
from .measure import PREFIX, ROOT, Result, engine, environment, run

TREE, PIPELINE, BESIDE = "copy engine", "scan + plan + copy", " (beside)"
PEERS = {
    # name: (Debian's package, most of ours as a part of the peer's time)
    "cp -a": ("coreutils", 0.8),
    "rsync -a": ("rsync", 1.0),
    "fpsync -n 2": ("fpart", 1.0),
    "rclone copy": ("rclone", 1.0),
    "find | xargs -P2 cp -p": ("findutils", 1.0),
}


class Contender(NamedTuple):
    """``run`` copies what is in the source into the destination, which ``prepare`` made (not
    timed)."""

    name: str
    prepare: Callable[[str], object]
    run: Callable[[str], object]


def contenders(source: str, folder: str, beside: str) -> list[Contender]:
    """Ours, that of another checkout if ``beside`` names one, and all peers that are installed."""
    state = os.path.join(folder, "state")

    def ours(*more: str, checkout: str = ROOT) -> Callable[[str], object]:
        command = (source, os.path.join(state, "run"))
        return lambda to: run(
            engine(*command, to, *more, checkout=checkout), env=environment(checkout)
        )

    def rclone(to: str) -> object:
        return run(
            [
                "rclone",
                "--config",
                "/dev/null",
                "copy",
                "--links",
                "--metadata",
                "--transfers",
                "8",
                source,
                to,
            ]
        )

    def parents(to: str) -> None:
        os.makedirs(to)
        _mkdirs(source, to)

    def xargs(to: str) -> None:
        found = subprocess.Popen(
            [*PREFIX, "find", ".", "!", "-type", "d", "-print0"], cwd=source, stdout=subprocess.PIPE
        )
        run(
            ["xargs", "-0", "-P2", "-n", "500", "cp", "-P", "-p", "--parents", "-t", to],
            cwd=source,
            stdin=found.stdout,
        )
        found.wait()

    every = [Contender(TREE, os.makedirs, ours("--tree")), Contender(PIPELINE, os.makedirs, ours())]
    if beside:
        every += [
            Contender(TREE + BESIDE, os.makedirs, ours("--tree", checkout=beside)),
            Contender(PIPELINE + BESIDE, os.makedirs, ours(checkout=beside)),
        ]
    every += [
        Contender("cp -a", os.makedirs, lambda to: run(["cp", "-a", source + "/.", to])),
        Contender("rsync -a", os.makedirs, lambda to: run(["rsync", "-a", source + "/", to])),
        Contender(
            "fpsync -n 2",
            os.makedirs,
            lambda to: run(
                ["fpsync", "-n", "2", "-t", os.path.join(state, "fpsync"), source + "/", to + "/"]
            ),
        ),
        Contender("rclone copy", os.makedirs, rclone),
        Contender("find | xargs -P2 cp -p", parents, xargs),
    ]
    programs = {"fpsync -n 2": "fpsync", "rclone copy": "rclone", "rsync -a": "rsync"}
    found = []
    for contender in every:
        program = programs.get(contender.name, "cp")
        if shutil.which(program):
            found.append(contender)
        else:
            print(f"left out: {contender.name}: apt-get install {PEERS[contender.name][0]}")
    return found


def _mkdirs(source: str, to: str) -> None:
    for at, names, _files in os.walk(source):
        for name in names:
            path = os.path.join(at, name)
            if not os.path.islink(path):
                os.mkdir(os.path.join(to, os.path.relpath(path, source)))


def race(source: str, folder: str, rounds: int, beside: str = "") -> list[Result]:
    """Copy in turns A B C A B C; medians, and the ratios of ours to each peer's."""
    print("copying %s, %d rounds in turn" % (source, rounds), flush=True)
    field = contenders(source, folder, beside)
    seconds: dict[str, list[float]] = {contender.name: [] for contender in field}
    processor: dict[str, list[float]] = {contender.name: [] for contender in field}
    for number in range(rounds):
        for contender in field:
            to = os.path.join(folder, "copy")
            contender.prepare(to)
            begun, before = time.perf_counter(), os.times()
            contender.run(to)
            after = os.times()
            seconds[contender.name].append(time.perf_counter() - begun)
            processor[contender.name].append(sum(after[2:4]) - sum(before[2:4]))
            if number == 0 and contender.name in (TREE, PIPELINE):
                found = compare_trees(os.fsencode(source), os.fsencode(to))
                if found:
                    raise RuntimeError(f"{contender.name}: the copy differs: {found[:5]}")
            shutil.rmtree(to)
            shutil.rmtree(os.path.join(folder, "state"), ignore_errors=True)
        print(
            "  round %d: %s"
            % (number + 1, "  ".join("%s %.2f" % (n, s[-1]) for n, s in seconds.items())),
            flush=True,
        )
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    results = [
        Result(f"wall time: {name}", medians[name], details={"seconds": values})
        for name, values in seconds.items()
    ]
    results += [
        Result(f"processor time: {name}", statistics.median(values))
        for name, values in processor.items()
    ]
    for name, (_package, limit) in PEERS.items():
        if name in medians:
            results.append(
                Result(f"ratio: {TREE} / {name}", medians[TREE] / medians[name], limit, "")
            )
    for ours in (TREE, PIPELINE):
        if ours + BESIDE in medians:
            # Round by round, as the machine's speed drifts.
            pairs = [a / b for a, b in zip(seconds[ours], seconds[ours + BESIDE])]
            results.append(Result(f"ratio: {ours} / beside", statistics.median(pairs), None, ""))
    for name in PEERS:
        if name in medians:
            results.append(
                Result(f"ratio: {PIPELINE} / {name}", medians[PIPELINE] / medians[name], None, "")
            )
    return results
