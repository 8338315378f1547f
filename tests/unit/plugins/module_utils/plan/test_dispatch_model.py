# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatch against a model of it: hosts that begin, claim, finish, end and die in any order."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import (
    Counts,
    ShardResult,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import queries
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, plan
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.tests.support.indexes import scan
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

HOSTS = ["one", "two", "three"]
OVER = ("failed", "dead", "done")


class Dispatch(RuleBasedStateMachine):
    """``shards``: id to [phase, planned host, state, who claimed it]."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.states = dict.fromkeys(HOSTS, "planned")
        self.shards: dict[int, list[Any]] = {}
        self.taken: list[tuple[str, int]] = []  # claims that nobody has answered

    def teardown(self) -> None:
        if self.shards:
            self.store.close()
        shutil.rmtree(self.folder)

    @initialize(split=st.sampled_from(["round_robin", "balanced", "dynamic"]))
    def planned(self, split: str) -> None:
        tree = os.path.join(self.folder, "tree")
        os.makedirs(tree + "/a/b")
        for number in range(9):
            with open(f"{tree}/a/{number}", "wb") as file:
                file.write(b"x" * number)
        os.link(tree + "/a/1", tree + "/a/b/link")
        with open(tree + "/large", "wb") as file:
            file.write(b"l" * (3 << 20))
        index, path = self.folder + "/index", self.folder + "/plan.db"
        scan(tree, index)
        limits = Limits(items=2, range_threshold=1 << 20, range_size=1 << 20)
        plan(index, path, HOSTS, split, limits=limits)
        self.store = PlanStore.open(path)
        self.players = {host: Dispatcher(self.store, host, 1e9) for host in HOSTS}
        for shard, phase, host in self.store.db.execute("SELECT id, phase, host FROM shards"):
            self.shards[shard] = [phase, host, "pending", None]

    @rule(host=st.sampled_from(HOSTS))
    def start(self, host: str) -> None:
        if self.states[host] != "running":
            self.players[host].start()
            self.states[host] = "running"

    @rule(
        host=st.sampled_from(HOSTS), size=st.sampled_from([1, 300, 1 << 20]), absent=st.booleans()
    )
    def claim(self, host: str, size: int, absent: bool) -> None:
        if self.states[host] != "running":
            return
        work = self.players[host].claim(size, absent)
        got = {entry.header.id for entry in work.claimed}
        unfinished = [row for row in self.shards.values() if row[2] != "done"]
        if not unfinished:
            assert not got and work.later == ""
            return
        phase = min(row[0] for row in unfinished)
        pending = {
            n: row for n, row in self.shards.items() if row[2] == "pending" and row[0] == phase
        }
        mine = {n for n, row in pending.items() if row[1] == host}
        helped = (*OVER, "planned") if absent else OVER
        free = {n for n, row in pending.items() if row[1] is None or self.states[row[1]] in helped}
        assert got <= (mine or free)
        assert bool(got) == bool(mine or free)
        for shard in got:
            self.shards[shard][2:] = ["claimed", host]
            self.taken.append((host, shard))
        open_ = [row for row in self.shards.values() if row[2] != "done" and row[0] == phase]
        others = {
            self.states[row[3] or row[1]] for row in open_ if (row[3] or row[1]) not in (None, host)
        }
        wanted = next((state for state in ("running", "planned") if state in others), "")
        assert work.later == wanted

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """The word on a claim comes, in time or late."""
        if not self.taken:
            return
        host, shard = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        self.players[host].record([ShardResult(shard, {b"/d": (Counts(files=1), 0.1)}, [])])
        if self.shards[shard][2:] == ["claimed", host]:
            self.shards[shard][2] = "done"

    @rule(host=st.sampled_from(HOSTS), state=st.sampled_from(OVER))
    def end(self, host: str, state: str) -> None:
        if self.states[host] != "running":
            return
        self.players[host].end(state)
        self.states[host] = state
        for row in self.shards.values():
            if row[2:] == ["claimed", host]:
                row[2:] = ["pending", None]

    @invariant()
    def it_is_as_the_model_has_it(self) -> None:
        if not self.shards:
            return
        query = "SELECT id, phase, host, state, claimed_by FROM shards"
        assert {n: row for n, *row in self.store.db.execute(query)} == self.shards
        assert queries.is_done(self.store) == all(row[2] == "done" for row in self.shards.values())
        counted = self.store.db.execute(
            "SELECT phase, host, pending, claimed, files, bytes, done_files, done_bytes FROM parts "
            "WHERE pending OR claimed OR files OR bytes ORDER BY 1, 2"
        ).fetchall()
        asked = self.store.db.execute(
            "SELECT phase, coalesce(claimed_by, host, ''), sum(state='pending'), "
            "sum(state='claimed'), sum(files), sum(bytes), sum(files*(state='done')), "
            "sum(bytes*(state='done')) FROM shards GROUP BY 1, 2 "
            "HAVING sum(state<>'done') OR sum(files) OR sum(bytes) ORDER BY 1, 2"
        ).fetchall()
        assert counted == asked


TestDispatch = Dispatch.TestCase
TestDispatch.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
