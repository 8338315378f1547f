# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a tree that nobody has: entries that stand for many files each."""

from __future__ import annotations

import os
import random
import sqlite3
from typing import Sequence

from ansible_collections.scaleout.ingest.plugins.module_utils.plan.cost import FILE_COST, RATE
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, plan

from ..benchmarks.memory import PER_DIRECTORY, write_index

ITEMS = 2000  # files of a shard
LARGE = 1 << 37  # bytes: entries above are large files
RANGE = 1 << 33


def write_plan(
    folder: str, files: int, each: int, hosts: Sequence[str], split: str, seed: int
) -> str:
    """Plan a tree of so many files, ``each`` of them in one entry: its size is what they cost. Some
    of 20,000 entries is one large file. Returns the plan's path."""
    index = os.path.join(folder, "index")
    entries = max(PER_DIRECTORY, files // each // PER_DIRECTORY * PER_DIRECTORY)
    write_index(index, entries)
    dice = random.Random(seed)
    mean = each * (FILE_COST * RATE + 150_000)

    def size() -> int:
        if dice.random() < 1 / 20_000:
            return LARGE + int(dice.paretovariate(1.2) * LARGE / 4)
        return int(dice.lognormvariate(0, 1.0) / 1.65 * mean)

    for name in sorted(os.listdir(index)):
        with sqlite3.connect(os.path.join(index, name)) as db:
            db.create_function("size", 0, size)
            db.execute("UPDATE raw_entries SET size=size()")
            db.execute("UPDATE raw_entries SET blocks=size/512")
    path = os.path.join(folder, "plan.db")
    limits = Limits(max(1, ITEMS // each), 1 << 50, LARGE, RANGE)
    plan(index, path, hosts, split, limits=limits, source="/s", destinations=["/d"])
    return path
