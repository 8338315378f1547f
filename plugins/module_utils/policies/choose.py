# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a policy takes now: asked of the index of the pool that it takes from.

The first policy, by priority, whose condition a file meets has it, if that policy is at work now;
the others leave it alone. Only regular files are moved.
"""

from __future__ import annotations

import heapq
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from ..core.errors import IngestError
from ..search.compile import Columns, Sql, inlined, register, sql
from ..search.condition import AllOf, Compare, Condition, Facts, fields, meets
from ..search.source import Source
from .read import Policy, Pool, Tiers

# What File is made of.
_FIELDS = ("path", "size", "device", "inode", "mtime", "ctime", "links")
_PATH = "CAST({path} AS BLOB)"
_FILES = Compare("type", "=", "f")


class Use(NamedTuple):
    """How full a pool is, in bytes."""

    size: int
    used: int

    @property
    def percent(self) -> float:
        """As ``df`` shows it."""
        return 100.0 * self.used / self.size if self.size else 0.0


class File(NamedTuple):
    """A file that a policy takes: its path in the pool's index, and what is known of it. Sizes in
    bytes, times in ns."""

    path: bytes
    size: int
    device: int
    inode: int
    mtime: int
    ctime: int
    links: int


class Wanted(NamedTuple):
    """A policy that is at work: how many bytes it is to move until its pool, or its user, is below
    the lower bound (None: all that it takes), and why it is."""

    policy: Policy
    bytes: int | None
    why: str


class Sum(NamedTuple):
    """How many files, and their bytes."""

    files: int
    bytes: int


def at_work(
    tiers: Tiers, uses: Mapping[str, Use], sources: Mapping[str, Source], now: int
) -> tuple[list[Wanted], dict[str, str]]:
    """The policies that are at work now, by priority, and why the others are not, by name.

    ``uses`` and ``sources`` (the indexes) are by pool. Raises IngestError: the use or the index of
    a pool is needed, and missing.
    """
    found: list[Wanted] = []
    idle: dict[str, str] = {}
    for policy in tiers.policies:
        wanted = _wanted(policy, tiers.pools[policy.source], uses, sources, now)
        if isinstance(wanted, str):
            idle[policy.name] = wanted
        else:
            found.append(wanted)
    return found, idle


def _wanted(
    policy: Policy, pool: Pool, uses: Mapping[str, Use], sources: Mapping[str, Source], now: int
) -> Wanted | str:
    limits: list[int] = []
    reasons: list[str] = []
    if pool.high is not None and pool.low is not None:
        use = uses.get(pool.name)
        if use is None:
            raise IngestError(f"how full the pool '{pool.name}' is, is not known")
        said = f"the pool '{pool.name}' is {use.percent:.1f} % full"
        if use.percent <= pool.high:
            return f"{said}, and it begins above {pool.high:g} %"
        limits.append(max(0, use.used - int(use.size * pool.low / 100)))
        reasons.append(said)
    trigger = policy.trigger
    if trigger is not None:
        who = Compare(trigger.field, "=", trigger.number)
        has = total(source_of_pool(sources, pool.name), AllOf((_FILES, who)), (), now).bytes
        said = f"{'user' if trigger.field == 'uid' else 'group'} {trigger.name} has {has} bytes"
        if has <= trigger.above:
            return f"{said} in '{pool.name}', and it begins above {trigger.above}"
        limits.append(has - trigger.below)
        reasons.append(said)
    return Wanted(policy, min(limits) if limits else None, ", ".join(reasons))


def source_of_pool(sources: Mapping[str, Source], pool: str) -> Source:
    """The index of a pool. Raises IngestError: there is none."""
    if pool not in sources:
        raise IngestError(f"there is no index of the pool '{pool}': scan it first")
    return sources[pool]


def condition_of(policy: Policy) -> Condition:
    """What a file must meet, whatever other policies say."""
    if policy.trigger is None:
        return AllOf((_FILES, policy.when))
    who = Compare(policy.trigger.field, "=", policy.trigger.number)
    return AllOf((_FILES, who, policy.when))


def before(working: Sequence[Wanted], policy: Policy) -> list[Condition]:
    """What the policies take that come before one and take from the same pool."""
    found = []
    for wanted in working:
        if wanted.policy.name == policy.name:
            break
        if wanted.policy.source == policy.source:
            found.append(condition_of(wanted.policy))
    return found


def question(condition: Condition, others: Sequence[Condition], columns: Columns, now: int) -> Sql:
    """As an SQL expression: the condition holds, and none of the ``others``."""
    found = sql(condition, columns, now)
    for other in others:
        # What is not known (NULL) is no reason for another policy to have it.
        more = sql(other, columns, now)
        found = Sql(f"({found.text} AND {more.text} IS NOT 1)", found.parameters + more.parameters)
    return found


def total(source: Source, condition: Condition, others: Sequence[Condition], now: int) -> Sum:
    """What a condition takes. Raises IngestError."""
    files = size = 0
    asked = list(_statements(source, condition, others, now, "count(*), total({size})"))
    with ThreadPoolExecutor(len(asked)) as pool:
        for (row,) in pool.map(lambda each: _rows(*each).fetchall(), asked):
            files += row[0]
            size += int(row[1])
    return Sum(files, size)


def files(source: Source, policy: Policy, others: Sequence[Condition], now: int) -> Iterator[File]:
    """The files that a policy takes, in its order. Streams. Raises IngestError."""
    keys = [("-" if descending else "+") + f"{{{field}}}" for field, descending in policy.order]
    chosen = ", ".join([_PATH, *(f"{{{field}}}" for field in _FIELDS[1:]), *keys])
    order = ", ".join([*(str(len(_FIELDS) + n) for n in range(1, len(keys) + 1)), "1"])
    asked = _statements(source, condition_of(policy), others, now, chosen, f"ORDER BY {order}")
    # SQLite sorts when the first row is asked for: of all parts at once.
    with ThreadPoolExecutor(len(source.parts)) as pool:
        streams = list(pool.map(lambda each: _begun(*each), list(asked)))
    for row in heapq.merge(*streams, key=lambda row: (row[len(_FIELDS) :], row[0])):
        yield File(*row[: len(_FIELDS)])


def within(
    found: Iterator[File], policy: Policy, most: int | None, names: Names
) -> Iterator[tuple[File, tuple[bytes, ...]]]:
    """Files with all their names, until the policy's limits, or ``most`` bytes, are reached. Of a
    file with several names only the first comes."""
    count = size = 0
    for file in found:
        limit = policy.limit
        if (limit.files and count >= limit.files) or (most is not None and size >= most):
            return
        if limit.bytes and size + file.size > limit.bytes:
            continue  # a smaller one may do
        paths: tuple[bytes, ...] = (file.path,)
        if file.links > 1:
            known = names.of(file)
            if known[0] != file.path:
                continue
            paths = known
        count += 1
        size += file.size
        yield file, paths


class Names:
    """All names of the files that have several, as an index knows them."""

    def __init__(self, source: Source, now: int) -> None:
        """Raises IngestError."""
        self._db = sqlite3.connect("")  # SQLite's own temporary file
        self._db.execute("CREATE TABLE names(device INTEGER, inode INTEGER, path BLOB)")
        several = AllOf((_FILES, Compare("links", ">", 1)))
        for db, statement in _statements(
            source, several, (), now, f"{{device}}, {{inode}}, {_PATH}"
        ):
            self._db.executemany("INSERT INTO names VALUES (?, ?, ?)", _rows(db, statement))
        self._db.execute("CREATE INDEX of ON names(device, inode, path)")

    def of(self, file: File) -> tuple[bytes, ...]:
        """The names of a file, in order."""
        rows = self._db.execute(
            "SELECT path FROM names WHERE device=? AND inode=? ORDER BY path",
            (file.device, file.inode),
        )
        return tuple(path for (path,) in rows)

    def close(self) -> None:
        """Forget them."""
        self._db.close()


class Verdict(NamedTuple):
    """What a policy says of one entry: it takes it (``True``), or not, or that can't be known, and
    whether another one has it before."""

    policy: Policy
    meets: bool | None
    earlier: str


def which(tiers: Tiers, facts: Facts, now: int) -> list[Verdict]:
    """What each policy that takes from the entry's pool says of it; the first that takes it has
    it."""
    found: list[Verdict] = []
    taken = ""
    for policy in tiers.policies:
        if facts.pool is not None and policy.source != facts.pool:
            continue
        answer = meets(condition_of(policy), facts, now)
        found.append(Verdict(policy, answer, taken))
        if answer and not taken:
            taken = policy.name
    return found


def unknown_fields(policy: Policy, columns: Columns) -> frozenset[str]:
    """What a policy asks for, and an index does not know."""
    return fields(policy.when) - frozenset(columns.fields)


def plan_of(source: Source, policy: Policy, others: Sequence[Condition], now: int) -> list[str]:
    """The SQL that is asked of a part, and the database's plan for it. Raises IngestError."""
    for db, statement in _statements(
        source, condition_of(policy), others, now, "count(*), total({size})"
    ):
        steps = [row[3] for row in _rows(db, f"EXPLAIN QUERY PLAN {statement}")]
        return [statement, *steps]
    return []


