# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chunk of a shard with rsync: the settings, and the lines."""

from __future__ import annotations

import os
import socket
from typing import Callable

from ..copy.entry import copy_entry
from ..copy.rsync.buckets import BUCKET_BYTES, buckets
from ..copy.rsync.method import check_rsync
from ..copy.rsync.options import accepted_options, command, find_rsync
from ..copy.rsync.two_phases import Result, two_phases
from ..copy.session import Session
from ..core.errors import IngestError
from ..core.paths import split
from ..core.vocabulary import Kind
from ..core.want import Want
from ..fs.times import probe_granularity
from ..fs.worker_count import waits
from ..plan.shards import read_line
from .options import RsyncOptions
from .rsync_items import RsyncItems
from .settings import Settings

PROCESSES = 64  # the article's best over a network, on four cores


def configure(options: RsyncOptions, base: Settings, auto: bool) -> Settings:
    """The settings of :func:`.start.settings` with what a method with rsync needs besides.
    ``auto``: the number of workers is the method's to choose.

    Raises IngestError, as :func:`check_rsync`; no destination needs to exist for that.
    """
    preserve = frozenset(base.preserve)
    wanted = list(options.options)
    host = options.host or socket.gethostname()
    if base.fsync:
        wanted.append("--fsync")
    check_rsync(host, preserve, wanted)
    network = any(waits(path) for path in (base.source, *base.destinations))
    if options.method == "msrsync" and auto and network:
        base = base._replace(threads=-(-PROCESSES // base.processes))
    if base.bandwidth_limit:
        share = base.bandwidth_limit / (base.processes * base.threads) / 1024
        wanted.append(f"--bwlimit={max(1, int(share))}")
    made = command(
        find_rsync(host), preserve, accepted_options(wanted), _granularity(base.destinations[0])
    )
    return base._replace(
        copy_lines=copy_lines,
        rsync=tuple(made),
        rsync_verify=options.verify,
        chunk_files=options.bucket_files or 1 << 30,
        chunk_bytes=options.bucket_bytes or BUCKET_BYTES,
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
    session: Session, settings: Settings, lines: list[bytes], moved: Callable[[int], None]
) -> None:
    """Copy a chunk of a shard with rsync, both phases. What became of it is in the session's tally.

    Directories are made here and need none of their metadata yet. The engine copies what rsync
    can't, or not safely, and finishes what rsync leaves.
    """
    items = RsyncItems(session)
    for line in lines:
        items.add(*read_line(Kind.COPY, line))
    sizes = ((path, want.size) for path, want in items.wants.items())
    for bucket in buckets(sizes, settings.chunk_files, settings.chunk_bytes):
        result = two_phases(
            settings.rsync,
            session,
            bucket,
            settings.rsync_verify,
            lambda dummy, count: moved(count),
            items.existing.intersection(bucket),
        )
        _count(session, result)
        for path in result.left:
            _finish(session, path, items.wants[path], path in result.moved)


def _finish(session: Session, path: bytes, want: Want, moved: bool) -> None:
    """Set what the destination refused rsync. If that ``moved`` the item, it was not right before,
    as it looks now."""
    skipped, changed = session.tally.skipped, session.tally.changed
    copy_entry(session, *split(path), want)
    if moved and session.tally.skipped > skipped:
        session.tally.skipped = skipped
        session.tally.files += 1
        session.tally.changed = changed + 1


def _count(session: Session, result: Result) -> None:
    tally = session.tally
    tally.files += result.files
    tally.bytes += result.bytes
    tally.skipped += result.skipped
    tally.changed += result.changed
    tally.repaired += result.repaired
    tally.failed += len(result.failures)
    session.failures += result.failures
    for failure in result.failures:
        session.suspect(failure.operation, failure.errno)
