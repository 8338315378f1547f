# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report asks of a plan: what came of it, by host, by mount and by time."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, NamedTuple

from ..core.outcome import Extra
from ..core.vocabulary import Kind, ShardState
from .queries import IN_SHARED
from .store import PlanStore

SCAN = -1  # stands for a phase in Failed
# Whatever the plan says of ranges of a file, the file counts where it is finished.
_WHOLE = f"kind NOT IN ('{Kind.RANGE}', '{Kind.PREPARE}')"
_BEFORE_CHECK = f"kind IS NOT '{Kind.VERIFY}'"
# The sums of what was done; the second pass counts apart, but for what it repaired.
_COPIED = ", ".join(
    f"coalesce(sum(CASE WHEN {_BEFORE_CHECK} THEN r.{name} END), 0)"
    for name in ("files", "directories", "bytes", "skipped")
)
_DONE = (
    f"SELECT {{}} {_COPIED}, coalesce(sum(r.changed), 0), coalesce(sum(r.repaired), 0), "
    "coalesce(sum(r.removed), 0) "
    "FROM results r LEFT JOIN shards s ON s.id=r.shard "
    f"WHERE ({_BEFORE_CHECK} OR r.repaired) "
)


class Host(NamedTuple):
    """A host of the plan. Unix times; ``ended`` is when it was last heard of, if it did not end;
    ``processors`` is how busy they were (0 to 1)."""

    name: str
    state: str
    message: str
    started: float | None
    ended: float | None
    processors: float | None


class AtWork(NamedTuple):
    """What clients did while each had so many workers: together in s, files and bytes."""

    workers: int
    seconds: float
    files: int
    bytes: int


class Ranges(NamedTuple):
    """The ranges of large files: how many, and how long they took, all together, in s."""

    number: int
    seconds: float


class Done(NamedTuple):
    """What was done; ``files`` are items other than directories, ``skipped`` were up to date,
    ``removed`` is what killed runs had left."""

    files: int
    directories: int
    bytes: int
    skipped: int
    changed: int
    repaired: int
    removed: int


class Planned(NamedTuple):
    """A host's part of the plan (None: of whoever is free) for one mount's number."""

    host: str | None
    mount: int | None
    items: int
    files: int
    bytes: int


class Ends(NamedTuple):
    """The first and the last item of a host's part (None: of whoever is free), printable."""

    host: str | None
    first: str | None
    last: str | None


class Checked(NamedTuple):
    """The second pass. ``seconds`` are the sum over workers; ``proved`` is what it need not look
    at, as the copy had compared it."""

    files: int
    bytes: int
    failed: int
    seconds: float
    shards: int
    proved: int


class Times(NamedTuple):
    """Seconds from the first claim of a shard to the last end of one: of the copy, of the check."""

    copy: float
    check: float


class Loss(NamedTuple):
    """What a destination could not hold on one host: of how many items, the first, and why."""

    kind: str
    host: str
    items: int
    path: bytes
    message: str


class LeftOut(NamedTuple):
    """A mount that was left out: its server's address ("" if it is no network mount), what was
    mounted where, on which host, and why."""

    address: str
    source: str
    mount: str
    host: str
    message: str


class Slow(NamedTuple):
    """A directory that took long: where, how long (s), and how much was in it."""

    path: bytes
    host: str
    seconds: float
    files: int
    bytes: int


class Failed(NamedTuple):
    """One failure of an item; the phase is SCAN where the scan could not read it."""

    path: bytes
    phase: int | None
    operation: str
    errno: int | None
    message: str
    host: str
    mount: str


class Sample(NamedTuple):
    """What a host had done until a time, by the controller's clock; ``workers`` were at work."""

    host: str
    time: float
    files: int
    bytes: int
    workers: int


# -- hosts and mounts ----------------------------------------------------------------------------


def hosts(store: PlanStore) -> list[Host]:
    """All hosts, in the plan's order."""
    query = (
        "SELECT name, state, coalesce(message, ''), started, coalesce(finished, heartbeat), "
        "processors FROM hosts ORDER BY number, name"
    )
    return list(map(Host._make, store.db.execute(query)))


def done(store: PlanStore) -> Done:
    """What all hosts have done."""
    return Done(*store.db.execute(_DONE.format("")).fetchone())


def done_over(store: PlanStore) -> Iterator[tuple[str, str, Done]]:
    """(host, mount, what it has done over it)."""
    query = _DONE.format("r.host, r.mount,") + "GROUP BY r.host, r.mount ORDER BY r.host, r.mount"
    for host, mount, *sums in store.db.execute(query):
        yield host, mount or "", Done(*sums)


def taken_over(store: PlanStore) -> Iterator[tuple[str, int, int]]:
    """(host, files, bytes) of what it has done of other hosts' parts of the plan."""
    query = (
        "SELECT claimed_by, sum(files), sum(bytes) FROM shards "
        f"WHERE {IN_SHARED} AND state=? AND claimed_by<>host GROUP BY claimed_by"
    )
    yield from store.db.execute(query, (ShardState.DONE,))