def _statements(
    source: Source,
    condition: Condition,
    others: Sequence[Condition],
    now: int,
    chosen: str,
    rest: str = "",
) -> Iterator[tuple[sqlite3.Connection, str]]:
    """A connection to each part, and the statement for it. A field in braces is one of Columns.
    The values are in the statement, as the question may be asked of a part in several ways."""
    for part in source.parts:
        db = source.open(part)
        register(db)
        face = source.faces(part, condition, now)[0]
        asked = inlined(question(condition, others, face.columns, now))
        where = f"({face.where}) AND {asked}" if face.where else asked
        columns = face.columns.fields
        yield (
            db,
            f"SELECT {chosen.format_map(columns)} FROM {face.tables} WHERE {where} "
            f"{rest.format_map(columns)}",
        )


def _rows(db: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
    try:
        return db.execute(statement)
    except sqlite3.Error as error:
        raise IngestError(f"the index can't be asked: {error}") from error


def _begun(db: sqlite3.Connection, statement: str) -> Iterator[Any]:
    """The rows, of which the first is there already."""
    rows = _read(_rows(db, statement))
    first = next(rows, None)
    return iter(()) if first is None else chain((first,), rows)


def _read(rows: sqlite3.Cursor) -> Iterator[Any]:
    try:
        yield from rows
    except sqlite3.Error as error:
        raise IngestError(f"the index can't be read: {error}") from error
