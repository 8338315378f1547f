# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan holds, read without the planner."""

from __future__ import annotations

import os
import sqlite3

from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import Kind, Phase
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import plan


def paths(file: str) -> dict[bytes, set[str]]:
    """The kinds of shards in which each path of a plan.db is to be done something."""
    found: dict[bytes, set[str]] = {}
    db = sqlite3.connect(file)
    try:
        for kind, payload in db.execute(
            "SELECT kind, payload FROM shards JOIN payloads ON shard=id WHERE kind<>? "
            "AND phase NOT IN (?, ?)",
            (Kind.VERIFY, Phase.RIGHT, Phase.SCAN),
        ):
            for _files, _bytes, body in shards.unpack(payload):
                directory, rows = shards.read_line(kind, body)
                for row in rows:
                    found.setdefault(shards.path_of(directory, row), set()).add(kind)
    finally:
        db.close()
    return found


def unplanned(index: str, source: bytes, destination: bytes, folder: str) -> set[bytes]:
    """Plan an index; the paths that are not in the plan."""
    file = os.path.join(folder, "compared.db")
    plan(index, file, ["one"], source=os.fsdecode(source), destinations=[os.fsdecode(destination)])
    reader = Index(index)
    try:
        everything = {b"", *reader.paths()}
    finally:
        reader.close()
    return everything - set(paths(file))
