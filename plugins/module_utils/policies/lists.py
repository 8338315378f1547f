# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the policies would move now: counted, and as a list for each host."""

from __future__ import annotations

import json
import os
from contextlib import closing
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

_FILE = 1 << 20  # bytes that a file costs besides its own, where pieces are to be equal
_PIECES = 4  # for each host: a faster one takes more of them,
_ENOUGH = 1 << 30  # but none is smaller than this, unless somebody would have none

AT_WORK, IDLE, NO_MATCH, SHADOWED = "at work", "idle", "no match", "shadowed"


class Piece(NamedTuple):
    """Some of a policy's files, for whoever is free: a JSON object a line, as the mover reads
    it."""

    policy: str
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
    """All policies by priority, their work in the order in which it is to be taken, and how full
    the pools are."""

    found: list[Found]
    pieces: list[Piece]
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
    tiers: Tiers, sources: Mapping[str, Source], hosts: int, folder: str, now: int, memory: str = ""
) -> Preview:
    """Choose, and write the lists for that many ``hosts`` into ``folder`` unless that is empty.
    ``memory`` is the folder of :class:`..index.migrated.Migrated`, for pools that share a tree.

    Raises:
        IngestError: an index or a pool can't be read, or a list can't be written.
    """
    uses = {name: use_of(pool, tiers.path) for name, pool in tiers.pools.items()}
    working, idle = at_work(tiers, uses, sources, now)
    by_name = {wanted.policy.name: wanted for wanted in working}
    found: list[Found] = []
    pieces: list[Piece] = []
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
        pieces += own
    if migrated is not None:
        migrated.close()
    return Preview(found, pieces, uses)


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
    hosts: int,
    place: str,
    now: int,
    is_there: Callable[[File], bool] | None,
) -> tuple[Found, list[Piece]]:
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
    size_of_piece = _size_of_piece(wanted, matches, hosts)
    with closing(Names(source, now)) as names, _Cutter(policy.name, place, size_of_piece) as cutter:
        taken = files(source, policy, others, now)
        if is_there is not None:
            taken = filter(is_there, taken)
        for file, paths in within(taken, policy, wanted.bytes, names):
            known = [file.device, file.inode, file.size, file.mtime, file.ctime]
            cutter.add({"paths": list(map(to_text, paths)), "known": known}, file.size)
        pieces = cutter.pieces()
    chosen = Sum(sum(one.files for one in pieces), sum(one.bytes for one in pieces))
    why = wanted.why or f"{matches.files} files of {size(matches.bytes)} meet it"
    return Found(policy, AT_WORK, why, matches, chosen), pieces


def _size_of_piece(wanted: Wanted, matches: Sum, hosts: int) -> int:
    """How much a piece is to cost, in bytes."""
    limit = wanted.policy.limit
    number = min(matches.files, limit.files or matches.files)
    bounds = [matches.bytes, limit.bytes or matches.bytes]
    if wanted.bytes is not None:
        bounds.append(wanted.bytes)
    whole = min(bounds) + number * _FILE
    if hosts == 1:
        return whole * 2  # one piece
    return (
        -(-whole // hosts) if whole < _ENOUGH * hosts else max(whole // hosts // _PIECES, _ENOUGH)
    )


class _Cutter:
    """Cuts files into pieces as they come."""

    def __init__(self, policy: str, place: str, size_of_piece: int) -> None:
        self._policy = policy
        self._place = place
        self._size = size_of_piece
        self._cost = self._largest = 0
        self._stream: IO[str] | None = None
        self._pieces: list[Piece] = []
        self._order: list[int] = []  # the largest file of each

    def __enter__(self) -> _Cutter:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, record: Mapping[str, Any], bytes_: int) -> None:
        """Add one file to the last piece, or begin one with it. Raises IngestError."""
        if not self._pieces or self._cost >= self._size:
            self._begin()
        self._cost += bytes_ + _FILE
        last = self._pieces[-1]
        self._pieces[-1] = last._replace(files=last.files + 1, bytes=last.bytes + bytes_)
        self._order[-1] = max(self._order[-1], bytes_)
        if self._stream is not None:
            self._guarded(self._stream.write, json.dumps(record) + "\n")

    def _begin(self) -> None:
        self._end()
        file = f"{self._place}-{len(self._pieces)}.jsonl" if self._place else ""
        self._cost = 0
        self._pieces.append(Piece(self._policy, file, 0, 0))
        self._order.append(0)
        if file:
            try:
                self._stream = open(file, "x", encoding="ascii")
            except OSError as error:
                raise IngestError(f"{file} can't be written: {error.strerror}") from error

    def _end(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            self._guarded(stream.close)

    def _guarded(self, act: Callable[..., object], *values: object) -> None:
        try:
            act(*values)
        except OSError as error:
            file = self._pieces[-1].file
            raise IngestError(f"{file} can't be written: {error.strerror}") from error

    def pieces(self) -> list[Piece]:
        """All pieces, those with the largest files first, so that none of these comes last. Raises
        IngestError."""
        self._end()
        by_largest = sorted(zip(self._order, self._pieces), key=lambda pair: -pair[0])
        return [piece for dummy, piece in by_largest]
