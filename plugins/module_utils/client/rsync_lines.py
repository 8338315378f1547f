# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chunk of a shard with rsync: the settings, and the lines."""

from __future__ import annotations

import os
import socket
import stat
from typing import Any, Callable, Iterator

from ..copy.entry import copy_entry
from ..copy.rsync.buckets import BUCKET_BYTES, buckets
from ..copy.rsync.method import check_rsync
from ..copy.rsync.options import check_options, command, find_rsync
from ..copy.rsync.two_phases import LONGEST_PATH, Result, two_phases
from ..copy.session import Session
from ..core.errors import IngestError
from ..core.paths import join, split
from ..fs.times import held_everywhere, probe_granularity
from ..fs.worker_count import waits
from ..plan.shards import read_line
from .line_operations import Row, entry_want, without
from .settings import Settings

PROCESSES = 64  # the article's best over a network, on four cores


def configure(options: dict[str, Any], base: Settings) -> Settings:
    """The settings of :func:`.start.settings` with what a method with rsync needs besides.

    Raises IngestError, as :func:`check_rsync`; no destination needs to exist for that.
    """
    preserve = frozenset(base.preserve)
    verify = options["_verify"] if options["verify"] == "plan" else options["verify"]
    wanted = list(options["rsync_options"])
    host = options["_host"] or socket.gethostname()
    if base.fsync:
        wanted.append("--fsync")
    check_rsync(host, preserve, wanted)
    network = any(waits(path) for path in (base.source, *base.destinations))
    if options["method"] == "msrsync" and options["workers"] == "auto" and network:
        base = base._replace(threads=-(-PROCESSES // base.processes))
    if base.bandwidth_limit:
        share = base.bandwidth_limit / (base.processes * base.threads) / 1024
        wanted.append("--bwlimit=%d" % max(1, share))
    made = command(
        find_rsync(host), preserve, check_options(wanted), _granularity(base.destinations[0])
    )
    return base._replace(
        rsync=tuple(made),
        rsync_verify=verify,
        chunk_files=options["bucket_files"] or 1 << 30,
        chunk_bytes=options["bucket_bytes"] or BUCKET_BYTES,
    )


def _granularity(destination: bytes) -> int:
    try:
        fd = os.open(destination, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 1
    except OSError as error:
        raise IngestError(f"destination '{os.fsdecode(destination)}': {error.strerror}") from error
    try:
        return probe_granularity(fd)
    except OSError:
        return 1
    finally:
        os.close(fd)


def copy_lines(
    copier: Session,
    settings: Settings,
    mount: bytes,
    lines: list[bytes],
    broken: frozenset[bytes],
    moved: Callable[[int], None],
) -> None:
    """Copy a chunk of a shard with rsync, both phases. What became of it is in the copier's tally.

    Directories are made here, so that rsync meets none that is a link, and need none of their
    metadata yet. The engine copies empty directories, what rsync can't, and finishes what rsync
    leaves.
    """
    rows: dict[bytes, Row] = {}
    linked: set[bytes] = set()
    user = os.geteuid()
    for line in lines:
        directory, found = read_line(line)
        theirs, ours = _share(without(found, directory, broken), directory, user)
        if theirs:
            try:
                target = copier.targets.get(directory, True)
                if not target.created:
                    linked.update(_linked(directory, theirs, target.fd))
            except OSError as error:
                error.operation = "make directory"  # type: ignore[attr-defined]
                for row in theirs:
                    copier.fail(join(directory, row[0]), error)
                theirs = []
        for row in theirs:
            path = join(directory, row[0])
            rows[path] = row
            if user and row[2] != user:
                copier.losses.add("owner", path, "only root can give a file to another user")
        for row in ours:
            copy_entry(copier, directory, row[0], entry_want(row))
    items = ((path, row[4]) for path, row in rows.items())
    for bucket in buckets(items, settings.chunk_files, settings.chunk_bytes):
        result = two_phases(
            settings.rsync,
            settings.source,
            mount,
            bucket,
            settings.rsync_verify,
            lambda dummy, count: moved(count),
            linked.intersection(bucket),
        )
        _count(copier, result)
        for path in result.left:
            _finish(copier, path, rows[path], path in result.moved)


def _finish(copier: Session, path: bytes, row: Row, moved: bool) -> None:
    """Set what the destination refused rsync. If that ``moved`` the item, it was not right before, as it
    looks now."""
    skipped, changed = copier.tally.skipped, copier.tally.changed
    copy_entry(copier, split(path)[0], row[0], entry_want(row))
    if moved and copier.tally.skipped > skipped:
        copier.tally.skipped = skipped
        copier.tally.files += 1
        copier.tally.changed = changed + 1


def _linked(directory: bytes, rows: list[Row], target: int) -> Iterator[bytes]:
    """Files that have several links in the destination by now."""
    for row in rows:
        try:
            found = os.stat(row[0], dir_fd=target, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
            yield join(directory, row[0])


def _share(rows: list[Row], directory: bytes, user: int) -> tuple[list[Row], list[Row]]:
    """(rsync's, the engine's): directories, paths too long for rsync, times that the destination may
    not hold, which rsync would set in every run, and set-id files whose owner this user can't keep,
    of which rsync would make set-id files of this user."""
    longest = LONGEST_PATH - len(directory)
    theirs: list[Row] = []
    ours: list[Row] = []
    for row in rows:
        lost = user and row[1] & 0o6000 and row[2] != user
        mine = stat.S_ISDIR(row[1]) or len(row[0]) >= longest or lost or not held_everywhere(row[5])
        (ours if mine else theirs).append(row)
    return theirs, ours


def _count(copier: Session, result: Result) -> None:
    tally = copier.tally
    tally.files += result.files
    tally.bytes += result.bytes
    tally.skipped += result.skipped
    tally.changed += result.changed
    tally.repaired += result.repaired
    tally.failed += len(result.failures)
    copier.failures += result.failures
    for failure in result.failures:
        copier.suspect(failure.operation, failure.errno)
