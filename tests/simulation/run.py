# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One simulation: a plan, hosts, and what came of it."""

from __future__ import annotations

import random

from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore

from .fleet import Fleet, Outcome
from .tree import write_plan

SPEEDS = (0.25, 0.5, 1.0, 1.0, 1.0, 2.0)  # of which each host has one, and a tenth more or less


def simulate(
    folder: str, hosts: int, files: int, each: int, split: str, seed: int, deaths: float
) -> Outcome:
    """Run it; ``each`` entry stands for so many files, ``deaths`` is the part of the hosts that
    die. Everything is drawn from the seed."""
    dice = random.Random(seed)
    names = [f"host{number:04d}" for number in range(hosts)]
    speeds = {name: dice.choice(SPEEDS) * dice.uniform(0.9, 1.1) for name in names}
    path = write_plan(folder, files, each, names, split, seed)
    with PlanStore.open(path) as store:
        store.db.execute("PRAGMA synchronous=OFF")  # of the disk nothing is asked here
        (work,) = store.db.execute("SELECT sum(cost) FROM shards WHERE of IS NULL").fetchone()
        about = work / sum(speeds.values())
        dying = dice.sample(names, int(hosts * deaths))
        when = {name: dice.uniform(0.05, 1.0) * about for name in dying}
        return Fleet(store, speeds, when).run()
