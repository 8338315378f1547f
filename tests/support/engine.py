# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door from the tests of fidelity, the fault tests and the benchmarks to the engine.

As a script, for runs that are killed or run as another user: ``engine.py SOURCE RUN DEST...``,
which prints the result as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from typing import Any, NamedTuple, Sequence

if __name__ == "__main__":
    sys.path.insert(0, os.environ["INGEST_COLLECTIONS"])

from ansible_collections.scaleout.ingest.plugins.module_utils.copy import tree  # noqa: E402
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, plan  # noqa: E402
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.coordinator import scan  # noqa: E402
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.options import ScanOptions
from ansible_collections.scaleout.ingest.tests.support import pipeline  # noqa: E402


class Failed(NamedTuple):
    """One failed item."""

    path: bytes
    operation: str
    errno: int
    message: str


class Result(NamedTuple):
    """What a run says of itself. counts: files directories bytes skipped changed failed
    removed proved extra."""

    counts: dict[str, int]
    failures: list[Failed]
    losses: dict[str, int]
    extras: tuple[tuple[bytes, str], ...] = ()

    @property
    def errors(self) -> dict[bytes, list[tuple[str, int]]]:
        """The failures by path."""
        errors: dict[bytes, list[tuple[str, int]]] = {}
        for failed in self.failures:
            errors.setdefault(failed.path, []).append((failed.operation, failed.errno))
        return errors


def ingest(
    source: bytes,
    destinations: Sequence[bytes],
    run: str,
    limits: dict[str, int] = {},
    **options: Any,
) -> Result:
    """Scan, plan and copy; each call is a new run, its state in the folder ``run``."""
    os.makedirs(run, exist_ok=True)
    counts = pipeline.ingest(source, destinations, run, limits=Limits(**limits), **options)
    return Result(counts, _failures(run), _losses(run), _extras(run))


def _rows(file: str, query: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(file)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def _failures(run: str) -> list[Failed]:
    query = "SELECT CAST(path AS BLOB), operation, errno, message FROM "
    rows = _rows(os.path.join(run, "plan.db"), query + "failures")
    index = os.path.join(run, "index")
    for shard in sorted(os.listdir(index)):
        if shard.endswith(".db"):
            rows += _rows(os.path.join(index, shard), query + "errors")
    return [Failed(*row) for row in rows]


def _extras(run: str) -> tuple[tuple[bytes, str], ...]:
    """What the scan and the second pass found, by path."""
    query = "SELECT CAST(path AS BLOB), type FROM extras"
    rows = _rows(os.path.join(run, "plan.db"), query)
    index = os.path.join(run, "index")
    for shard in sorted(os.listdir(index)):
        if shard.endswith(".db"):
            rows += _rows(os.path.join(index, shard), query)
    return tuple(sorted(set(rows)))  # type: ignore[arg-type]


def _losses(run: str) -> dict[str, int]:
    rows = _rows(os.path.join(run, "plan.db"), "SELECT kind, sum(count) FROM losses GROUP BY kind")
    return dict(rows)  # type: ignore[arg-type]


def copy_tree(source: bytes, destination: bytes, workers: int = 0) -> Result:
    """Copy with the engine that needs no index."""
    found = tree.copy_tree(source, destination, workers or "auto", frozenset(PRESERVE))
    names = ("files", "directories", "bytes", "skipped", "changed", "removed")
    counts = {name: getattr(found, name) for name in names}
    losses = {kind: loss[0] for kind, loss in found.losses.kinds.items()}
    return Result(
        dict(counts, failed=len(found.failures)), [Failed(*f) for f in found.failures], losses
    )


def make_plan(index: str, file: str, split: str) -> int:
    """Plan an index for three clients; how many items."""
    return plan(index, file, ["one", "two", "three"], split, mounts=3).items


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=os.fsencode)
    parser.add_argument("run")
    parser.add_argument("destinations", type=os.fsencode, nargs="+")
    parser.add_argument("--options", default="{}", help="JSON")
    parser.add_argument("--tree", action="store_true", help="without an index")
    parser.add_argument("--workers", type=int, default=0, help="with --tree")
    parser.add_argument("--plan", action="store_true", help="only plan: INDEX PLAN SPLIT")
    parser.add_argument("--scan", action="store_true", help="only scan: SOURCE INDEX DEST")
    arguments = parser.parse_args()
    if arguments.scan:
        totals = scan(ScanOptions(arguments.source, arguments.run))
        sys.stdout.write(json.dumps(totals._asdict()))
        return 1 if totals.errors else 0
    if arguments.plan:
        items = make_plan(
            os.fsdecode(arguments.source), arguments.run, os.fsdecode(arguments.destinations[0])
        )
        sys.stdout.write(json.dumps(items))
        return 0
    if arguments.tree:
        result = copy_tree(arguments.source, arguments.destinations[0], arguments.workers)
    else:
        result = ingest(
            arguments.source, arguments.destinations, arguments.run, **json.loads(arguments.options)
        )
    fails = [[os.fsdecode(f.path), f.operation, f.errno, f.message] for f in result.failures]
    sys.stdout.write(
        json.dumps({"counts": result.counts, "failures": fails, "losses": result.losses})
    )
    return 1 if result.failures and arguments.tree else 0


if __name__ == "__main__":
    sys.exit(main())
