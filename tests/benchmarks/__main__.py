# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: the targets for speed and memory, measured here and now; exit status 1 if one is
missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, ".collections")]

from tests.benchmarks import (  # noqa: E402
    clients,
    copying,
    differing,
    dispatching,
    indexing,
    latency,
    measure,
    memory,
    methods,
    searching,
    source,
    tiering,
)
from tests.benchmarks.measure import Result  # noqa: E402

PARTS = ("copy", "latency", "methods", "playbook", "plan", "dispatch", "client", "index", "tier")
BY_NAME = ("hosts",)  # sixteen SSH hosts: only if it is asked for


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of: {' '.join(PARTS + BY_NAME)}")
    parser.add_argument("--rounds", type=int, default=5, help="of the race of the copiers")
    parser.add_argument(
        "--files", type=int, default=0, help="of glibc's source for 'latency'; 0: all"
    )
    parser.add_argument(
        "--beside", default="", help="another checkout, for 'copy': before and after"
    )
    parser.add_argument("--memory-folder", default="/dev/shm", help="a tmpfs with 6 GB of space")
    parser.add_argument(
        "--json", default=os.path.join(ROOT, "runs", "bench.json"), help="the results"
    )
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="measure with real-time priority, which gives fair"
        " figures on a busy machine, at its other processes' cost (root)",
    )
    options = parser.parse_args()
    unknown = set(options.parts) - {*PARTS, *BY_NAME}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    load = os.getloadavg()[0]
    if options.realtime:
        measure.PREFIX[:] = ["chrt", "--rr", "1"]
    elif load > 0.5:
        print(
            f"the load average is {load:.1f}: wall times on a busy machine say little", flush=True
        )
    folder = tempfile.mkdtemp(prefix="bench-", dir=options.memory_folder)
    results: list[Result] = []
    try:
        if {"copy", "methods", "playbook", "index"} & set(options.parts):
            tree = source.linux_tree(os.path.join(options.memory_folder, "bench"))
        if "copy" in options.parts:
            results += copying.race(tree, folder, options.rounds, options.beside)
        if "latency" in options.parts:
            part = source.glibc_tree(os.path.join(options.memory_folder, "bench"), options.files)
            results += latency.slow_file_system(part, folder)
        if "methods" in options.parts:
            results += methods.two_phase_rsync(tree, folder, min(options.rounds, 3))
            results += methods.parallelcp(folder, options.rounds)
        if "playbook" in options.parts:
            results += clients.playbook(tree, folder)
        if "hosts" in options.parts:
            part = source.glibc_tree(os.path.join(options.memory_folder, "bench"))
            results += clients.over_ssh(part, folder)
        if "plan" in options.parts:
            results += memory.plan_ten_million(folder)
        if "dispatch" in options.parts:
            results += dispatching.claims(folder)
        if "tier" in options.parts:
            results += tiering.moves(folder, min(options.rounds, 3))
        if "client" in options.parts:
            results += memory.client_of_a_million(folder)
        if "index" in options.parts:
            results += indexing.rates(tree, folder, options.rounds)
            results += searching.beside_find(tree, folder)
            results += searching.ten_million(folder)
            results += differing.two_generations(folder)
    finally:
        shutil.rmtree(folder)
    return report(results, options.json, load)


def report(results: list[Result], file: str, load: float) -> int:
    """Print the table of targets, write the JSON; 1 if a target is missed."""
    print("\n%-64s %12s %12s" % ("target", "measured", "at most"))
    for result in results:
        if result.limit is None:
            print("%-64s %12s" % (result.name, result.text(result.value)))
        else:
            verdict = "" if result.met else "   MISSED"
            print(
                "%-64s %12s %12s%s"
                % (result.name, result.text(result.value), result.text(result.limit), verdict)
            )
    machine = {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load": load,
        "python": platform.python_version(),
    }
    document: dict[str, Any] = {
        "time": time.time(),
        "machine": machine,
        "results": [r.as_json() for r in results],
    }
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=2)
    print(f"\nwritten to {file}")
    return 0 if all(result.met for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
