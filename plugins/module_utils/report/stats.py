# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of a run, from its plan.db and its index: what stats.json holds."""

from __future__ import annotations

import json
from typing import Any, Dict

from ..core.atomic import written
from ..core.paths import to_text
from ..core.vocabulary import bound
from ..index.reader import Index
from ..plan import results
from ..plan.store import PlanStore
from .extras import Extras
from .failures import Failures

STATS = "stats.json"

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
    "plan_seconds",
    "right",
    "compared",
    "asked",
    "reported",
    "breaks",
    "resumed",
}

Json = Dict[str, Any]


def gather(
    store: PlanStore, index: Index | None, failures: Failures, extras: Extras, version: str
) -> Json:
    """All of stats.json. Times in seconds, sizes in bytes, rates per second.

    ``files`` are the items other than directories that this run copied, ``bytes`` their contents,
    ``skipped`` those that were up to date: by the scan's comparison (``equal``, which nobody
    looked at again), or when they were to be copied; an item that failed counts once. The rates are
    those of the copy: by ``copy_seconds``, without the second pass. ``extras`` are entries that
    only the destination has.
    """
    meta = store.meta()
    hosts = _hosts(store, failures)
    planned = _planned(store, meta, _plan_of_hosts(store, hosts, meta.get("destinations") or []))
    times, dummy = results.times(store)
    equal = meta.get("right") or {"files": 0, "directories": 0, "bytes": 0}
    scan = _scan(index)
    done = results.done(store)
    shards = dict(zip(("done", "total"), results.shards_done(store)))
    ended = [host.ended for host in results.hosts(store) if host.ended]
    stats: Json = {
        key: meta.get(key) for key in ("run_id", "method", "split", "source", "destinations")
    }
    stats.update(
        files=done.files,
        directories=done.directories,
        bytes=done.bytes,
        skipped=done.skipped + equal["files"],
        failed=failures.items,
        seconds=_whole(store),
        files_per_second=_rate(done.files, times.copy),
        bytes_per_second=_rate(done.bytes, times.copy),
        bound=bound(planned["files"], planned["bytes"]),
        hosts=hosts,
        compared=bool(meta.get("compared")),
        equal=equal,
        copy_seconds=times.copy,
        check_seconds=times.check,
        scan_seconds=scan.get("seconds", 0.0),
        plan_seconds=meta.get("plan_seconds", 0.0),
        resumed=meta.get("resumed", 0),
        check=bool(meta.get("check")),
        items=planned["items"],
        changed=done.changed,
        repaired=done.repaired,
        removed=done.removed,
        retried=results.retried(store),
        extras=extras.items,
        planned=planned,
        shards={"total": shards["total"], "done": shards["done"]},
        failures={"scan": failures.scan, "by_error": failures.by_error},
        not_preserved=_losses(store),
        dead_addresses=[mount._asdict() for mount in results.left_out(store)],
        scan=scan,
        verify=_verify(store, meta),
        started=meta.get("started") or meta.get("created"),
        finished=max(ended, default=None) or meta.get("finished"),
        version=version,
        parameters={key: value for key, value in meta.items() if key not in _ELSEWHERE},
    )
    return stats


def unwanted(stats: Json) -> int:
    """How many entries only the destination has, if that makes a run fail."""
    return int(stats["extras"]) if stats["parameters"].get("extra") == "fail" else 0


def write_stats(stats: Json, path: str) -> None:
    """Write stats.json. Raises IngestError if it can't be written."""
    with written(path) as stream:
        json.dump(stats, stream, indent=2)
        stream.write("\n")


def _losses(store: PlanStore) -> list[Json]:
    """What the destination could not hold, by kind: how many items, on which clients, the first
    such item (as text of ``paths.to_text``) and why."""
    found: dict[str, Json] = {}
    for loss in results.losses(store):
        entry = found.setdefault(
            loss.kind,
            {
                "kind": loss.kind,
                "count": 0,
                "hosts": [],
                "path": to_text(loss.path),
                "message": loss.message,
            },
        )
        entry["count"] += loss.items
        if loss.host not in entry["hosts"]:
            entry["hosts"].append(loss.host)
    return list(found.values())


