# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the policies would move now: counted, and as a list for each host."""

from __future__ import annotations

import heapq
import json
import os
from contextlib import ExitStack, closing
from typing import IO, Any, Callable, Mapping, NamedTuple, Sequence

from ..core.errors import IngestError
from ..core.paths import to_text
from ..core.units import size
from ..index.migrated import Migrated
from ..search.functions import user
from ..search.guard import check_trust
from ..search.source import Source, source_of
from .choose import (
    File,
    Names,
    Sum,
    Use,
    Wanted,
    at_work,
    before,
    condition_of,
    files,
    source_of_pool,
    total,
    within,
)
from .read import Policy, Pool, Tiers

_FILE = 1 << 20  # bytes that a file costs besides its own, where hosts are to get equal shares

AT_WORK, IDLE, NO_MATCH, SHADOWED = "at work", "idle", "no match", "shadowed"


class HostList(NamedTuple):
    """The files of one policy for one host: a JSON object a line, as the mover reads it."""

    policy: str
    host: str
    file: str
    files: int
    bytes: int


class Found(NamedTuple):
    """A policy now: one of the states above, and why; ``matches`` are all files that it takes,
    ``chosen`` those within its limits."""

    policy: Policy
    state: str
    why: str
    matches: Sum
    chosen: Sum


class Preview(NamedTuple):
    """All policies by priority, the lists of the hosts, and how full the pools are."""

    found: list[Found]
    lists: list[HostList]
    uses: dict[str, Use]


def indexes(tiers: Tiers, folder: str) -> dict[str, Source]:
    """The indexes of the pools that policies take from: each in a folder with the pool's name, or
    ``tree`` for pools that share one. Raises IngestError: one can't be read, or others may write to
    it."""
    found: dict[str, Source] = {}
    for name in sorted({policy.source for policy in tiers.policies}):
        found[name] = source_of(os.path.join(folder, name if tiers.pools[name].path else "tree"))
        check_trust(list(found[name].trusted), user)
    return found


def use_of(pool: Pool, path: str) -> Use:
    """How full the file system of a pool is, or that of ``path`` where the pool has no path of its
    own. Raises IngestError."""
    place = pool.path or path
    try:
        found = os.statvfs(place)
    except OSError as error:
        raise IngestError(f"tier_pools: {pool.name}: {place}: {error.strerror}") from error
    used = found.f_blocks - found.f_bfree
    return Use((used + found.f_bavail) * found.f_frsize, used * found.f_frsize)


def preview(
    tiers: Tiers,
    sources: Mapping[str, Source],
    hosts: Sequence[str],
    folder: str,
    now: int,
    memory: str = "",
) -> Preview:
    """Choose, and write the lists into ``folder`` unless that is empty. ``memory`` is the folder of
    :class:`..index.migrated.Migrated`, for pools that share a tree.

    Raises:
        IngestError: an index or a pool can't be read, or a list can't be written.
    """
    uses = {name: use_of(pool, tiers.path) for name, pool in tiers.pools.items()}
    working, idle = at_work(tiers, uses, sources, now)
    by_name = {wanted.policy.name: wanted for wanted in working}
    found: list[Found] = []
    lists: list[HostList] = []
    shared = [pool for pool in tiers.pools.values() if not pool.path]
    migrated = Migrated(memory) if memory and shared else None
    for number, policy in enumerate(tiers.policies):
        if policy.name in idle:
            found.append(Found(policy, IDLE, idle[policy.name], Sum(0, 0), Sum(0, 0)))
            continue
        one, own = _of_policy(
            by_name[policy.name],
            working,
            source_of_pool(sources, policy.source),
            hosts,
            os.path.join(folder, str(number)) if folder else "",
            now,
            _place(tiers, policy, migrated),
        )
        found.append(one)
        lists += own
    if migrated is not None:
        migrated.close()
    return Preview(found, lists, uses)


def _place(
    tiers: Tiers, policy: Policy, migrated: Migrated | None
) -> Callable[[File], bool] | None:
    """Whether a file is in the pool that a policy takes from; None: all in its index are. What
    nobody has moved is in the first pool."""
    if tiers.pools[policy.source].path or migrated is None:
        return None
    first = next(iter(tiers.pools))
    return lambda file: (
        (migrated.pool_of(file.path, file.device, file.inode) or first) == policy.source
    )


def _of_policy(
    wanted: Wanted,
    working: Sequence[Wanted],
    source: Source,
    hosts: Sequence[str],
    place: str,
    now: int,
    is_there: Callable[[File], bool] | None,
) -> tuple[Found, list[HostList]]:
    policy = wanted.policy
    others = before(working, policy)
    matches = total(source, condition_of(policy), others, now)
    if not matches.files:
        nothing = Sum(0, 0)
        alone = total(source, condition_of(policy), (), now) if others else nothing
        if not alone.files:
            return Found(policy, NO_MATCH, "no file meets it", nothing, nothing), []
        why = f"policies before it take all {alone.files} files that meet it"
        return Found(policy, SHADOWED, why, nothing, nothing), []
    with closing(Names(source, now)) as names, _Dealer(policy.name, hosts, place) as dealer:
        taken = files(source, policy, others, now)
        if is_there is not None:
            taken = filter(is_there, taken)
        for file, paths in within(taken, policy, wanted.bytes, names):
            known = [file.device, file.inode, file.size, file.mtime, file.ctime]
            dealer.deal({"paths": list(map(to_text, paths)), "known": known}, file.size)
        lists = dealer.lists()
    chosen = Sum(sum(one.files for one in lists), sum(one.bytes for one in lists))
    why = wanted.why or f"{matches.files} files of {size(matches.bytes)} meet it"
    return Found(policy, AT_WORK, why, matches, chosen), lists


class _Dealer:
    """Deals files to hosts, each to the one with the least so far."""

    def __init__(self, policy: str, hosts: Sequence[str], place: str) -> None:
        self._policy = policy
        self._hosts = hosts
        self._place = place
        self._heap = [(0, number) for number in range(len(hosts))]
        self._sums = [Sum(0, 0) for dummy in hosts]
        self._streams: dict[int, IO[str]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> _Dealer:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _file(self, number: int) -> str:
        return f"{self._place}-{number}.jsonl" if self._place else ""

    def deal(self, record: Mapping[str, Any], bytes_: int) -> None:
        """Give one file to a host. Raises IngestError."""
        load, number = self._heap[0]
        heapq.heapreplace(self._heap, (load + bytes_ + _FILE, number))
        known = self._sums[number]
        self._sums[number] = Sum(known.files + 1, known.bytes + bytes_)
        if not self._place:
            return
        try:
            if number not in self._streams:
                stream = open(self._file(number), "x", encoding="ascii")
                self._streams[number] = self._stack.enter_context(stream)
            self._streams[number].write(json.dumps(record) + "\n")
        except OSError as error:
            raise IngestError(f"{self._file(number)} can't be written: {error.strerror}") from error

    def lists(self) -> list[HostList]:
        """What each host got; those that got nothing are left out. Raises IngestError."""
        try:
            self._stack.close()
        except OSError as error:
            raise IngestError(f"a list can't be written: {error.strerror}") from error
        return [
            HostList(self._policy, host, self._file(number), *self._sums[number])
            for number, host in enumerate(self._hosts)
            if self._sums[number].files
        ]
