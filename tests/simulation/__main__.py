# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make simulate``: a thousand hosts and a billion files on the real planner and dispatch, with a
clock that is set from event to event.

Entries of the tree stand for many files, shards are as many as in a real run. Speeds, sizes, what
is thought of them and what is true, and deaths are drawn from the seed. Exit status 1 if the fleet
took longer than it may, or a promise was broken.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, ".collections")]

from tests.simulation.run import simulate  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--files", type=int, default=1_000_000_000)
    parser.add_argument("--each", type=int, default=500, help="files that an entry stands for")
    parser.add_argument("--deaths", type=float, default=0.02, help="the part of the hosts that die")
    parser.add_argument("--split", default="round_robin")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=1.03, help="times the lower bound")
    options = parser.parse_args()
    print(
        f"{options.hosts:,} hosts, {options.files:,} files, split {options.split}, "
        f"seed {options.seed}",
        flush=True,
    )
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ingest-simulation-") as folder:
        done = simulate(
            folder,
            options.hosts,
            options.files,
            options.each,
            options.split,
            options.seed,
            options.deaths,
        )
    hours = options.hosts * done.seconds / 3600
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"makespan {done.seconds:,.0f} s, lower bound {done.bound:,.0f} s: "
        f"{done.seconds / done.bound:.4f} of it, at most {options.limit}\n"
        f"{done.dead} hosts died; {done.taken:,} shards were taken over, {done.cut:,} cut\n"
        f"claims and results: {done.controller / hours * 1000:.1f} ms of a processor for each host "
        f"and hour, {done.controller / max(1, done.calls) * 1000:.2f} ms a call\n"
        f"memory of this process, which is the controller and all hosts: {memory:,.0f} MB\n"
        f"the simulation took {time.monotonic() - begun:,.0f} s"
    )
    return int(done.seconds > options.limit * done.bound)


if __name__ == "__main__":
    sys.exit(main())
