# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run folder as a finished run leaves it, of any number of clients, without running one."""

from __future__ import annotations

import errno
import json
import os
import random
import sqlite3
from typing import Any, Sequence

from ansible_collections.scaleout.ingest.plugins.module_utils.index.schema import SCHEMA
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore

START = 1_800_000_000.0
HOSTILE = (
    b"</script><script>document.title='owned'</script>",
    b"<!--<img src=x onerror=alert(1)>",
    b"new\nline\r\x1b[31mred\x07",
    "line\u2028separator\u202ertl".encode(),
    b"\xff\xfe not utf-8",
    b"\"quotes\" 'and' back\\slash & {{ braces }}",
    b"-rf",
    "Übergröße – 日本語".encode(),
)


def make_run(
    folder: str,
    hosts: int = 3,
    mounts: int = 3,
    files: int = 30000,
    seconds: int = 90,
    failures: int = 0,
    hostile: bool = False,
    lost: bool = False,
    unfinished: bool = False,
    dead: bool = False,
    check: bool = False,
    checked: float = 0.0,
    mean_size: float = 9.5,
    scan_errors: Sequence[tuple[bytes, str, int, str]] = (),
    **meta: Any,
) -> str:
    """Fill ``folder`` with plan.db and index/; ``mean_size`` is the natural logarithm of the files'
    median size, ``seconds`` how long the copy took and ``checked`` the second pass after it."""
    chance = random.Random(hosts * 1000 + files)
    os.makedirs(os.path.join(folder, "index"), exist_ok=True)
    names = ["client%02d" % number for number in range(1, hosts + 1)]
    targets = ["/mnt/destination%d/projects" % number for number in range(1, mounts + 1)]
    if hostile:
        names[0], targets[0] = "cl</script>ient\u202e", "/mnt/<b>bold</b>\u2028"
    sizes = [
        int(chance.lognormvariate(mean_size, 2.4)) * (chance.random() > 0.02)
        for dummy in range(files)
    ]
    _index(os.path.join(folder, "index", "0.db"), sizes, scan_errors)
    store = PlanStore.create(os.path.join(folder, "plan.db"))
    db = store.db
    db.execute("BEGIN")
    settings = dict(
        run_id="20270115T080000",
        method="copy",
        split="round_robin",
        source="/srv/projects",
        destinations=targets,
        files=files,
        directories=files // 15,
        bytes=sum(sizes),
        items=files,
        check=check,
        verify="metadata",
        started=START - 20,
        workers=16,
        hosts=names,
    )
    settings.update(meta)
    store.set_meta(**settings)
    _hosts(db, names, seconds, checked, check, dead)
    _shards(db, names, targets, sizes, seconds, check, unfinished)
    if checked:
        _checks(db, names, targets, START + seconds, checked)
    if not check:
        _samples(db, names, sizes, seconds, chance)
        _slow(db, names, hostile)
        _failures(db, names, targets, failures, hostile)
    if lost:
        db.executemany(
            "INSERT INTO losses VALUES (?, ?, ?, ?, ?)",
            [
                (name, kind, 100 + number, b"projects/a/file", message)
                for number, name in enumerate(names)
                for kind, message in (
                    ("owner", "Operation not permitted"),
                    ("xattrs", "Operation not supported"),
                )
            ],
        )
    db.execute("COMMIT")
    store.close()
    return folder


def _index(path: str, sizes: list[int], errors: Sequence[tuple[bytes, str, int, str]]) -> None:
    if os.path.exists(path):
        os.unlink(path)
    db = sqlite3.connect(path)
    db.executescript(SCHEMA)
    db.executemany(
        "INSERT INTO raw_entries(directory, name, type, size) VALUES (1, ?, 'f', ?)",
        ((b"%08d" % number, size) for number, size in enumerate(sizes)),
    )
    db.execute(
        "INSERT INTO raw_directories(id, path, sort, depth, entries, files, bytes, disk, "
        "subdirectories, first, last)"
        " VALUES (1, x'', x'', 0, ?, ?, ?, ?, 0, 1, ?)",
        (len(sizes), len(sizes), sum(sizes), sum(sizes), len(sizes)),
    )
    db.executemany("INSERT INTO errors VALUES (?, ?, ?, ?)", errors)
    db.executemany(
        "INSERT INTO meta VALUES (?, ?)",
        [
            (key, json.dumps(value))
            for key, value in (
                ("source", "/srv/projects"),
                ("started", START - 20),
                ("finished", START - 4),
            )
        ],
    )
    db.commit()
    db.close()


def _end(seconds: int, number: int) -> float:
    """When a client is done with the copy: some are sooner than others."""
    return START + seconds * (1 - 0.04 * (number % 4))