def planned(store: PlanStore) -> Iterator[Planned]:
    """What the plan gives each host over each mount."""
    query = (
        f"SELECT host, mount, coalesce(sum(CASE WHEN {_WHOLE} THEN items END), 0), "
        "coalesce(sum(files), 0), coalesce(sum(bytes), 0) "
        f"FROM shards WHERE {IN_SHARED} GROUP BY host, mount ORDER BY mount"
    )
    return map(Planned._make, store.db.execute(query))


def ends(store: PlanStore) -> Iterator[Ends]:
    """Where each host's part begins and ends. The rest of a shard that was cut has no ends: they
    are those of the whole."""
    query = (
        "SELECT e.host, f.first, l.last FROM "
        f"(SELECT host, min(id) AS low, max(id) AS high FROM shards WHERE {IN_SHARED} "
        f"AND {_WHOLE} AND payload_of IS NULL GROUP BY host) e "
        "JOIN shards f ON f.id=e.low JOIN shards l ON l.id=e.high"
    )
    return map(Ends._make, store.db.execute(query))


def retried(store: PlanStore) -> int:
    """How often an item was tried again that had failed as may pass."""
    return int(store.db.execute("SELECT coalesce(sum(retried), 0) FROM results").fetchone()[0])


def shards_done(store: PlanStore) -> tuple[int, int]:
    """(how many shards are done, how many there are)."""
    query = "SELECT coalesce(sum(state=?), 0), count(*) FROM shards"
    finished, total = store.db.execute(query, (ShardState.DONE,)).fetchone()
    return finished, total


def checked(store: PlanStore) -> Checked:
    """What the second pass looked at."""
    query = (
        "SELECT coalesce(sum(r.files + r.skipped), 0), coalesce(sum(r.bytes), 0), "
        "coalesce(sum(r.failed), 0), coalesce(sum(r.seconds), 0.0), count(*), "
        "coalesce(sum(r.proved), 0) "
        "FROM results r JOIN shards s ON s.id=r.shard WHERE s.kind=?"
    )
    return Checked(*store.db.execute(query, (Kind.VERIFY,)).fetchone())


def unnamed_extras(store: PlanStore) -> int:
    """How many entries that only the destination has the second pass counted, but did not name."""
    query = "SELECT coalesce(sum(extra), 0) - (SELECT count(*) FROM extras) FROM results"
    return max(0, int(store.db.execute(query).fetchone()[0]))


def extras(store: PlanStore, of_scan: Iterable[tuple[bytes, str]]) -> Iterator[Extra]:
    """Those that are named, by path; among them what the scan found. SQLite sorts on disk."""
    store.db.execute("DROP TABLE IF EXISTS temp.scan_extras")
    store.db.execute("CREATE TEMP TABLE scan_extras(path BLOB, type TEXT)")
    store.db.executemany("INSERT INTO scan_extras VALUES (?, ?)", of_scan)
    query = (
        "SELECT CAST(path AS BLOB), min(type) FROM (SELECT path, type FROM extras "
        "UNION ALL SELECT path, type FROM temp.scan_extras) GROUP BY 1 ORDER BY 1"
    )
    return map(Extra._make, store.db.execute(query))


# -- times ---------------------------------------------------------------------------------------


def times(store: PlanStore) -> tuple[Times, dict[str, Times]]:
    """How long the copy and the check took, in all and on each host. They overlap: what has been
    copied may be checked while something else still is."""
    query = (
        f"SELECT claimed_by, kind='{Kind.VERIFY}', min(claimed), max(finished) FROM shards "
        "WHERE claimed_by IS NOT NULL AND claimed IS NOT NULL GROUP BY 1, 2"
    )
    spans: dict[tuple[str, bool], tuple[float, float]] = {
        (host, bool(is_check)): (first, last)
        for host, is_check, first, last in store.db.execute(query)
        if last is not None
    }
    names = {host for host, dummy in spans}
    meta = store.meta()
    return _times(spans, names, meta), {host: _times(spans, {host}, meta) for host in names}


def idle(meta: dict[str, Any], start: float, end: float) -> float:
    """Seconds between two moments in which the run had been killed, and was not gone on with."""
    return sum(max(0.0, min(end, to) - max(start, since)) for since, to in meta.get("breaks", ()))


def _times(
    spans: dict[tuple[str, bool], tuple[float, float]], names: set[str], meta: dict[str, Any]
) -> Times:
    def seconds(is_check: bool) -> float:
        found = [spans[name, is_check] for name in names if (name, is_check) in spans]
        if not found:
            return 0.0
        first, last = min(span[0] for span in found), max(span[1] for span in found)
        return round(max(0.0, last - first - idle(meta, first, last)), 3)

    return Times(seconds(False), seconds(True))


