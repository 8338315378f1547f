# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference of two generations of ten million entries, and the numbers of a tree's page."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys

from ansible_collections.scaleout.ingest.plugins.module_utils.provision import executables

from . import measure
from .measure import Result
from .searching import synthetic

PROFILE = (
    "import sys; from ansible_collections.scaleout.ingest.plugins.module_utils.index.profile import"
    " profile; sys.stdout.write(str(profile(sys.argv[1])['totals']['files']))"
)
# Of a hundred files one was written, one of a thousand renamed, and one of 5,000 directories moved.
CHANGES = (
    "UPDATE raw_entries SET size = size + 1, mtime = mtime + 1, ctime = ctime + 1 WHERE id % 100=7",
    "UPDATE raw_entries SET name = CAST('z' || name AS BLOB), ctime = ctime + 1 WHERE id % 1000=0",
    "UPDATE raw_directories SET path = CAST(path || '-moved' AS BLOB), ctime = ctime + 1,"
    " sort = CAST(sort || '-moved' AS BLOB), name = CAST(name || '-moved' AS BLOB)"
    " WHERE depth = 1 AND id / 64 % 5000 = 3",
)


def two_generations(folder: str) -> list[Result]:
    """Time and memory of the difference, and what it must find; time of the page's numbers."""
    old, new = os.path.join(folder, "old"), os.path.join(folder, "new")
    os.makedirs(old, mode=0o755)
    synthetic(old)
    shutil.copytree(old, new)
    changed = [0, 0, 0]
    for name in sorted(os.listdir(new)):
        db = sqlite3.connect(os.path.join(new, name), isolation_level=None)
        db.execute("PRAGMA journal_mode=OFF")
        for at, statement in enumerate(CHANGES):
            changed[at] += db.execute(statement).rowcount
        db.close()
    command = os.path.join(folder, "ingest-find")
    with open(command, "wb") as stream:
        stream.write(executables.build("ingest-find", sys.executable))
    os.chmod(command, 0o755)
    listed = os.path.join(folder, "changes")
    run = measure.run(
        [command, "--diff", "--json", "-o", listed, old, new],
        weigh=True,
        env={**os.environ, "TMPDIR": folder},
    )
    found = {"changed": 0, "moved d": 0, "moved f": 0}
    with open(listed, encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            key = row["change"] + (f" {row['type']}" if row["change"] == "moved" else "")
            found[key] += 1
    assert found == {"changed": changed[0], "moved f": changed[1], "moved d": changed[2]}, found
    page = measure.run([sys.executable, "-c", PROFILE, new], weigh=True, env=measure.environment())
    details = {"processor": run.processor, "changes": sum(found.values())}
    return [
        Result("10M entries: difference of two generations", run.seconds, 60.0, "s", details),
        Result("10M entries: the difference's memory", run.together, 300.0, "MB"),
        Result(
            "10M entries: the numbers of a page", page.seconds, None, "s",
            {"processor": page.processor},
        ),
        Result("10M entries: the page's memory", page.together, 300.0, "MB"),
    ]  # fmt: skip