def _hosts(
    db: sqlite3.Connection, names: list[str], seconds: int, checked: float, check: bool, dead: bool
) -> None:
    for number, name in enumerate(names):
        end = START + seconds + checked if checked else _end(seconds, number)
        state = "planned" if check else "dead" if dead and number == 1 else "done"
        db.execute(
            "INSERT INTO hosts(name, number, state, heartbeat, started, finished, message) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                name,
                number,
                state,
                end,
                None if check else START,
                end if state == "done" else None,
                "no answer for 60 s" if state == "dead" else None,
            ),
        )


def _shards(
    db: sqlite3.Connection,
    names: list[str],
    targets: list[str],
    sizes: list[int],
    seconds: int,
    check: bool,
    unfinished: bool,
) -> None:
    per = max(1, len(sizes) // (len(names) * 12))
    for number, first in enumerate(range(0, len(sizes), per)):
        share = sizes[first : first + per]
        host = names[number % len(names)]
        state = "pending" if check or (unfinished and number % 5 == 4) else "done"
        mount = number // len(names) % len(targets)
        db.execute(
            "INSERT INTO shards(id, phase, kind, host, mount, claimed_by, items, files, bytes, "
            "cost, state, claimed, finished, first, last)"
            " VALUES (?, 1, 'copy', ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
            (
                number + 1,
                host,
                mount,
                host,
                len(share),
                len(share),
                sum(share),
                state,
                START if state == "done" else None,
                _end(seconds, number % len(names)) if state == "done" else None,
                "a/%d" % first,
                "a/%d" % (first + per),
            ),
        )
        if state == "done":
            db.execute(
                "INSERT INTO results VALUES (?, ?, ?, ?, 3, ?, 2, ?, 0, 0, 0, 0, 0, 0, 1.5)",
                (number + 1, host, targets[mount], len(share), sum(share), len(share)),
            )


def _checks(
    db: sqlite3.Connection, names: list[str], targets: list[str], begun: float, seconds: float
) -> None:
    """One shard of the second pass for each client."""
    for name in names:
        shard = db.execute(
            "INSERT INTO shards(phase, kind, host, mount, claimed_by, items, state, claimed, "
            "finished) VALUES (6, 'verify', ?, 0, ?, 10, 'done', ?, ?)",
            (name, name, begun, begun + seconds),
        ).lastrowid
        db.execute(
            "INSERT INTO results VALUES (?, ?, ?, 10, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 1.5)",
            (shard, name, targets[0]),
        )


def _samples(
    db: sqlite3.Connection, names: list[str], sizes: list[int], seconds: int, chance: random.Random
) -> None:
    files, size = len(sizes) / len(names), sum(sizes) / len(names)
    for number, name in enumerate(names):
        done, steps = 0.0, max(2, int(seconds * (1 - 0.04 * (number % 4))))
        weights = [
            chance.uniform(0.7, 1.3) * (0.5 if 0.4 < step / steps < 0.5 and number % 3 == 1 else 1)
            for step in range(steps)
        ]
        for step, weight in enumerate(weights):
            db.execute(
                "INSERT INTO samples VALUES (?, ?, ?, ?, ?)",
                (name, START + step, int(files * done), int(size * done), 16 if step < 5 else 32),
            )
            done += weight / sum(weights)
        db.execute(
            "INSERT INTO samples VALUES (?, ?, ?, ?, ?)",
            (name, START + steps, int(files), int(size), 32),
        )


def _slow(db: sqlite3.Connection, names: list[str], hostile: bool) -> None:
    paths = [b"genomics/2024/run%02d/reads" % number for number in range(25)] + (
        list(HOSTILE) if hostile else []
    )
    for number, path in enumerate(paths):
        db.execute(
            "INSERT INTO slow VALUES (?, ?, ?, ?, ?)",
            (
                names[number % len(names)],
                path,
                31.5 / (number + 1),
                12000 // (number + 1),
                9_000_000_000 // (number + 2),
            ),
        )


def _failures(
    db: sqlite3.Connection, names: list[str], targets: list[str], number: int, hostile: bool
) -> None:
    kinds = (
        (errno.EACCES, "open"),
        (errno.EIO, "read"),
        (errno.ENOSPC, "write"),
        (errno.ESTALE, "setattr"),
    )
    for at in range(number):
        code, operation = kinds[at % 7 % 4]
        path = b"scratch/%s/%06d" % (HOSTILE[at % len(HOSTILE)] if hostile else b"user", at)
        db.execute(
            "INSERT INTO failures VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
            (
                at,
                names[at % len(names)],
                targets[at % len(targets)],
                path,
                operation,
                code,
                os.strerror(code),
            ),
        )
