# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole playbook with three local clients, as `make ingest` runs it."""

from __future__ import annotations

import json
import os
import shutil
import sys

from ..support.compare import compare_trees
from .measure import ROOT, Result, engine, environment, run

OVER_ENGINE, SECOND = 12.0, 15.0


def playbook(source: str, folder: str) -> list[Result]:
    """Seconds over the engine's own time for the same tree, and a second run that changes
    nothing."""
    print("the playbook with three local clients", flush=True)
    state, to = os.path.join(folder, "state"), os.path.join(folder, "copy")
    os.makedirs(to)
    own = run(engine(source, os.path.join(state, "engine"), to), env=environment()).seconds
    shutil.rmtree(to)
    walls, stats = [], []
    for name in ("first", "second"):
        folder_of_run = os.path.join(state, name)
        variables = {"SRC": source, "DEST": to, "CLIENTS": "3", "RUN": folder_of_run}
        command = [sys.executable, os.path.join(ROOT, "tests", "tools", "ingest.py")]
        walls.append(run(command, env={**os.environ, **variables}, cwd=ROOT).seconds)
        with open(os.path.join(folder_of_run, "stats.json"), encoding="utf-8") as file:
            stats.append(json.load(file))
        print(f"  {name} run: {walls[-1]:.1f} s, the engine alone {own:.1f} s", flush=True)
    found = compare_trees(os.fsencode(source), os.fsencode(to))
    if found:
        raise RuntimeError(f"the playbook's copy differs: {found[:5]}")
    shutil.rmtree(to)
    shutil.rmtree(state)
    said = [
        {key: one.get(key) for key in ("files", "bytes", "skipped", "failed", "seconds")}
        for one in stats
    ]
    return [
        Result("playbook, three clients: whole run", walls[0], None, details=said[0]),
        Result("playbook, three clients: over the engine's own time", walls[0] - own, OVER_ENGINE),
        Result(
            "playbook, three clients: second run, nothing to do", walls[1], SECOND, details=said[1]
        ),
    ]