def _hosts(store: PlanStore, failures: Failures) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for host in results.hosts(store):
        seconds = max(0.0, host.ended - host.started) if host.started and host.ended else 0.0
        found[host.name] = _host(host.state, host.message, seconds, host.processors)
    for name, mount, done in results.done_over(store):
        entry = found.setdefault(name, _host())
        for key in ("files", "directories", "bytes", "skipped", "repaired"):
            entry[key] += getattr(done, key)
        if mount:
            entry["mounts"][mount] = {"files": done.files, "bytes": done.bytes}
    for name, files, size in results.taken_over(store):
        found.setdefault(name, _host())["taken_over"] = {"files": files, "bytes": size}
    for name, number in failures.by_host.items():
        if name:
            found.setdefault(name, _host())["failed"] = number
    for name, times in results.times(store)[1].items():
        entry = found.setdefault(name, _host())
        entry.update(copy_seconds=times.copy, check_seconds=times.check)
    for entry in found.values():
        entry["files_per_second"] = _rate(entry["files"], entry["copy_seconds"])
        entry["bytes_per_second"] = _rate(entry["bytes"], entry["copy_seconds"])
    return found


def _host(
    state: str = "", message: str = "", seconds: float = 0.0, processors: float | None = None
) -> Json:
    return {
        "files": 0,
        "bytes": 0,
        "failed": 0,
        "seconds": round(seconds, 3),
        "files_per_second": 0.0,
        "bytes_per_second": 0.0,
        "mounts": {},
        "copy_seconds": 0.0,
        "check_seconds": 0.0,
        "directories": 0,
        "skipped": 0,
        "repaired": 0,
        "taken_over": {"files": 0, "bytes": 0},
        "state": state,
        "message": message,
        "processors": processors,
        "planned": _share(),
    }


def _plan_of_hosts(store: PlanStore, hosts: dict[str, Json], mounts: list[str]) -> Json:
    """What the plan gave each client; returns what it left to whoever is free."""
    unassigned = _share()

    def share_of(name: str | None) -> Json:
        share: Json = hosts.setdefault(name, _host())["planned"] if name else unassigned
        return share

    for part in results.planned(store):
        share = share_of(part.host)
        share["items"] += part.items
        share["files"] += part.files
        share["bytes"] += part.bytes
        if part.mount is not None and part.mount < len(mounts):
            share["mounts"][mounts[part.mount]] = {"files": part.files, "bytes": part.bytes}
    for end in results.ends(store):
        share_of(end.host).update(first=end.first, last=end.last)
    return unassigned


def _share() -> Json:
    return {"items": 0, "files": 0, "bytes": 0, "first": None, "last": None, "mounts": {}}


def _planned(store: PlanStore, meta: Json, unassigned: Json) -> Json:
    parts = list(results.planned(store))
    files, size = sum(part.files for part in parts), sum(part.bytes for part in parts)
    counted = {"items": files, "files": files, "directories": 0, "bytes": size}
    planned: Json = {
        key: meta[key] if meta.get(key) is not None else counted[key] for key in counted
    }
    planned["unassigned"] = unassigned
    return planned


def _scan(index: Index | None) -> Json:
    if index is None:
        return {}
    meta = index.meta()
    scan: Json = dict(index.totals()._asdict())
    started, finished = meta.get("started"), meta.get("finished")
    if isinstance(started, (int, float)) and isinstance(finished, (int, float)):
        scan["seconds"] = round(max(0.0, finished - started), 3)
    return scan


def _verify(store: PlanStore, meta: Json) -> Json:
    verify: Json = {"mode": meta.get("verify") or "none"}
    found = results.checked(store)
    if found.shards:
        verify.update(
            files=found.files,
            bytes=found.bytes,
            failed=found.failed,
            seconds=found.seconds,
            proved=found.proved,
        )
    return verify


def _whole(store: PlanStore) -> float:
    """From the first client's start to the last one's end, in seconds."""
    begun = [host for host in results.hosts(store) if host.started]
    start = min((host.started for host in begun if host.started), default=0.0)
    end = max((host.ended for host in begun if host.ended), default=0.0)
    return round(max(0.0, end - start - results.idle(store.meta(), start, end)), 3)


def _rate(amount: int, seconds: float) -> float:
    return round(amount / seconds, 3) if seconds > 0 else 0.0
