# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit of claims: who had which shard when, noted by plan.db itself, and judged by a replay.

A shard is one host's until that has said what became of it or is believed dead; it is claimed when
what it needs is done, and never twice at once.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from typing import Any

_INSTALL = (
    "CREATE TABLE audit(shard INTEGER, before TEXT, had TEXT, state TEXT, has TEXT)",
    "INSERT INTO audit SELECT id, NULL, NULL, state, claimed_by FROM shards",
    "CREATE TRIGGER audited AFTER UPDATE OF state ON shards BEGIN INSERT INTO audit "
    "VALUES (NEW.id, OLD.state, OLD.claimed_by, NEW.state, NEW.claimed_by); END",
    "CREATE TRIGGER audited_new AFTER INSERT ON shards BEGIN INSERT INTO audit "
    "VALUES (NEW.id, NULL, NULL, NEW.state, NEW.claimed_by); END",
)
# (before, after) of a shard; the same again where a piece of it was cut off.
_ALLOWED = {
    *(("waiting", "pending"), ("pending", "claimed"), ("pending", "done")),
    *(("claimed", "done"), ("claimed", "pending")),
    *((state, state) for state in ("waiting", "pending")),
}
_DIRECTORIES, _CHECK = (4, 5), 6


def watch(plan: str, run: subprocess.Popen[bytes]) -> None:
    """Have the plan of a run noted as soon as it is there."""
    while run.poll() is None:
        if os.path.exists(plan) and _install(plan):
            return
        time.sleep(0.05)


def _install(plan: str) -> bool:
    try:
        with sqlite3.connect(plan, isolation_level=None, timeout=20) as db:
            db.execute("BEGIN IMMEDIATE")
            known = "SELECT 1 FROM sqlite_master WHERE name='audit'"
            if db.execute(known).fetchone() is None:
                for statement in _INSTALL:
                    db.execute(statement)
            db.execute("COMMIT")
        return True
    except sqlite3.Error:
        return False


def judge(plan: str) -> list[str]:
    """What was wrong with the claims of a run, if its plan was noted."""
    try:
        with sqlite3.connect(f"file:{plan}?mode=ro", uri=True) as db:
            shards = {
                number: (phase, of)
                for number, phase, of in db.execute("SELECT id, phase, of FROM shards")
            }
            steps = db.execute("SELECT shard, before, had, state, has FROM audit ORDER BY rowid")
            return _replay(shards, steps.fetchall())[:5]
    except sqlite3.Error:
        return []


def _replay(shards: dict[int, tuple[int, int | None]], steps: list[tuple[Any, ...]]) -> list[str]:
    wrong: list[str] = []
    states: dict[int, str] = {}
    undone = dict.fromkeys(range(_CHECK), 0)  # of each phase before the second pass
    for shard, before, had, state, has in steps:
        phase, of = shards[shard]
        if phase in undone:
            undone[phase] += (state != "done") - (states.get(shard, "done") != "done")
        states[shard] = state
        if before is None:
            continue
        if (before, state) not in _ALLOWED:
            wrong.append(f"shard {shard} was {before} by {had}, and is {state} by {has}")
        if (before, state) == ("claimed", "done") and had != has:
            wrong.append(f"shard {shard} was {had}'s, and was done by {has}")
        if state != "claimed":
            continue
        if of is not None and states[of] != "done":
            wrong.append(f"shard {shard} is checked before its copy {of} is done")
        if phase in _DIRECTORIES and any(undone[other] for other in range(phase)):
            wrong.append(f"directories ({shard}) are given their times before all is made")
    return wrong
