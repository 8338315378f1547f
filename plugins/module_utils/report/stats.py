# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of a run, from its plan.db and its index: what stats.json holds."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from typing import Any, Dict, Iterator, NamedTuple

from ..core.atomic import written
from ..core.vocabulary import Kind, Phase
from ..index.reader import MAX_SHARDS, Index, shard_path
from ..plan.queries import IN_SHARED
from .failures import Failures

# The article on which the method rests: judge a run of files of 10 MiB and more by its bytes
# a second, any other by its files a second.
BYTES_BOUND = 10 << 20

# What of a plan's meta table has its place in stats.json; the rest are its parameters.
_ELSEWHERE = {
    "run_id",
    "method",
    "split",
    "source",
    "destinations",
    "files",
    "directories",
    "bytes",
    "items",
    "hosts",
    "check",
    "verify",
    "created",
    "started",
    "finished",
}

Json = Dict[str, Any]


def bound(files: int, size: int) -> str:
    """Which rate matters for so many files of so many bytes in all: ``bytes`` or ``files``."""
    return "bytes" if files and size / files >= BYTES_BOUND else "files"


def gather(db: sqlite3.Connection, index: Index | None, failures: Failures, version: str) -> Json:
    """All of stats.json. Times in seconds, sizes in bytes, rates per second.

    ``files`` are the items other than directories that this run copied, ``bytes`` their contents,
    ``skipped`` those that were right already; an item that failed counts once.
    """
    meta = {k: json.loads(v) for k, v in db.execute("SELECT key, value FROM meta")}
    hosts = _hosts(db, failures)
    planned = _planned(db, meta, _plan_of_hosts(db, hosts, meta.get("destinations") or []))
    sums = _sums(db)
    seconds = _span(db)
    stats: Json = {
        key: meta.get(key) for key in ("run_id", "method", "split", "source", "destinations")
    }
    stats.update(
        files=sums["files"],
        directories=sums["directories"],
        bytes=sums["bytes"],
        skipped=sums["skipped"],
        failed=failures.items,
        seconds=seconds,
        files_per_second=_rate(sums["files"], seconds),
        bytes_per_second=_rate(sums["bytes"], seconds),
        bound=bound(planned["files"], planned["bytes"]),
        hosts=hosts,
        check=bool(meta.get("check")),
        items=planned["items"],
        changed=sums["changed"],
        repaired=sums["repaired"],
        planned=planned,
        shards=_shards(db),
        failures={"scan": failures.scan, "by_error": failures.by_error},
        not_preserved=losses(db),
        dead_addresses=dead_addresses(db),
        scan=_scan(index),
        verify=_verify(db, meta),
        started=meta.get("started") or meta.get("created"),
        finished=_latest(db) or meta.get("finished"),
        version=version,
        parameters={key: value for key, value in meta.items() if key not in _ELSEWHERE},
    )
    return stats


def write_stats(stats: Json, path: str) -> None:
    """Write stats.json. Raises IngestError if it can't be written."""
    with written(path) as stream:
        json.dump(stats, stream, indent=2)
        stream.write("\n")


def losses(db: sqlite3.Connection) -> list[Json]:
    """What the destination could not hold, by kind: how many items, on which clients, the first
    such item (as text of ``paths.to_text``) and why."""
    found: dict[str, Json] = {}
    query = "SELECT kind, host, count, path, message FROM losses ORDER BY kind, rowid"
    for kind, host, number, path, message in db.execute(query):
        entry = found.setdefault(
            kind, {"kind": kind, "count": 0, "hosts": [], "path": _text(path), "message": message}
        )
        entry["count"] += number or 0
        if host not in entry["hosts"]:
            entry["hosts"].append(host)
    return list(found.values())


def dead_addresses(db: sqlite3.Connection) -> list[Json]:
    """The mounts that did not answer and were left out: their server's address ("" if it is no network
    mount), what was mounted where, on which client, and why."""
    query = (
        "SELECT address, source, mount, host, message FROM left_out ORDER BY address, mount, host"
    )
    return [
        dict(zip(("address", "source", "mount", "host", "message"), row))
        for row in db.execute(query)
    ]


class Bucket(NamedTuple):
    """Regular files of ``low`` bytes up to, not including, ``high``: how many, and their bytes."""

    low: int
    high: int
    files: int
    bytes: int


def histogram(folder: str) -> list[Bucket]:
    """The sizes of an index's regular files in powers of two, from the smallest bucket in use to
    the largest; empty files have a bucket of their own."""
    counts: dict[int, tuple[int, int]] = {}
    cases = " ".join("WHEN size < %d THEN %d" % (1 << power, power) for power in range(63))
    query = f"SELECT CASE {cases} ELSE 63 END AS bucket, count(*), total(size) FROM entries WHERE type = 'f' GROUP BY bucket"
    for number in range(MAX_SHARDS):
        path = shard_path(folder, number)
        if not os.path.isfile(path):
            break
        db = sqlite3.connect(f"file:{_quoted(path)}?mode=ro&immutable=1", uri=True)
        try:
            for bucket, files, size in db.execute(query):
                before = counts.get(bucket, (0, 0))
                counts[bucket] = before[0] + files, before[1] + int(size)
        finally:
            db.close()
    if not counts:
        return []
    return [
        Bucket(1 << power >> 1, 1 << power, *counts.get(power, (0, 0)))
        for power in range(min(counts), max(counts) + 1)
    ]


