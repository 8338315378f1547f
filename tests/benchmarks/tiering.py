# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files from one storage pool to another: the safe move against cp, sync, mv and rm, in turns."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from typing import Any, Callable

from ..support.union import Pools, why_not
from .measure import PREFIX, ROOT, Result, run

TREES = {"small files": (20_000, 4096), "large files": (8, 40 << 20)}
TARGET = 0.6  # of the rate of cp and mv
_MODULE = (
    "import sys, runpy; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module("
    "'ansible_collections.scaleout.ingest.plugins.modules.tier_migrate', run_name='__main__')"
)


def fill(pool: bytes, number: int, size: int) -> list[dict[str, Any]]:
    """Files with their candidates' records."""
    block = os.urandom(size)
    records = []
    for at in range(number):
        folder = os.path.join(pool, b"d%d" % (at % 20))
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, b"file%d" % at)
        with open(path, "wb") as file:
            file.write(block)
        found = os.lstat(path)
        known = [found.st_dev, found.st_ino, size, found.st_mtime_ns, found.st_ctime_ns]
        records.append({"paths": [os.fsdecode(os.path.relpath(path, pool))], "known": known})
    os.sync()
    return records


def _ours(pools: Pools, records: list[dict[str, Any]], folder: str) -> None:
    listed = os.path.join(folder, "list")
    with open(listed, "w", encoding="ascii") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    names = {"fast": pools.fast, "slow": pools.slow}
    arguments = {
        "path": os.fsdecode(pools.union),
        "driver": "union",
        "list": listed,
        "workers": "2",
        "source": {"name": "fast", "path": os.fsdecode(names["fast"])},
        "target": {"name": "slow", "path": os.fsdecode(names["slow"])},
    }
    done = subprocess.run(
        [
            *PREFIX,
            sys.executable,
            "-c",
            _MODULE,
            os.path.join(ROOT, ".collections"),
            json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    answer = json.loads(done.stdout)
    if answer.get("moved") != len(records):
        raise RuntimeError(f"not everything was moved: {answer}")


def _theirs(pools: Pools, records: list[dict[str, Any]], folder: str) -> None:
    """cp -a beside, brought to the disk, renamed into place, and the old ones removed."""
    fast, slow = os.fsdecode(pools.fast), os.fsdecode(pools.slow)
    run(["cp", "-a", fast + "/.", slow + "/beside"])
    run(["sync", "-f", slow])
    for name in os.listdir(slow + "/beside"):
        run(["mv", f"{slow}/beside/{name}", slow])
    run(["find", fast, "-mindepth", "1", "-delete"])


def moves(folder: str, rounds: int) -> list[Result]:
    """Rates of both, and their ratio, by the size of the files."""
    reason = why_not()
    if reason:
        print(f"left out: tiering: {reason}")
        return []
    results: list[Result] = []
    for title, (number, size) in TREES.items():
        ways: dict[str, Callable[..., None]] = {"move": _ours, "cp, sync, mv, rm": _theirs}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _round in range(rounds):
            for way, act in ways.items():
                place = os.path.join(folder, "pools")
                os.makedirs(place)
                with Pools(place, megabytes=600, options="cache.files=off") as pools:
                    records = fill(pools.fast, number, size)
                    begun = time.perf_counter()
                    act(pools, records, folder)
                    seconds[way].append(time.perf_counter() - begun)
                shutil.rmtree(place)
        medians = {way: statistics.median(values) for way, values in seconds.items()}
        for way, value in medians.items():
            results.append(Result(f"{title}: {way}, files a second", number / value, None, ""))
            rate = number * size / value / 1e6
            results.append(Result(f"{title}: {way}, MB/s", rate, None, ""))
        ratio = medians["cp, sync, mv, rm"] / medians["move"]
        results.append(
            Result(f"{title}: rate of the move / theirs (wanted: {TARGET})", ratio, None, "")
        )
    return results
