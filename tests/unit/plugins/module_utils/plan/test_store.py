# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.db: it appears whole, and survives."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore

SHARD = (
    "INSERT INTO shards(phase, kind, host, mount, items, files, bytes, cost, state) "
    "VALUES (1, 'copy', ?, 0, 1, 1, 10, 1.0, 'pending')"
)


def published(path: str, network: bool = False) -> PlanStore:
    store = PlanStore.create(path + ".part")
    with store.transaction() as db:
        db.executemany(SHARD, [("one",), ("two",), (None,)])
        store.count_parts()
    store.publish(path, network)
    return PlanStore.open(path)


def parts(store: PlanStore) -> list[tuple[object, ...]]:
    return store.db.execute(
        "SELECT phase, host, pending, claimed, files, bytes, done_files, done_bytes FROM parts "
        "WHERE files > 0 ORDER BY host"
    ).fetchall()


@pytest.mark.parametrize("network, mode", [(False, "wal"), (True, "truncate")])
def test_a_plan_takes_the_place_of_another_when_it_is_complete(
    tmp_path: Path, network: bool, mode: str
) -> None:
    path = str(tmp_path / "plan.db")
    with published(path, not network) as old:
        old.set_meta(which="old")
        new = PlanStore.create(path + ".part")
        with PlanStore.open(path, readonly=True) as seen:
            assert seen.meta() == {"which": "old"}
        new.set_meta(which="new")
        new.count_parts()
        new.publish(path, network)
    with PlanStore.open(path) as store:
        assert store.meta() == {"which": "new"}
        assert store.db.execute("PRAGMA journal_mode").fetchone() == (mode,)
    assert [name for name in os.listdir(tmp_path) if name.endswith(".part")] == []


def test_what_was_committed_outlives_its_writer(tmp_path: Path) -> None:
    """A process that is killed leaves the log behind, and the plan is the two together, as a copy
    of the folder has them."""
    path = str(tmp_path / "plan.db")
    published(path).close()
    program = (
        "import os, signal, sys, sqlite3\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('PRAGMA synchronous=NORMAL')\n"
        "db.execute(\"UPDATE shards SET state='done' WHERE id=1\")\n"
        "db.execute('BEGIN IMMEDIATE')\n"
        "db.execute(\"UPDATE shards SET state='done' WHERE id=2\")\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, path], check=False).returncode < 0
    assert os.path.getsize(path + "-wal") > 0
    copied = tmp_path / "copy"
    copied.mkdir()
    for name in ("plan.db", "plan.db-wal"):
        shutil.copy(tmp_path / name, copied / name)
    for where in (path, str(copied / "plan.db")):
        with PlanStore.open(where) as store:
            found = store.db.execute("SELECT state FROM shards ORDER BY id").fetchall()
            assert found == [("done",), ("pending",), ("pending",)]
            assert store.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_plan_that_is_put_away_is_one_file(tmp_path: Path) -> None:
    path = str(tmp_path / "plan.db")
    with published(path) as store:
        store.set_meta(run="one")
        store.put_away()
    assert os.listdir(tmp_path) == ["plan.db"]
    address = f"file:{path}?immutable=1"
    with sqlite3.connect(address, uri=True) as db:
        assert db.execute("SELECT value FROM meta").fetchone() == ('"one"',)


def test_putting_away_waits_for_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "plan.db")
    with published(path) as store, PlanStore.open(path) as other:
        other.db.execute("BEGIN IMMEDIATE")
        store.put_away()
        assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_shards_that_come_later_are_counted(tmp_path: Path) -> None:
    with published(str(tmp_path / "plan.db")) as store:
        assert parts(store) == [
            (1, "", 1, 0, 1, 10, 0, 0),
            (1, "one", 1, 0, 1, 10, 0, 0),
            (1, "two", 1, 0, 1, 10, 0, 0),
        ]
        with store.transaction() as db:
            db.executemany(SHARD, [("one",), ("three",)])
        assert parts(store)[1:3] == [(1, "one", 2, 0, 2, 20, 0, 0), (1, "three", 1, 0, 1, 10, 0, 0)]