class Series(NamedTuple):
    """A client's progress: in each interval so many files and bytes."""

    host: str
    files: list[float]
    bytes: list[float]


# Samples carry their client's clock, which may be wrong; its start is known by the controller's.
_ALIGNED = """
  WITH first AS (SELECT host, min(time) AS time FROM samples GROUP BY host),
  aligned AS (
    SELECT samples.host AS host, samples.time - first.time + ifnull(started, first.time) AS time, files, bytes
    FROM samples JOIN first ON first.host = samples.host LEFT JOIN hosts ON name = samples.host)
"""


def throughput(db: sqlite3.Connection, intervals: int = 120) -> tuple[float, list[Series]]:
    """``(seconds of one interval, one series a client)``, over the time from the first sample to
    the last, in at most ``intervals`` steps of whole seconds, or of half a second in a short run.

    What came between two samples is spread evenly over the time between them.
    """
    start, end = db.execute(_ALIGNED + "SELECT min(time), max(time) FROM aligned").fetchone()
    if start is None or end <= start:
        return 0.0, []
    width = 0.5 if end - start <= 30 else float(math.ceil((end - start) / intervals))
    steps = math.ceil((end - start) / width)
    # One sample of each interval is enough, and few enough for any length of run.
    query = _ALIGNED + (
        "SELECT host, max(time), max(files), max(bytes) FROM aligned"
        " GROUP BY host, CAST((time - ?) / ? AS INTEGER) ORDER BY 1, 2"
    )
    series: dict[str, Series] = {}
    before = (0.0, 0, 0)
    for host, at, files, size in db.execute(query, (start, width)):
        if host not in series:
            series[host] = Series(host, [0.0] * steps, [0.0] * steps)
            before = (at, 0, 0)
        if files < before[1] or size < before[2]:  # it started anew
            before = (before[0], 0, 0)
        for step, share in _spread((before[0] - start) / width, (at - start) / width, steps):
            series[host].files[step] += (files - before[1]) * share
            series[host].bytes[step] += (size - before[2]) * share
        before = (at, files, size)
    return width, list(series.values())


def _spread(first: float, last: float, steps: int) -> Iterator[tuple[int, float]]:
    """The steps that a time (in steps) touches, each with its part of that time."""
    for step in range(min(int(first), steps - 1), min(int(last), steps - 1) + 1):
        overlap = min(last, step + 1) - max(first, step)
        yield step, overlap / (last - first) if last > first else 1.0


class Slow(NamedTuple):
    """A directory that took long: where, how long (s), and how much was in it."""

    path: bytes
    host: str
    seconds: float
    files: int
    bytes: int


def slowest(db: sqlite3.Connection, limit: int = 20) -> list[Slow]:
    """The directories that took longest; the shards of one directory on one client together."""
    query = (
        "SELECT path, host, sum(seconds), sum(files), sum(bytes) FROM slow"
        " GROUP BY path, host ORDER BY 3 DESC, 1 LIMIT ?"
    )
    return [
        Slow(bytes(row[0] or b""), row[1] or "", row[2] or 0.0, row[3] or 0, row[4] or 0)
        for row in db.execute(query, (limit,))
    ]


def _hosts(db: sqlite3.Connection, failures: Failures) -> dict[str, Json]:
    hosts: dict[str, Json] = {}
    query = (
        "SELECT name, state, ifnull(message, ''), started, ifnull(finished, heartbeat)"
        " FROM hosts ORDER BY number, name"
    )
    for name, state, message, started, ended in db.execute(query):
        seconds = max(0.0, ended - started) if started and ended else 0.0
        hosts[name] = _host(state, message, seconds)
    for name, mount, files, directories, size, skipped, repaired in db.execute(
        "SELECT results.host, results.mount, sum(results.files), sum(directories), sum(results.bytes),"
        " sum(skipped), sum(repaired)"
        " FROM results LEFT JOIN shards ON shards.id = results.shard WHERE phase IS NOT ?"
        " GROUP BY results.host, results.mount ORDER BY results.host, results.mount",
        (Phase.CHECK,),
    ):
        host = hosts.setdefault(name, _host("", "", 0.0))
        for key, value in zip(
            ("files", "directories", "bytes", "skipped", "repaired"),
            (files, directories, size, skipped, repaired),
        ):
            host[key] += value or 0
        if mount:
            host["mounts"][mount] = {"files": files or 0, "bytes": size or 0}
    for name, number in failures.by_host.items():
        if name:
            hosts.setdefault(name, _host("", "", 0.0))["failed"] = number
    for host in hosts.values():
        host["files_per_second"] = _rate(host["files"], host["seconds"])
        host["bytes_per_second"] = _rate(host["bytes"], host["seconds"])
    return hosts


