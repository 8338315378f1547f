# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others ask of a plan: the action plugins and the preview."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ..core.outcome import Counts
from ..core.vocabulary import HostState, Kind, Phase
from .store import PlanStore

# The phases that bring over entries. Directories have one of their own, at the end.
IN_SHARED = f"phase BETWEEN {Phase.DATA:d} AND {Phase.LINKS:d}"


class Share(NamedTuple):
    """A part of the planned data; ``cost`` as :func:`.cost.cost_of` has it."""

    items: int
    files: int
    bytes: int
    cost: float


class Planned(NamedTuple):
    """A shard as it is planned; ``first`` and ``last`` are printable paths."""

    id: int
    mount: int
    kind: str
    items: int
    files: int
    bytes: int
    first: str
    last: str


def number_of_shards(store: PlanStore) -> int:
    """How many shards there are."""
    (count,) = store.db.execute("SELECT count(*) FROM shards").fetchone()
    return int(count)


def is_done(store: PlanStore) -> bool:
    """Whether nothing is left to do."""
    query = "SELECT 1 FROM phases WHERE waiting + pending + claimed > 0 LIMIT 1"
    return store.db.execute(query).fetchone() is None


def would_change(store: PlanStore, host: str) -> bool:
    """Whether the plan has something for a host to do besides checking. What is anybody's is the
    first host's."""
    query = "SELECT 1 FROM shards WHERE phase<? AND (host=? OR (host IS NULL AND ?)) LIMIT 1"
    first = store.meta()["hosts"][0] == host
    return store.db.execute(query, (Phase.CHECK, host, first)).fetchone() is not None


def has_begun(store: PlanStore, host: str) -> bool:
    """Whether a host has taken part already."""
    query = "SELECT 1 FROM hosts WHERE name=? AND state<>?"
    return store.db.execute(query, (host, HostState.PLANNED)).fetchone() is not None


def hosts_at_work(store: PlanStore) -> set[str]:
    """The hosts that have something to do now."""
    query = "SELECT DISTINCT host FROM parts WHERE claimed > 0"
    return {host for (host,) in store.db.execute(query)}


def lost_hosts(store: PlanStore) -> list[str]:
    """The hosts that died on the way."""
    query = "SELECT name FROM hosts WHERE state=?"
    return [name for (name,) in store.db.execute(query, (HostState.DEAD,))]


def shares(store: PlanStore) -> dict[str, Share]:
    """What is planned for each host; ``any`` is for whoever is free."""
    return {
        host: Share(*sums)
        for host, *sums in store.db.execute(
            "SELECT coalesce(host, 'any'), sum(items), sum(files), sum(bytes), sum(cost) "
            f"FROM shards WHERE {IN_SHARED} GROUP BY host ORDER BY host"
        )
    }


def planned(store: PlanStore, host: str) -> Iterator[Planned]:
    """A host's shards of entries, in their order."""
    return map(
        Planned._make,
        store.db.execute(
            f"SELECT {', '.join(Planned._fields)} FROM shards "
            f"WHERE host=? AND {IN_SHARED} ORDER BY phase, id",
            (host,),
        ),
    )


def sums(store: PlanStore, host: str) -> Counts:
    """What a host has done so far. Of the second pass only what it repaired, what it need not look
    at and what it found in excess counts; an item that failed counts once, however often it did."""
    columns = ", ".join(
        f"coalesce(sum(r.{name}), 0)"
        if name in ("changed", "repaired", "proved", "extra")
        else f"coalesce(sum(CASE WHEN s.kind<>'{Kind.VERIFY}' THEN r.{name} END), 0)"
        for name in Counts._fields
    )
    query = f"SELECT {columns} FROM results r JOIN shards s ON s.id=r.shard WHERE r.host=?"
    done = Counts(*store.db.execute(query, (host,)).fetchone())
    items = "SELECT count(DISTINCT path) FROM failures WHERE host=?"
    return done._replace(failed=store.db.execute(items, (host,)).fetchone()[0])
