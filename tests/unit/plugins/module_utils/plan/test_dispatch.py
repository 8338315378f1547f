# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do which shard when: plans of real trees, hosts played by hand."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import (
    Counts,
    Failure,
    ShardResult,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import queries
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, plan
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.tests.support.indexes import scan

HOSTS = ["one", "two", "three"]
LIMITS = Limits(items=2, range_threshold=1 << 20, range_size=1 << 20)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """An index of a tree with all kinds of shards."""
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    for number in range(12):
        (tree / "a" / ("file%d" % number)).write_bytes(b"x" * number)
    os.link(tree / "a" / "file1", tree / "a" / "b" / "link")
    (tree / "large").write_bytes(b"l" * (5 << 20))
    scan(str(tree), str(tmp_path / "index"))
    return str(tmp_path)


def make(folder: str, split: str = "round_robin", verify: str = "metadata") -> PlanStore:
    path = os.path.join(folder, "plan.db")
    plan(os.path.join(folder, "index"), path, HOSTS, split, limits=LIMITS, verify=verify)
    return PlanStore.open(path)


@pytest.fixture
def store(folder: str) -> Iterator[PlanStore]:
    connection = make(folder)
    yield connection
    connection.close()


def players(store: PlanStore, patience: float = 60.0) -> dict[str, Dispatcher]:
    return {host: Dispatcher(store, host, patience) for host in HOSTS}


def finish(dispatcher: Dispatcher, shards: list[int]) -> None:
    done = {b"/d": (Counts(files=1), 0.1)}
    dispatcher.record([ShardResult(shard, done, []) for shard in shards])


def everything(dispatcher: Dispatcher, absent: bool = False) -> list[int]:
    """Do all that a host gets."""
    done: list[int] = []
    while True:
        claimed = [entry.header.id for entry in dispatcher.claim(1, absent=absent).claimed]
        if not claimed:
            return done
        finish(dispatcher, claimed)
        done += claimed


def left(store: PlanStore) -> int:
    return store.db.execute("SELECT count(*) FROM shards WHERE state<>'done'").fetchone()[0]


def test_a_shard_waits_for_what_it_needs_and_for_nothing_else(store: PlanStore) -> None:
    hosts = players(store)
    for dispatcher in hosts.values():
        dispatcher.start()
    order: list[int] = []
    early = last = 0
    held: list[int] = []  # the last of the copy takes its time
    while left(store):
        for host, dispatcher in hosts.items():
            for entry in dispatcher.claim(1).claimed:
                phase, of = store.db.execute(
                    "SELECT phase, of FROM shards WHERE id=?", (entry.header.id,)
                ).fetchone()
                before = store.db.execute(
                    "SELECT count(*) FROM shards WHERE state<>'done' AND phase<?", (phase,)
                ).fetchone()[0]
                if phase in (4, 5):
                    assert not before
                early += phase == 6 and bool(before)
                if phase == 1 and host == "two" and not held:
                    held.append(entry.header.id)
                    continue
                if of:
                    copied = "SELECT state, claimed_by FROM shards WHERE id=?"
                    state, by = store.db.execute(copied, (of,)).fetchone()
                    assert state == "done" and by != host
                order.append(phase)
                finish(dispatcher, [entry.header.id])
        if len(order) == last:
            finish(hosts["two"], held)
        last = len(order)
    assert set(order) == {0, 1, 2, 3, 4, 6, 8}
    assert early


def test_a_large_file_does_not_wait_for_the_others(folder: str) -> None:
    """What is copied of it: prepared, then its ranges, then finished; small files meanwhile."""
    store = make(folder)
    hosts = players(store)
    for dispatcher in hosts.values():
        dispatcher.start()
    (prepare,) = hosts["one"].claim(1).claimed
    small = hosts["two"].claim(1).claimed
    assert (prepare.header.kind, small[0].header.kind) == ("prepare", "copy")
    finish(hosts["one"], [prepare.header.id])
    (first,) = hosts["three"].claim(1).claimed  # before its small files
    assert first.header.kind == "range"
    finish(hosts["three"], [first.header.id])
    kinds: list[str] = []
    while "finish" not in kinds:  # though a small file is still under way
        before = len(kinds)
        for dispatcher in hosts.values():
            for entry in dispatcher.claim(1).claimed:
                kinds.append(entry.header.kind)
                finish(dispatcher, [entry.header.id])
        assert len(kinds) > before
    store.close()


