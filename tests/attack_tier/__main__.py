# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves the files of two pools to and fro under the hands of those who use them.

Usage: python -m tests.attack_tier [--minutes M] [--seed N]. As root, with mergerfs, in a checkout.

Each round makes two disks and their union, lets some processes read, write, map, append, truncate,
rename, link, remove, lock and run files there, and others move all of them from pool to pool,
killed at random in half of the rounds. No byte that a user was told is written may be missing, no
path may, and what kills left is mended by the next mover.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", ".collections"))

from ..support import trees  # noqa: E402
from ..support.union import Pools, why_not  # noqa: E402
from .storm import Storm  # noqa: E402


def main() -> int:
    """Exit status 0 if every round was as promised."""
    parser = argparse.ArgumentParser(prog="attack_tier")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, default=30, help="of a round")
    parser.add_argument("--rounds", type=int, default=1 << 30)
    parser.add_argument("--kills", choices=["yes", "no", "both"], default="both")
    parser.add_argument(
        "--best-effort",
        action="store_true",
        help="without leases, and without users who hold files open: what is lost is counted",
    )
    options = parser.parse_args()
    reason = why_not()
    if reason:
        print(reason)
        return 1
    end = time.monotonic() + options.minutes * 60
    rounds = failed = 0
    while time.monotonic() < end and rounds < options.rounds:
        seed = options.seed + rounds
        dice = random.Random(seed)
        kills = dice.random() < 0.5 if options.kills == "both" else options.kills == "yes"
        mount = dice.choice(["cache.files=off", "cache.files=partial", "cache.files=auto-full"])
        mount += dice.choice(["", ",threads=2"])
        print(f"seed {seed}: {mount}{', with kills' if kills else ''}", flush=True)
        folder = tempfile.mkdtemp(prefix="ingest-tier-", dir="/var/tmp")
        with Pools(folder, options=mount) as pools:
            pause = dice.choice([0.002, 0.01, 0.05])
            leased = not options.best_effort
            storm = Storm(pools, seed, kills=kills, leased=leased, pause=pause)
            wrong = storm.run(options.seconds)
        trees.remove(os.fsencode(folder))
        rounds += 1
        failed += bool(wrong)
        print(f"  {dict(storm.outcomes)} killed {storm.killed} mended {dict(storm.mended)}")
        for why, count in storm.whys.most_common():
            print(f"    {count} {why}")
        for line in wrong:
            print(f"  WRONG: {line}", flush=True)
    print(f"{rounds - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