def _host(state: str, message: str, seconds: float) -> Json:
    return {
        "files": 0,
        "bytes": 0,
        "failed": 0,
        "seconds": round(seconds, 3),
        "files_per_second": 0.0,
        "bytes_per_second": 0.0,
        "mounts": {},
        "directories": 0,
        "skipped": 0,
        "repaired": 0,
        "state": state,
        "message": message,
        "planned": _share(),
    }


# Whatever the plan says of ranges of a file, the file counts where it is finished.
_SHARES = IN_SHARED
_WHOLE = f"kind NOT IN ('{Kind.RANGE}', '{Kind.PREPARE}')"


def _plan_of_hosts(db: sqlite3.Connection, hosts: dict[str, Json], mounts: list[str]) -> Json:
    """What the plan gave each client; returns what it left to whoever is free."""
    unassigned = _share()
    for name, mount, items, files, size in db.execute(
        f"SELECT host, mount, sum(CASE WHEN {_WHOLE} THEN items ELSE 0 END), sum(files), sum(bytes) FROM shards WHERE {_SHARES} GROUP BY host, mount ORDER BY mount"
    ):
        share = hosts.setdefault(name, _host("", "", 0.0))["planned"] if name else unassigned
        share["items"] += items or 0
        share["files"] += files or 0
        share["bytes"] += size or 0
        if mount is not None and mount < len(mounts):
            share["mounts"][mounts[mount]] = {"files": files or 0, "bytes": size or 0}
    ends = db.execute(
        f"SELECT host, min(id), max(id) FROM shards WHERE {_SHARES} AND {_WHOLE} GROUP BY host"
    ).fetchall()
    for name, *ids in ends:
        share = hosts[name]["planned"] if name else unassigned
        for key, number in zip(("first", "last"), ids):
            (share[key],) = db.execute(
                f"SELECT {key} FROM shards WHERE id = ?", (number,)
            ).fetchone()
    return unassigned


def _share() -> Json:
    return {"items": 0, "files": 0, "bytes": 0, "first": None, "last": None, "mounts": {}}


def _planned(db: sqlite3.Connection, meta: Json, unassigned: Json) -> Json:
    files, size = db.execute(
        f"SELECT ifnull(sum(files), 0), ifnull(sum(bytes), 0) FROM shards WHERE {_SHARES}"
    ).fetchone()
    counted = {"items": files, "files": files, "directories": 0, "bytes": size}
    planned: Json = {
        key: meta[key] if meta.get(key) is not None else counted[key] for key in counted
    }
    planned["unassigned"] = unassigned
    return planned


def _sums(db: sqlite3.Connection) -> Json:
    names = ("files", "directories", "bytes", "skipped", "changed", "repaired")
    row = db.execute(
        "SELECT sum(results.files), sum(directories), sum(results.bytes), sum(skipped),"
        " sum(changed), sum(repaired)"
        " FROM results LEFT JOIN shards ON shards.id = results.shard WHERE phase IS NOT ?",
        (Phase.CHECK,),
    ).fetchone()
    return {name: value or 0 for name, value in zip(names, row)}


def _shards(db: sqlite3.Connection) -> Json:
    total, done = db.execute(
        "SELECT count(*), ifnull(sum(state = 'done'), 0) FROM shards"
    ).fetchone()
    return {"total": total, "done": done}


def _scan(index: Index | None) -> Json:
    if index is None:
        return {}
    meta = index.meta()
    scan: Json = dict(index.totals()._asdict())
    started, finished = meta.get("started"), meta.get("finished")
    if isinstance(started, (int, float)) and isinstance(finished, (int, float)):
        scan["seconds"] = round(max(0.0, finished - started), 3)
    return scan


def _verify(db: sqlite3.Connection, meta: Json) -> Json:
    files, size, failed, seconds, shards = db.execute(
        "SELECT sum(results.files + skipped), sum(results.bytes), sum(failed), sum(seconds), count(*)"
        " FROM results JOIN shards ON shards.id = results.shard WHERE phase = ?",
        (Phase.CHECK,),
    ).fetchone()
    verify: Json = {"mode": meta.get("verify") or "none"}
    if shards:
        verify.update(files=files or 0, bytes=size or 0, failed=failed or 0, seconds=seconds or 0.0)
    return verify


def _span(db: sqlite3.Connection) -> float:
    """From the first client's start to the last one's end, in seconds."""
    start, end = db.execute(
        "SELECT min(started), max(ifnull(finished, heartbeat)) FROM hosts WHERE started IS NOT NULL"
    ).fetchone()
    return round(max(0.0, end - start), 3) if start and end else 0.0


def _latest(db: sqlite3.Connection) -> float | None:
    end: float | None = db.execute("SELECT max(ifnull(finished, heartbeat)) FROM hosts").fetchone()[
        0
    ]
    return end


def _rate(amount: int, seconds: float) -> float:
    return round(amount / seconds, 3) if seconds > 0 else 0.0


def _text(path: Any) -> str:
    return bytes(path or b"").decode("utf-8", "surrogateescape")


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
