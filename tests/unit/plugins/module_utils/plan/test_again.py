# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan is gone on with, and one that was reported is over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import (
    Counts,
    ShardResult,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import queries, results
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.again import conclude, go_on
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, plan
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.tests.support.indexes import scan


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PlanStore]:
    """A plan of ten files for two hosts."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(10):
        (tree / str(number)).write_bytes(b"x" * number)
    scan(str(tree), str(tmp_path / "index"))
    path = str(tmp_path / "plan.db")
    plan(str(tmp_path / "index"), path, ["one", "two"], limits=Limits(items=1))
    with PlanStore.open(path) as made:
        yield made


def do_one(player: Dispatcher) -> None:
    claimed = player.claim(1).claimed[0]
    player.record([ShardResult(claimed.header.id, {b"/d": (Counts(files=1), 0.1)}, [])])


def test_other_hosts_take_part_and_the_plan_stays(store: PlanStore) -> None:
    do_one(Dispatcher(store, "one", 60))
    before = results.shards_done(store)
    made = go_on(store, ["two", "three"])
    assert (made.files, made.shards) == (10, before[1])
    assert store.meta()["hosts"] == ["one", "two", "three"] and store.meta()["resumed"] == 1
    assert results.shards_done(store) == before
    player = Dispatcher(store, "three", 60)
    player.start()
    assert queries.has_begun(store, "three")
    go_on(store, ["one"])
    assert store.meta()["hosts"] == ["one", "two", "three"] and store.meta()["resumed"] == 2


def test_the_time_between_counts_nowhere(store: PlanStore) -> None:
    first = Dispatcher(store, "one", 60)
    first.start()
    do_one(first)
    # As if that had been a day ago.
    day = 86_400
    store.db.execute("UPDATE shards SET claimed=claimed-?, finished=finished-?", (day, day))
    store.db.execute("UPDATE hosts SET heartbeat=heartbeat-?, started=started-?", (day, day))
    go_on(store, ["one", "two"])
    again = Dispatcher(store, "one", 60)
    again.start()
    do_one(again)
    times, hosts = results.times(store)
    assert times.copy < day / 2 and hosts["one"].copy < day / 2
    assert results.idle(store.meta(), 0, 1e12) > day - 3600


def test_a_reported_plan_is_one_file(store: PlanStore) -> None:
    path = store.path
    store.close()
    conclude(path)
    folder = os.path.dirname(path)
    assert [name for name in os.listdir(folder) if name.startswith("plan.db")] == ["plan.db"]
    with PlanStore.open(path, readonly=True) as seen:
        assert seen.meta()["reported"] > 0


def test_who_is_at_work(store: PlanStore) -> None:
    players = {name: Dispatcher(store, name, 60) for name in ("one", "two")}
    for player in players.values():
        player.start()
    assert queries.hosts_at_work(store) == set()
    claimed = players["two"].claim(1).claimed
    assert queries.hosts_at_work(store) == {"two"}
    players["one"].claim(1)
    assert queries.hosts_at_work(store) == {"one", "two"}
    players["two"].record(
        ShardResult(each.header.id, {b"/d": (Counts(), 0.1)}, []) for each in claimed
    )
    assert queries.hosts_at_work(store) == {"one"}
