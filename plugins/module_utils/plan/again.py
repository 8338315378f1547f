# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that was not brought to its end is gone on with."""

from __future__ import annotations

import time
from typing import Sequence

from ..core.vocabulary import HostState
from .planner import Plan
from .queries import number_of_shards, shares
from .store import PlanStore


def go_on(store: PlanStore, hosts: Sequence[str]) -> Plan:
    """Make a plan ready for these hosts: those that it does not know take part from now on, and the
    time in which nobody worked on it is known. Returns what was planned."""
    now = time.time()
    with store.transaction() as db:
        meta = store.meta()
        (last,) = db.execute(
            "SELECT max(max(coalesce(heartbeat, 0), coalesce(finished, 0))) FROM hosts"
        ).fetchone()
        breaks = meta.get("breaks", [])
        if last:
            breaks.append([min(last, now), now])
        known = meta["hosts"]
        new = [host for host in hosts if host not in known]
        db.executemany(
            "INSERT INTO hosts(name, number, state) VALUES (?, ?, ?)",
            [(host, len(known) + at, HostState.PLANNED) for at, host in enumerate(new)],
        )
        store.set_meta(hosts=known + new, breaks=breaks, resumed=meta.get("resumed", 0) + 1)
    return Plan(
        meta["items"],
        meta["files"],
        meta["directories"],
        meta["bytes"],
        meta["right"],
        number_of_shards(store),
        {host: share._asdict() for host, share in shares(store).items()},
    )


def conclude(path: str) -> None:
    """The run of the plan at ``path`` was reported: one that is done is over. Raises IngestError
    and sqlite3.Error."""
    with PlanStore.open(path) as store:
        store.set_meta(reported=time.time())
        store.put_away()