# -- what went wrong -----------------------------------------------------------------------------


def losses(store: PlanStore) -> Iterator[Loss]:
    """What the destination could not hold, by kind."""
    query = (
        "SELECT kind, host, coalesce(count, 0), CAST(coalesce(path, x'') AS BLOB), message "
        "FROM losses ORDER BY kind, rowid"
    )
    return map(Loss._make, store.db.execute(query))


def left_out(store: PlanStore) -> Iterator[LeftOut]:
    """The mounts that were left out."""
    columns = ", ".join(LeftOut._fields)
    query = f"SELECT {columns} FROM left_out ORDER BY address, mount, host"
    return map(LeftOut._make, store.db.execute(query))


def failures(store: PlanStore, scan_errors: Iterable[tuple[Any, ...]]) -> Iterator[Failed]:
    """All failures by path, and those of one path by phase; among them what the scan could not
    read: (path, operation, errno, message). SQLite sorts on disk, so ten million need no memory."""
    store.db.execute("DROP TABLE IF EXISTS temp.scan_errors")
    store.db.execute(
        "CREATE TEMP TABLE scan_errors(path BLOB, operation TEXT, errno INTEGER, message TEXT)"
    )
    store.db.executemany("INSERT INTO scan_errors VALUES (?, ?, ?, ?)", scan_errors)
    query = (
        "SELECT CAST(coalesce(path, x'') AS BLOB), phase, operation, errno, message, "
        "coalesce(host, ''), coalesce(mount, '') FROM failures "
        "UNION ALL SELECT CAST(coalesce(path, x'') AS BLOB), ?, operation, errno, message, '', '' "
        "FROM scan_errors ORDER BY 1, 2"
    )
    return map(Failed._make, store.db.execute(query, (SCAN,)))


# -- progress ------------------------------------------------------------------------------------

# Samples carry their client's clock, which may be wrong; its start is known by the controller's.
_ALIGNED = """
  WITH first AS (SELECT host, min(time) AS time FROM samples GROUP BY host),
  aligned AS (
    SELECT samples.host AS host, files, bytes, workers,
      samples.time - first.time + coalesce(started, first.time) AS time
    FROM samples JOIN first ON first.host=samples.host LEFT JOIN hosts ON name=samples.host)
"""


def sampled(store: PlanStore) -> tuple[float, float] | None:
    """The times of the first and the last sample; None if there is none."""
    first, last = store.db.execute(_ALIGNED + "SELECT min(time), max(time) FROM aligned").fetchone()
    return None if first is None else (first, last)


def samples(store: PlanStore, start: float, width: float) -> Iterator[Sample]:
    """The last sample of each host in each interval of ``width`` seconds, by host and time: few
    enough for any length of run."""
    query = _ALIGNED + (
        "SELECT host, max(time), max(files), max(bytes), max(workers) FROM aligned "
        "GROUP BY host, CAST((time - ?) / ? AS INTEGER) ORDER BY 1, 2"
    )
    return map(Sample._make, store.db.execute(query, (start, width)))


def at_work(store: PlanStore) -> list[AtWork]:
    """What clients did with each number of workers, while they copied, by that number."""
    query = (
        "SELECT workers, sum(time - before), sum(files - b_files), sum(bytes - b_bytes) FROM ("
        "SELECT workers, time, files, bytes, lag(time) OVER host AS before, "
        "lag(files) OVER host AS b_files, lag(bytes) OVER host AS b_bytes, "
        "lag(workers) OVER host AS b_workers "
        "FROM samples WINDOW host AS (PARTITION BY host ORDER BY time)) "
        "WHERE workers=b_workers AND (files > b_files OR bytes > b_bytes) "
        "AND files >= b_files AND bytes >= b_bytes GROUP BY 1 ORDER BY 1"
    )
    return list(map(AtWork._make, store.db.execute(query)))


def ranges(store: PlanStore) -> Ranges:
    """What became of the ranges of large files."""
    query = (
        "SELECT count(*), coalesce(sum(r.seconds), 0.0) FROM results r "
        f"JOIN shards s ON s.id=r.shard WHERE s.kind='{Kind.RANGE}'"
    )
    return Ranges._make(store.db.execute(query).fetchone())


def slowest(store: PlanStore, limit: int = 20) -> list[Slow]:
    """The directories that took longest; the shards of one directory on one host together."""
    query = (
        "SELECT CAST(coalesce(path, x'') AS BLOB), coalesce(host, ''), coalesce(sum(seconds), 0.0),"
        " coalesce(sum(files), 0), coalesce(sum(bytes), 0) FROM slow"
        " GROUP BY path, host ORDER BY 3 DESC, 1 LIMIT ?"
    )
    return list(map(Slow._make, store.db.execute(query, (limit,))))