def test_a_host_without_work_takes_from_the_one_with_the_most_left(folder: str) -> None:
    for split in ("round_robin", "balanced"):
        store = make(folder, split, verify="none")
        hosts = players(store)
        for dispatcher in hosts.values():
            dispatcher.start()
        done = everything(hosts["one"])  # before the others have begun: only its own
        planned = dict(store.db.execute("SELECT id, host FROM shards").fetchall())
        assert done and {planned[shard] for shard in done} <= {"one", None}
        held = {
            host: [entry.header.id for entry in hosts[host].claim(1).claimed]
            for host in ("two", "three")
        }
        taken = everything(hosts["one"])
        assert taken and {planned[shard] for shard in taken} & {"two", "three"}
        assert not set(taken) & {shard for shards in held.values() for shard in shards}
        over = store.db.execute(
            "SELECT count(*) FROM shards WHERE claimed_by<>host AND claimed_by='one'"
        ).fetchone()
        assert over[0] >= len(taken) - 1
        store.close()


def test_the_check_of_what_was_taken_over_is_another_host_s(store: PlanStore) -> None:
    hosts = players(store)
    for dispatcher in hosts.values():
        dispatcher.start()
    while left(store):
        # Most is done by one host, which takes it from the others.
        assert everything(hosts["two"]) + [
            shard
            for host in ("one", "three")
            for entry in hosts[host].claim(1).claimed
            for shard in [entry.header.id]
            if not finish(hosts[host], [shard])
        ]
    same = (
        "SELECT count(*) FROM shards c JOIN shards s ON s.id=c.of WHERE s.claimed_by=c.claimed_by"
    )
    assert store.db.execute(same).fetchone() == (0,)
    taken = "SELECT count(*) FROM shards WHERE claimed_by='two' AND host<>'two' AND of IS NULL"
    assert store.db.execute(taken).fetchone()[0] > 0


def test_the_second_pass_waits_where_it_repairs(folder: str) -> None:
    store = make(folder)
    hosts = {host: Dispatcher(store, host, 60.0, repairs=True) for host in HOSTS}
    for dispatcher in hosts.values():
        dispatcher.start()
    while left(store):
        for dispatcher in hosts.values():
            for entry in dispatcher.claim(1).claimed:
                if entry.header.kind == "verify":
                    undone = "SELECT count(*) FROM shards WHERE state<>'done' AND phase<6"
                    assert store.db.execute(undone).fetchone() == (0,)
                finish(dispatcher, [entry.header.id])


def test_no_shard_is_given_out_twice(store: PlanStore) -> None:
    hosts = players(store)
    for dispatcher in hosts.values():
        dispatcher.start()
    finish(hosts["one"], [entry.header.id for entry in hosts["one"].claim(1 << 30).claimed])
    first = {entry.header.id for entry in hosts["one"].claim(1 << 30).claimed}
    second = {entry.header.id for entry in hosts["two"].claim(1 << 30).claimed}
    assert first and second and not first & second
    assert not hosts["one"].claim(1 << 30).claimed


def test_few_forks_end_and_the_last_host_does_the_rest(store: PlanStore) -> None:
    hosts = players(store)
    for host in ("one", "two"):
        hosts[host].start()
    for host in ("one", "two", "one"):
        everything(hosts[host])
    for host in ("one", "two"):
        assert hosts[host].claim(1).later == "planned"
        hosts[host].end("done")
    hosts["three"].start()
    everything(hosts["three"])
    assert left(store) == 0


def test_a_dead_host_s_work_goes_to_the_others_and_its_late_word_is_not_heard(
    store: PlanStore,
) -> None:
    hosts = players(store)
    for dispatcher in hosts.values():
        dispatcher.start()
    lost = [entry.header.id for entry in hosts["one"].claim(1 << 30).claimed]
    assert lost
    everything(hosts["three"])
    everything(hosts["two"])
    assert hosts["two"].claim(1).later == "running"
    hosts["one"].end("dead", "gone")
    while left(store):
        assert everything(hosts["two"]) + everything(hosts["three"])
    before = store.db.execute("SELECT count(*) FROM results").fetchone()
    finish(hosts["one"], lost)
    assert store.db.execute("SELECT count(*) FROM results").fetchone() == before
    runners = {
        r
        for (r,) in store.db.execute(
            f"SELECT claimed_by FROM shards WHERE id IN ({','.join(map(str, lost))})"
        )
    }
    assert runners <= {"two", "three"}


