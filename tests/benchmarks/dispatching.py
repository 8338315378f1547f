# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a claim and a look cost with a million shards for a thousand hosts."""

from __future__ import annotations

import os
import statistics
import time
from typing import Any, Callable

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
        "last, of, waits) VALUES (?, ?, ?, ?, 0, 1, 1, 1, 1.0, ?, 'd/name', 'd/name', ?, ?)"
    )
    for phase, kind, first in ((Phase.DATA, Kind.COPY, 1), (Phase.CHECK, Kind.VERIFY, half + 1)):
        db.executemany(
            insert,
            (
                (
                    first + n,
                    phase,
                    kind,
                    hosts[(n + (kind == Kind.VERIFY)) % len(hosts)],
                    ShardState.WAITING if kind == Kind.VERIFY else ShardState.PENDING,
                    1 + n if kind == Kind.VERIFY else None,
                    int(kind == Kind.VERIFY),
                )
                for n in range(half)
            ),
        )
    db.executemany("INSERT INTO payloads VALUES (?, ?)", ((1 + n, payload) for n in range(half)))
    store.count_parts()
    db.execute("COMMIT")
    store.publish(path)


def claims(folder: str) -> list[Result]:
    """Looks of a host that has nothing left while the others have not begun; claims of one shard,
    their ends, progress lines; claims of that host, which then takes over."""
    path = os.path.join(folder, "plan.db")
    hosts = [f"host{number}" for number in range(HOSTS)]
    print(f"planning {SHARDS:,} shards for {HOSTS:,} hosts", flush=True)
    write_plan(path, SHARDS, hosts)
    names = {
        "look": "a look that finds nothing",
        "claim": "a claim",
        "end": "the end of a shard",
        "progress": "a progress line",
        "over": "a claim of another host's shard",
    }
    spent: dict[str, list[float]] = {name: [] for name in names}

    def timed(name: str, act: Callable[..., Any], *arguments: Any) -> Any:
        begun = time.perf_counter()
        found = act(*arguments)
        spent[name].append(time.perf_counter() - begun)
        return found

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
            if timed("look", idle.claim, 1).claimed:
                raise RuntimeError("a host that has nothing left was given something")
        for n in range(ROUNDS):
            player = players[1 + n % (HOSTS - 1)]
            work = timed("claim", player.claim, 1)
            result = ShardResult(work.claimed[0].header.id, {b"/d": (Counts(files=1), 0.1)}, [])
            timed("end", player.record, [result])
            timed("progress", player.shares)
        for n in range(ROUNDS):
            timed("over", idle.claim, 1)
    os.unlink(path)
    return [
        Result(
            f"{names[name]}, {SHARDS:,} shards, {HOSTS:,} hosts",
            statistics.median(values) * 1000,
            LIMIT if name in ("claim", "look", "over") else None,
            "ms",
        )
        for name, values in spent.items()
    ]
