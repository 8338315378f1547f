# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatch against a model of it: hosts that begin, claim, finish, end and die in any order."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from typing import Any, Iterator
from unittest.mock import patch

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import (
    Counts,
    ShardResult,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import Kind, Phase
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import queries, speed
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import (
    Claimed,
    Dispatcher,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, plan
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.shards import (
    path_of,
    piece_of,
    read_line,
    unpack,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.tests.support.indexes import scan
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

HOSTS = ["one", "two", "three"]
OVER = ("failed", "dead", "done")
STAGES = ({0, 1, 2, 3}, {4}, {5}, {6, 8})

Item = Any  # (kind, of, path, offset)


class Shard:
    """What the model knows of one; its items are read from its payload."""

    def __init__(self, row: tuple[Any, ...]) -> None:
        (self.id, self.phase, self.kind, self.host, self.of, self.whole, *row) = row
        payload, low, high, of_kind = row
        self.state, self.by = "pending", None
        if low is not None:
            payload = piece_of(payload, low, high)
        self.rows = list(rows_of(of_kind or self.kind, payload))
        self.items = {
            (self.kind, of_kind, path, getattr(found, "offset", 0)) for path, found in self.rows
        }


def rows_of(kind: str, payload: bytes) -> Iterator[tuple[bytes, Any]]:
    for _files, _bytes, body in unpack(payload):
        directory, rows = read_line(kind, body)
        for row in rows:
            yield path_of(directory, row), row


def digits(bodies: list[bytes]) -> str:
    """What a copy might say of its lines: none is all right, so that each is checked."""
    return "".join("02"[len(body) % 2] for body in bodies)


class Dispatch(RuleBasedStateMachine):
    """Knows of each shard who has it, of each item whether it was done, and what must come first
    by the items alone."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.states = dict.fromkeys(HOSTS, "planned")
        self.begun: set[str] = set()  # hosts that have claimed something since they began
        self.shards: dict[int, Shard] = {}
        self.taken: list[tuple[str, int]] = []  # claims that nobody has answered
        self.now = 0.0
        self.patches = [
            patch.object(speed, "_FIRST", 0.002),
            patch.object(speed, "_FIRST_MOST", 0.003),
            patch.object(speed, "_LEAST", 0.001),
        ]
        for each in self.patches:
            each.start()

    def teardown(self) -> None:
        for each in self.patches:
            each.stop()
        if self.shards:
            self.store.close()
        shutil.rmtree(self.folder)

    @initialize(
        split=st.sampled_from(["round_robin", "balanced", "dynamic"]), repairs=st.booleans()
    )
    def planned(self, split: str, repairs: bool) -> None:
        tree = os.path.join(self.folder, "tree")
        for number in range(9):
            os.makedirs(f"{tree}/d{number % 4}/empty", exist_ok=True)
            with open(f"{tree}/d{number % 4}/{number}", "wb") as file:
                file.write(b"x" * number)
        os.link(tree + "/d1/1", tree + "/d2/link")
        for name in ("large", "larger"):
            with open(f"{tree}/{name}", "wb") as file:
                file.write(b"l" * (3 << 20))
        os.link(tree + "/large", tree + "/d3/link of a large one")
        index, path = self.folder + "/index", self.folder + "/plan.db"
        scan(tree, index)
        limits = Limits(items=5, range_threshold=1 << 20, range_size=1 << 20)
        plan(index, path, HOSTS, split, limits=limits)
        self.store = PlanStore.open(path)
        self.repairs = repairs
        self.players = {
            host: Dispatcher(self.store, host, 1e9, repairs, lambda: self.now) for host in HOSTS
        }
        self.split = split
        self.shards = {shard.id: shard for shard in self._read()}
        self.items = sorted(
            (item for shard in self.shards.values() for item in shard.items), key=repr
        )

    def _read(self) -> list[Shard]:
        return [
            Shard(row)
            for row in self.store.db.execute(
                "SELECT s.id, s.phase, s.kind, s.host, s.of, p.shard, p.payload, s.low, "
                "s.high, o.kind FROM shards s LEFT JOIN shards o ON o.id=s.of "
                "JOIN payloads p ON p.shard=coalesce(s.payload_of, s.of, s.id)"
            )
        ]

    # -- the model's rules -----------------------------------------------------------------------

    def _undone(self, *kinds: str) -> set[bytes]:
        """The paths of which something of these kinds is not done."""
        return {
            path
            for shard in self.shards.values()
            if shard.kind in kinds and shard.state != "done"
            for path, dummy in shard.rows
        }

    def _has_what_it_needs(self, shard: Shard) -> bool:
        unfinished = {other.phase for other in self.shards.values() if other.state != "done"}
        if shard.phase in (Phase.DIRECTORIES, Phase.LAST_DIRECTORIES):
            return min(unfinished) == shard.phase
        if shard.kind == Kind.VERIFY:
            if (shard.phase == Phase.CHECK_DIRECTORIES or self.repairs) and min(unfinished) < 6:
                return False
            return self.shards[shard.of].state == "done"
        # Large files in one group of the plan wait for each other: here all are in one.
        if shard.kind == Kind.RANGE:
            return not self._undone(Kind.PREPARE)
        if shard.kind == Kind.FINISH:
            return not self._undone(Kind.PREPARE, Kind.RANGE)
        if shard.kind == Kind.LINK:
            leaders = {row.leader for dummy, row in shard.rows}
            bring = [s for s in self.shards.values() if s.kind in (Kind.COPY, Kind.FINISH)]
            needed = {s.whole for s in bring for path, dummy in s.rows if path in leaders}
            return not any(s.whole in needed and s.state != "done" for s in bring)
        return True

    def _may(self, host: str, shard: Shard) -> bool:
        """Whether a check may be this host's: what it has copied is another one's to check."""
        if shard.kind != Kind.VERIFY or shard.host is None:
            return True
        alone = not any(state == "running" for other, state in self.states.items() if other != host)
        return alone or self.shards[shard.of].by != host

    def _claimable(self, host: str, absent: bool) -> set[int]:
        """What the host may claim; it must be given something of it."""
        open_ = [
            shard
            for shard in self.shards.values()
            if shard.state == "pending" and self._has_what_it_needs(shard)
        ]
        helped = {
            other
            for other, state in self.states.items()
            if state in OVER
            or (state == "running" and (absent or other in self.begun))
            or (state == "planned" and absent)
        }
        for stage in STAGES:
            those = [shard for shard in open_ if shard.phase in stage and self._may(host, shard)]
            mine = {shard.id for shard in those if shard.host in (host, None)}
            free = {shard.id for shard in those if shard.host in helped}
            if mine or free:
                return mine or free
        return set()

    # -- what happens ----------------------------------------------------------------------------

    @rule(host=st.sampled_from(HOSTS))
    def start(self, host: str) -> None:
        if self.states[host] != "running":
            self.players[host].start()
            self.states[host] = "running"
            self.begun.discard(host)

    @rule(seconds=st.sampled_from([0.001, 0.1, 5.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        host=st.sampled_from(HOSTS), size=st.sampled_from([1, 300, 1 << 20]), absent=st.booleans()
    )
    def claim(self, host: str, size: int, absent: bool) -> None:
        if self.states[host] != "running":
            return
        may = self._claimable(host, absent)
        held = self._held()
        work = self.players[host].claim(size, absent)
        got = {entry.header.id for entry in work.claimed}
        assert got <= may
        assert bool(got) == bool(may)
        self._take_note_of_pieces()
        for entry in work.claimed:
            shard = self.shards[entry.header.id]
            self._is_what_it_says(entry, shard)
            assert not held & shard.items
            held |= shard.items
            shard.state, shard.by = "claimed", host
            self.taken.append((host, shard.id))
        if got:
            self.begun.add(host)
            return
        busy = {
            self.states[other]
            for shard in self.shards.values()
            for other in [shard.by or shard.host]
            if other not in (None, host)
            and (
                shard.state == "claimed"
                or (shard.state == "pending" and self._has_what_it_needs(shard))
            )
        }
        wanted = next((state for state in ("running", "planned") if state in busy), "")
        assert work.later == wanted

    def _held(self) -> set[Item]:
        return {
            item
            for shard in self.shards.values()
            if shard.state == "claimed"
            for item in shard.items
        }

    def _take_note_of_pieces(self) -> None:
        """A shard that was cut has become two: nothing is lost, nothing is there twice."""
        now = {shard.id: shard for shard in self._read()}
        for number, shard in now.items():
            if number in self.shards:
                shard.state, shard.by = self.shards[number].state, self.shards[number].by
        self.shards = now
        items = [item for shard in now.values() for item in shard.items]
        assert sorted(items, key=repr) == self.items

    @staticmethod
    def _is_what_it_says(entry: Claimed, shard: Shard) -> None:
        """What travels is the shard's."""
        kind = entry.header.of or entry.header.kind
        assert {path for path, dummy in rows_of(kind, entry.payload)} == {
            path for path, dummy in shard.rows
        }
        if entry.header.kind == Kind.VERIFY and entry.header.lines:
            # What the copy said of each line comes with that line.
            bodies = [body for dummy, dummy2, body in unpack(entry.payload)]
            assert entry.header.lines == digits(bodies)

    @rule(which=st.floats(0, 1, exclude_max=True))
    def word(self, which: float) -> None:
        """The word on a claim comes, in time or late."""
        if not self.taken:
            return
        host, number = self.taken.pop(int(which * len(self.taken)))
        shard = self.shards[number]
        payload, low, high = self.store.db.execute(
            "SELECT p.payload, s.low, s.high FROM shards s "
            "JOIN payloads p ON p.shard=coalesce(s.payload_of, s.of, s.id) WHERE s.id=?",
            (number,),
        ).fetchone()
        lines = [body for dummy, dummy2, body in unpack(payload)][low or 0 : high]
        done = {b"/d": (Counts(files=1), 0.1)}
        result = ShardResult(number, done, [], (), digits(lines))
        self.players[host].record([result])
        if (shard.state, shard.by) != ("claimed", host):
            return
        shard.state = "done"
        for check in self.shards.values():
            if check.of == number and check.host == host:
                check.host = shard.host  # it was taken over, so that its check is the other one's

    @rule(host=st.sampled_from(HOSTS), state=st.sampled_from(OVER))
    def end(self, host: str, state: str) -> None:
        if self.states[host] != "running":
            return
        self.players[host].end(state)
        self.states[host] = state
        for shard in self.shards.values():
            if (shard.state, shard.by) == ("claimed", host):
                shard.state, shard.by = "pending", None

    @invariant()
    def it_is_as_the_model_has_it(self) -> None:
        if not self.shards:
            return
        query = "SELECT id, phase, host, state, claimed_by FROM shards"
        for number, phase, host, state, by in self.store.db.execute(query):
            shard = self.shards[number]
            assert (phase, host, by) == (shard.phase, shard.host, shard.by)
            if state == "waiting":  # of the dependencies this one is not fulfilled
                assert shard.state == "pending" and not self._has_what_it_needs(shard)
            else:
                assert state == shard.state
        done = all(shard.state == "done" for shard in self.shards.values())
        assert queries.is_done(self.store) == done
        sums = (
            "sum(state='waiting'), sum(state='pending'), sum(state='claimed'), "
            "round(total(cost*(state{})), 6)"
        )
        counts = "waiting, pending, claimed, round(cost, 6)"
        amounts = "files, bytes, done_files, done_bytes"
        counted = self.store.db.execute(
            f"SELECT phase, host, {counts}, {amounts} FROM parts "
            "WHERE waiting OR pending OR claimed OR files OR bytes ORDER BY 1, 2"
        ).fetchall()
        asked = self.store.db.execute(
            f"SELECT phase, coalesce(claimed_by, host, ''), {sums.format('=' + repr('pending'))}, "
            "sum(files), sum(bytes), sum(files*(state='done')), sum(bytes*(state='done')) "
            "FROM shards GROUP BY 1, 2 "
            "HAVING sum(state<>'done') OR sum(files) OR sum(bytes) ORDER BY 1, 2"
        ).fetchall()
        assert counted == asked
        counted = self.store.db.execute(f"SELECT phase, {counts} FROM phases ORDER BY 1").fetchall()
        asked = self.store.db.execute(
            f"SELECT phase, {sums.format(' IN (' + repr('pending') + ', ' + repr('waiting') + ')')}"
            " FROM shards GROUP BY 1 ORDER BY 1"
        ).fetchall()
        assert counted == asked


@pytest.mark.parametrize("seed", range(12))
def test_to_the_end(seed: int) -> None:
    """Walks that are long enough to end, as hosts die less often in them."""
    dice = random.Random(seed)
    model = Dispatch()
    try:
        model.planned(
            split=dice.choice(["round_robin", "balanced", "dynamic"]), repairs=dice.random() < 0.3
        )
        planned = len(model.shards)
        for _step in range(1000):
            host, luck = dice.choice(HOSTS), dice.random()
            if luck < 0.08:
                model.start(host=host)
            elif luck < 0.2:
                model.wait(seconds=dice.choice([0.001, 0.1, 5.0]))
            elif luck < 0.6:
                size, absent = dice.choice([1, 300, 1 << 20]), dice.random() < 0.2
                model.claim(host=host, size=size, absent=absent)
            elif luck < 0.98:
                model.word(which=dice.random())
            else:
                model.end(host=host, state=dice.choice(OVER))
            model.it_is_as_the_model_has_it()
            if queries.is_done(model.store):
                break
        assert queries.is_done(model.store)
        assert len(model.shards) > planned  # some were cut
    finally:
        model.teardown()


TestDispatch = Dispatch.TestCase
TestDispatch.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
