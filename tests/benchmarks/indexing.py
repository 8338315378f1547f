# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast two processes write an index of Linux's source: for a manifest, and for queries."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any

from . import measure
from .measure import ROOT, Result

LEAST = 200_000  # entries/s
_SCAN = """
import json, os, sys, time
from ansible_collections.scaleout.ingest.plugins.module_utils.index.earlier import Earlier
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.coordinator import scan
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.options import ScanOptions
source, folder, sums, old, mode = sys.argv[1:]
earlier = Earlier.of(old, mode, (), 0.0) if old else None
options = ScanOptions(
    os.fsencode(source), folder, workers=2, sums=bool(sums), links=bool(sums), earlier=earlier
)
begun = time.perf_counter()
totals = scan(options)
print(json.dumps([totals.entries + totals.directories, time.perf_counter() - begun]))
"""


def rates(tree: str, folder: str, rounds: int) -> list[Result]:
    """The best of some scans of each kind, by turns."""
    first = os.path.join(folder, "scan-index")
    kinds: dict[str, tuple[str, str, str, str]] = {
        "manifest": (os.path.join(folder, "scan-manifest"), "", "", ""),
        "index": (first, "yes", "", ""),
        "index, changed": (os.path.join(folder, "scan-changed"), "yes", first, "changed"),
        "index, directories": (os.path.join(folder, "scan-names"), "yes", first, "directories"),
    }
    best: dict[str, float] = {}
    for dummy in range(rounds):
        for kind, (output, *rest) in kinds.items():
            command = [sys.executable, "-c", _SCAN, tree, output, *rest]
            answer: list[Any] = json.loads(
                measure.run(command, env=measure.environment(ROOT)).output
            )
            best[kind] = max(best.get(kind, 0.0), answer[0] / answer[1])
    for output, *_rest in kinds.values():
        shutil.rmtree(output)
    results = []
    for kind, rate in best.items():
        print(f"  scan for {kind}: {rate:,.0f} entries/s with two processes", flush=True)
        limit = 1.0 if kind in ("manifest", "index") else None
        results.append(Result(f"scan for {kind}: s for 200,000 entries", LEAST / rate, limit))
    return results