def test_a_host_that_was_not_heard_of_is_buried(store: PlanStore) -> None:
    hosts = players(store, patience=30.0)
    for dispatcher in hosts.values():
        dispatcher.start()
    everything(hosts["three"])
    assert hosts["one"].claim(1 << 30).claimed
    store.db.execute("UPDATE hosts SET heard=heard-31 WHERE name='one'")
    everything(hosts["two"])
    assert store.db.execute("SELECT state FROM hosts WHERE name='one'").fetchone()[0] == "dead"
    everything(hosts["three"])
    everything(hosts["two"])
    assert left(store) == 0


def test_a_host_that_never_begins(store: PlanStore) -> None:
    hosts = players(store)
    for host in ("one", "two"):
        hosts[host].start()
        everything(hosts[host])
    everything(hosts["one"])
    assert left(store)
    while left(store):
        assert everything(hosts["one"], absent=True) + everything(hosts["two"], absent=True)


def test_dynamic_shards_belong_to_whoever_asks(folder: str) -> None:
    store = make(folder, "dynamic")
    hosts = players(store)
    for dispatcher in hosts.values():
        dispatcher.start()
    got = dict.fromkeys(HOSTS, 0)
    while left(store):
        for host, dispatcher in hosts.items():
            claimed = [entry.header.id for entry in dispatcher.claim(1).claimed]
            finish(dispatcher, claimed)
            got[host] += len(claimed)
    assert max(got.values()) - min(got.values()) <= 3


def test_the_last_host_takes_large_helpings(store: PlanStore) -> None:
    hosts = players(store)
    for host in ("one", "two"):
        hosts[host].end("done")
    hosts["three"].start()
    rounds = 0
    while left(store):
        finish(hosts["three"], [entry.header.id for entry in hosts["three"].claim(1 << 30).claimed])
        rounds += 1
    assert rounds < store.db.execute("SELECT count(*) FROM shards").fetchone()[0]
    store.close()


def test_a_large_file_that_lacks_a_range_is_not_finished(store: PlanStore) -> None:
    one = players(store)["one"]
    one.start()
    while True:
        claimed = one.claim(1, absent=True).claimed
        if claimed[0].header.kind in ("finish", "link"):
            assert claimed[0].header.broken == ("large",)
            break
        failures = (
            [(b"/d", Failure(b"large", "read", 5, "Input/output error"))]
            if claimed[0].header.kind == "range"
            else []
        )
        for entry in claimed:
            one.record([ShardResult(entry.header.id, {}, failures)])


@pytest.mark.parametrize("step", [-1e6, 1e6])
def test_a_step_of_the_clock_kills_no_host(
    store: PlanStore, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = players(store, patience=30.0)
    for dispatcher in hosts.values():
        dispatcher.start()
    mine = {entry.header.id for entry in hosts["one"].claim(1 << 30).claimed}
    assert mine
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + step)
    for host in ("two", "three", "two"):
        assert not mine & set(everything(hosts[host]))
    states = {state for (state,) in store.db.execute("SELECT state FROM hosts")}
    assert states == {"running"}


def test_a_host_from_before_a_restart_is_dead(store: PlanStore) -> None:
    hosts = players(store, patience=1e9)
    for host in ("one", "two"):
        hosts[host].start()
    claimed = {entry.header.id for entry in hosts["one"].claim(1 << 30).claimed}
    store.db.execute("UPDATE hosts SET boot='another start' WHERE name='one'")
    assert claimed <= set(everything(hosts["two"]))


def test_an_item_fails_once(store: PlanStore) -> None:
    one = players(store)["one"]
    one.start()
    for _round in range(2):
        for entry in one.claim(1 << 30, absent=True).claimed:
            failures = [(b"/d", Failure(b"large", "read", 5, "Input/output error"))] * 3
            done = {b"/d": (Counts(failed=3), 0.1)}
            one.record([ShardResult(entry.header.id, done, failures)])
    assert queries.sums(store, "one").failed == 1
