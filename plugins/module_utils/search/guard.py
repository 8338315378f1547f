# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query only reads, and only so long; an index that others may write to is not read at all."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import time
from typing import Callable, NamedTuple

from ..core.errors import IngestError

# Actions of https://sqlite.org/c3ref/c_alter_table.html. Recursion has no name in older Pythons.
_READS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33)
_DENIED = ("load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "eval")
_STEPS = 50_000  # of SQLite's machine between two looks at the clock: some milliseconds


class Limits(NamedTuple):
    """``threads`` ask at once; after ``seconds`` (0: never) a query is ended; at most ``rows``
    (0: any number) are answered."""

    threads: int = 1
    seconds: float = 0.0
    rows: int = 0


class Watch:
    """Ends what runs on connections, when its time is up or it is told to."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds if seconds else 0.0
        self._seconds = seconds
        self.stopped = False

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return bool(self._until) and time.monotonic() > self._until

    def over(self, db: sqlite3.Connection) -> None:
        """Watch over a connection."""
        db.set_progress_handler(lambda: self.stopped or self.late, _STEPS)

    def sentence(self) -> str:
        """What is said of a query that ran too long."""
        return f"the query was ended: it took longer than {self._seconds:g} s"


def only_reads(db: sqlite3.Connection, writes_to: str = "") -> None:
    """From now on statements on a connection only read; rows may be added to the tables of the
    database ``writes_to``, which is our own."""

    def allowed(
        action: int, first: str | None, second: str | None, database: str | None, by: str | None
    ) -> int:
        if action == sqlite3.SQLITE_FUNCTION and second in _DENIED:
            return sqlite3.SQLITE_DENY
        if action in _READS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_INSERT and writes_to and database == writes_to:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    db.set_authorizer(allowed)


def limit_memory(size: int) -> None:
    """Let this process take no more than ``size`` bytes beside what it has: for programs that end
    after one query."""
    with open("/proc/self/statm", "rb") as stream:
        used = int(stream.read().split()[5]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = used + size
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def check_trust(paths: list[str], who: Callable[[int], str] = str) -> None:
    """Raises IngestError if anybody but root and the user of this process may write to one of these
    files and folders."""
    for path in paths:
        try:
            found = os.stat(path)
        except OSError as error:
            raise IngestError(f"{path} can't be read: {error.strerror}") from error
        if found.st_uid not in (0, os.geteuid()):
            why = f"it belongs to the user {who(found.st_uid)}"
        elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(found.st_mode):
            why = f"others may write to it (mode {stat.S_IMODE(found.st_mode):04o})"
        else:
            continue
        raise IngestError(f"the index is not trusted, as {path} is not: {why}")
