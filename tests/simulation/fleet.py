# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that take no time: the real dispatch of a real plan, with a clock that is set from event to
event.

A host does one shard after the other at its speed, says every two seconds what is done, and asks
for more when it has less than half of the last helping, as ``plugin_utils/share.py`` does. One that
dies says nothing any more; the others find that out by its silence.
"""

from __future__ import annotations

import heapq
import random
import time
from typing import Any, NamedTuple

from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import (
    Counts,
    ShardResult,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import HostState, Kind
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore

LEASE = 60.0  # s
LOOK = 2.0  # s between looks
DELIVERY = 0.5  # s from a claim to the first call on the host
PACKAGE = 4 << 20  # bytes
CHECK = 0.3  # of what the copy costs
ERROR = 0.3  # of the estimate of a shard's cost: the standard deviation of its logarithm


class Outcome(NamedTuple):
    """What a run came to: seconds of the simulated clock, of this process, hosts that died."""

    seconds: float
    bound: float
    work: float
    controller: float
    calls: int
    dead: int
    taken: int
    cut: int


class Host:
    """One host: its speed in costs a second, and what it has."""

    def __init__(self, player: Dispatcher, speed: float, dies: float) -> None:
        self.player = player
        self.speed = speed
        self.dies = dies  # when
        self.queue: list[tuple[int, float]] = []  # shards, and when they are done
        self.free = 0.0  # when all is
        self.enough = 0
        self.waits = 0.0  # since when
        self.beat = 0.0


class Fleet:
    """Runs a plan to its end."""

    def __init__(
        self, store: PlanStore, speeds: dict[str, float], deaths: dict[str, float]
    ) -> None:
        """``deaths``: when which hosts die, s."""
        self.now = 0.0
        self._store = store
        self._spent = 0.0
        self._calls = 0
        self._holder: dict[int, str] = {}
        self._copied: dict[int, str] = {}
        self._work = 0.0
        self.hosts = {
            name: Host(
                Dispatcher(store, name, LEASE * 1.5, clock=lambda: self.now),
                speed,
                deaths.get(name, float("inf")),
            )
            for name, speed in speeds.items()
        }

    def run(self) -> Outcome:
        """Until nothing is left. Raises AssertionError if a promise is broken."""
        (planned,) = self._store.db.execute("SELECT count(*) FROM shards").fetchone()
        events: list[tuple[float, str]] = []
        end = 0.0
        for number, (name, host) in enumerate(self.hosts.items()):
            self._timed(host.player.start)
            heapq.heappush(events, (0.002 * number, name))  # forked one after the other
        while events:
            self.now, name = heapq.heappop(events)
            host = self.hosts[name]
            if self.now >= host.dies:
                continue
            following = self._look(name, host)
            if following is None:
                self._timed(host.player.end, HostState.DONE)
                continue
            end = max(end, self.now if host.queue else 0.0, host.free)
            heapq.heappush(events, (following, name))
        (left,) = self._store.db.execute(
            "SELECT count(*) FROM shards WHERE state<>'done'"
        ).fetchone()
        assert not left, f"{left} shards were left"
        (shards,) = self._store.db.execute("SELECT count(*) FROM shards").fetchone()
        (taken,) = self._store.db.execute(
            "SELECT count(*) FROM shards WHERE of IS NULL AND claimed_by<>host"
        ).fetchone()
        dead = sum(host.dies < end for host in self.hosts.values())
        return Outcome(
            end, self._bound(), self._work, self._spent, self._calls, dead, taken, shards - planned
        )

    def _look(self, name: str, host: Host) -> float | None:
        """What the controller does for a host now; returns when it does so again."""
        done = [shard for shard, at in host.queue if at <= self.now]
        if done:
            host.queue = [entry for entry in host.queue if entry[1] > self.now]
            self._record(name, host, done)
        if self.now - host.beat >= LEASE / 4:
            self._timed(host.player.beat)
            host.beat = self.now
        if len(host.queue) <= host.enough:
            work = self._timed(host.player.claim, PACKAGE)
            if work.claimed:
                self._give(name, host, work.claimed)
                host.enough, host.waits = len(work.claimed) // 2, 0.0
            elif not host.queue:
                if not work.later:
                    return None
                host.waits = host.waits or self.now
                return self.now + min(LOOK, max(0.1, (self.now - host.waits) * 0.1))
        # Nothing happens before the next shard is done, but that the host is heard.
        return max(self.now + LOOK, min(host.queue[0][1], self.now + LEASE / 4))

    def _give(self, name: str, host: Host, claimed: list[Any]) -> None:
        at = max(host.free, self.now + DELIVERY)
        for entry in claimed:
            header = entry.header
            holder = self._holder.get(header.id)
            gone = holder is None or self.hosts[holder].dies <= self.now
            assert gone, f"shard {header.id} is {name}'s and {holder}'s"
            self._holder[header.id] = name
            at += self._cost(header) / host.speed
            host.queue.append((header.id, at))
        host.free = at

    def _cost(self, header: Any) -> float:
        """What a shard really costs: the same whoever does it."""
        error: float = random.Random(header.id).lognormvariate(-ERROR * ERROR / 2, ERROR)
        return header.cost * error * (CHECK if header.kind == Kind.VERIFY else 1.0)

    def _record(self, name: str, host: Host, shards: list[int]) -> None:
        for shard in shards:
            del self._holder[shard]
            of, amount, kind = self._store.db.execute(
                "SELECT of, cost, kind FROM shards WHERE id=?", (shard,)
            ).fetchone()
            if of is None:
                self._copied[shard] = name
            elif len(self.hosts) > 1:
                assert self._copied[of] != name, f"{name} checks what it has copied"
            error = random.Random(shard).lognormvariate(-ERROR * ERROR / 2, ERROR)
            self._work += amount * error * (CHECK if kind == Kind.VERIFY else 1.0)
        done = {b"/mnt": (Counts(files=1), 1.0)}
        self._timed(host.player.record, [ShardResult(shard, done, []) for shard in shards])

    def _timed(self, act: Any, *arguments: Any) -> Any:
        begun = time.process_time()
        result = act(*arguments)
        self._spent += time.process_time() - begun
        self._calls += 1
        return result

    def _bound(self) -> float:
        """When all hosts together could be done at the earliest, each at work as long as it
        lives: s."""
        low, high = 0.0, self._work / min(host.speed for host in self.hosts.values()) + 1.0
        for _step in range(60):
            middle = (low + high) / 2
            possible = sum(h.speed * min(middle, h.dies) for h in self.hosts.values())
            low, high = (middle, high) if possible < self._work else (low, middle)
        return high
