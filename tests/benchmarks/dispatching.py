# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a claim and a look cost with a million shards for a thousand hosts."""

from __future__ import annotations

import os
import statistics
import time

from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import (
    Counts,
    ShardResult,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import (
    HostState,
    Kind,
    Phase,
    ShardState,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore

from .measure import Result

SHARDS, HOSTS, ROUNDS = 1_000_000, 1000, 200
LIMIT = 5.0  # ms


def write_plan(path: str, count: int, hosts: list[str]) -> None:
    """A plan of ``count`` shards, round robin, half of them of the second pass."""
    payload = shards.pack([shards.line(b"d", ['["name",33188,0,0,1,1,0]'], 1)])
    store = PlanStore.create(path + ".part")
    db = store.db
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO hosts(name, number, state) VALUES (?, ?, ?)",
        [(host, number, HostState.PLANNED) for number, host in enumerate(hosts)],
    )
    half = count // 2
    insert = (
        "INSERT INTO shards(id, phase, kind, host, mount, items, files, bytes, cost, state, first, "
        "last, of) VALUES (?, ?, ?, ?, 0, 1, 1, 1, 1.0, ?, 'd/name', 'd/name', ?)"
    )
    for phase, kind, first in ((Phase.DATA, Kind.COPY, 1), (Phase.CHECK, Kind.VERIFY, half + 1)):
        db.executemany(
            insert,
            (
                (
                    first + n,
                    phase,
                    kind,
                    hosts[n % len(hosts)],
                    ShardState.PENDING,
                    1 + n if kind == Kind.VERIFY else None,
                )
                for n in range(half)
            ),
        )
    db.executemany("INSERT INTO payloads VALUES (?, ?)", ((1 + n, payload) for n in range(half)))
    store.count_parts()
    db.execute("COMMIT")
    store.publish(path)


def claims(folder: str) -> list[Result]:
    """Claims of one shard, their ends, looks of a host that has nothing left, progress lines."""
    path = os.path.join(folder, "plan.db")
    hosts = [f"host{number}" for number in range(HOSTS)]
    print(f"planning {SHARDS:,} shards for {HOSTS:,} hosts", flush=True)
    write_plan(path, SHARDS, hosts)
    spent: dict[str, list[float]] = {"claim": [], "end": [], "look": [], "progress": []}
    with PlanStore.open(path) as store:
        players = [Dispatcher(store, host, 1e9) for host in hosts]
        for player in players:
            player.start()
        idle = players[0]
        while True:
            work = idle.claim(1 << 20)
            if not work.claimed:
                break
            idle.record(
                ShardResult(c.header.id, {b"/d": (Counts(), 0.1)}, []) for c in work.claimed
            )
        for n in range(ROUNDS):
            player = players[1 + n % (HOSTS - 1)]
            marks = [time.perf_counter()]
            work = player.claim(1)
            marks.append(time.perf_counter())
            result = ShardResult(work.claimed[0].header.id, {b"/d": (Counts(files=1), 0.1)}, [])
            player.record([result])
            marks.append(time.perf_counter())
            if idle.claim(1).claimed:
                raise RuntimeError("a host that has nothing left was given something")
            marks.append(time.perf_counter())
            player.shares()
            marks.append(time.perf_counter())
            for name, before, after in zip(spent, marks, marks[1:]):
                spent[name].append(after - before)
    os.unlink(path)
    names = {
        "claim": "a claim",
        "end": "the end of a shard",
        "look": "a look that finds nothing",
        "progress": "a progress line",
    }
    return [
        Result(
            f"{names[name]}, {SHARDS:,} shards, {HOSTS:,} hosts",
            statistics.median(values) * 1000,
            LIMIT if name in ("claim", "look") else None,
            "ms",
        )
        for name, values in spent.items()
    ]
