# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flat memory: a plan of ten million entries, a client's copy of a million files."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from typing import Iterator

from .measure import ROOT, Result, engine, environment, run

PLAN_LIMIT, CLIENT_LIMIT = 300.0, 200.0  # MB
ENTRIES, PER_DIRECTORY, SHARDS = 10_000_000, 500, 4
FILES, FOLDERS = 1_000_000, 1000


def write_index(folder: str, entries: int, shards: int = SHARDS) -> None:
    """A synthetic index: entries in directories of PER_DIRECTORY, two levels deep, spread over
    shards as a scan would; streamed."""
    with open(os.path.join(ROOT, "tests", "benchmarks", "index.sql"), encoding="utf-8") as file:
        schema = file.read()
    os.makedirs(folder)
    directories = entries // PER_DIRECTORY
    now = int(time.time() * 1e9)
    for shard in range(shards):
        db = sqlite3.connect(os.path.join(folder, "%d.db" % shard), isolation_level=None)
        db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + schema + "BEGIN;")
        numbers = range(shard, directories, shards)
        tops = sorted({n // 1000 for n in range(directories)}) if shard == 0 else []
        rows = [(0, 0, b"", b"", 0, len(tops), 0, 0, 0)] if shard == 0 else []
        rows += [(1 + n, 0, b"top%05d" % n, b"top%05d" % n, 1, 1000, 0, 0, 0) for n in tops]
        first = 1
        for place, n in enumerate(numbers):
            path = b"top%05d/directory %07d" % (n // 1000, n)
            at = first + place * PER_DIRECTORY
            rows.append(
                (
                    100_000 + n,
                    1 + n // 1000,
                    path,
                    path.replace(b"/", b"\0"),
                    2,
                    0,
                    PER_DIRECTORY,
                    at,
                    at + PER_DIRECTORY - 1,
                )
            )
        db.executemany(
            "INSERT INTO raw_directories(id, parent, path, sort, depth, inode, device, mode, "
            "uid, gid, nlink, blocks, atime, mtime, ctime, entries, files, bytes, disk, "
            "subdirectories, first, last, names) VALUES (?1, ?2, ?3, ?4, ?5, ?1 + 1, 1, 16877, 0, "
            "0, 2, 8, %d, %d, %d, ?7, ?7, ?7 * 1000, ?7 * 4096, ?6, ?8, ?9, 0)" % (now, now, now),
            rows,
        )
        db.executemany(
            "INSERT INTO raw_entries(id, directory, name, type, inode, device, mode, nlink, uid, "
            "gid, size, blocks, rdev, atime, mtime, ctime) VALUES (?1, ?2, ?3, 'f', ?1, 1, 33188, "
            "1, 0, 0, 1000, 8, 0, %d, %d, %d)" % (now, now, now),
            _entries(numbers),
        )
        db.execute("CREATE INDEX directories_sort ON raw_directories(sort)")
        meta = {
            "source": "/nowhere",
            "include": [],
            "exclude": [],
            "globs": [],
            "started": now / 1e9,
            "finished": now / 1e9,
            "shards": shards,
        }
        db.executemany(
            "INSERT INTO meta VALUES (?, ?)",
            [(key, json.dumps(value)) for key, value in meta.items()],
        )
        db.execute("COMMIT")
        db.close()


def _entries(numbers: range) -> Iterator[tuple[int, int, bytes]]:
    row = 0
    for n in numbers:
        for entry in range(PER_DIRECTORY):
            row += 1
            yield row, 100_000 + n, b"some file %08d.dat" % entry


def plan_ten_million(folder: str) -> list[Result]:
    """Peak memory of a process that plans them, for each split."""
    index = os.path.join(folder, "index")
    print("writing an index of %d entries" % ENTRIES, flush=True)
    write_index(index, ENTRIES)
    results = []
    for split in ("round_robin", "balanced"):
        plan = os.path.join(folder, "plan.db")
        done = run(engine("--plan", index, plan, split), weigh=True, env=environment())
        print(
            f"  {split}: {done.seconds:.0f} s, {done.largest:.0f} MB, plan.db "
            f"{os.path.getsize(plan) / 1000000.0:.0f} MB",
            flush=True,
        )
        planned = json.loads(done.output)
        if planned != ENTRIES:
            raise RuntimeError("%d of %d items planned" % (planned, ENTRIES))
        results.append(
            Result(
                f"memory: plan of 10 million entries, {split} (RSS)",
                done.largest,
                PLAN_LIMIT,
                "MB",
                {"seconds": done.seconds},
            )
        )
        os.unlink(plan)
    shutil.rmtree(index)
    return results


def client_of_a_million(folder: str) -> list[Result]:
    """Peak memory of scan, plan and copy of as many empty files on one client."""
    source, to = os.path.join(folder, "million"), os.path.join(folder, "copy")
    print("making %d empty files" % FILES, flush=True)
    for number in range(FOLDERS):
        os.makedirs(os.path.join(source, "d%d" % number))
        at = os.open(os.path.join(source, "d%d" % number), os.O_RDONLY)
        for file in range(FILES // FOLDERS):
            os.close(os.open("file %d" % file, os.O_WRONLY | os.O_CREAT, dir_fd=at))
        os.close(at)
    os.mkdir(to)
    done = run(engine(source, os.path.join(folder, "state"), to), weigh=True, env=environment())
    counts = json.loads(done.output)["counts"]
    if counts["files"] != FILES or counts["failed"]:
        raise RuntimeError(f"not all was copied: {counts}")
    print(
        f"  {done.seconds:.0f} s, largest process {done.largest:.0f} MB, "
        f"all {done.together:.0f} MB",
        flush=True,
    )
    for tree in (source, to, os.path.join(folder, "state")):
        shutil.rmtree(tree)
    details = {"seconds": done.seconds}
    return [
        Result(
            "memory: client of 1 million files, largest process (RSS)",
            done.largest,
            CLIENT_LIMIT,
            "MB",
            details,
        ),
        Result(
            "memory: client of 1 million files, all its processes (PSS)",
            done.together,
            CLIENT_LIMIT,
            "MB",
            details,
        ),
    ]
