# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks real runs at random, and judges whether "all right" was true.

Usage: python -m tests.attack [--minutes M] [--seed N] [--keep FOLDER]. As root, in a checkout.

Each round builds a tree, starts the playbook on it, and lets some of these loose: a killer of the
controller or of any process of the run, a changer of the source, somebody who moves directories of
the destination away or puts links in their place, a second run at the same moment. What then must
hold: a run that exits 0 has brought everything that stood still; nothing outside the destination
is ever written; no shard is two hosts' at once, and none is claimed before what it needs is done;
when all is quiet, one more run brings everything, exactly, and another one changes nothing; and
nothing of ours is left in the destination or beside it.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time

from .storm import Storm
from .world import World


def round_of(seed: int, base: str) -> list[str]:
    """One round; what was wrong."""
    dice = random.Random(seed)
    folder = os.path.join(base, f"round{seed}")
    world = World(folder, dice)
    storm = Storm(world, dice)
    print(f"round {seed}: {storm.plan}", flush=True)
    wrong = storm.run()
    wrong += storm.settle()
    if not wrong:
        world.remove()
    return wrong


def main() -> int:
    """Exit status 0 if every round was as promised."""
    parser = argparse.ArgumentParser(prog="attack")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rounds", type=int, default=1 << 30)
    parser.add_argument("--keep", help="where the rounds that went wrong stay")
    options = parser.parse_args()
    base = options.keep or tempfile.mkdtemp(prefix="ingest-attack-", dir="/var/tmp")
    os.makedirs(base, exist_ok=True)
    end = time.monotonic() + options.minutes * 60
    rounds = failed = 0
    while time.monotonic() < end and rounds < options.rounds:
        wrong = round_of(options.seed + rounds, base)
        rounds += 1
        failed += bool(wrong)
        for line in wrong:
            print(f"  WRONG: {line}", flush=True)
    print(f"{rounds - failed} passed, {failed} failed; what went wrong is in {base}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
