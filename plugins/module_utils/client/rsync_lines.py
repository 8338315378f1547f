# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chunk of a shard with rsync: the settings, and the lines."""

from __future__ import annotations

import os
import socket
import stat
from typing import Callable, Sequence

from ..copy.entry import copy_entry
from ..copy.rsync.buckets import BUCKET_BYTES, buckets
from ..copy.rsync.method import check_rsync
from ..copy.rsync.options import accepted_options, command, find_rsync
from ..copy.rsync.two_phases import Result, two_phases
from ..copy.session import Session
from ..core.changes import GROUP, MODE, OWNER, by_inode
from ..core.errors import IngestError
from ..core.paths import join, split
from ..core.vocabulary import Kind, LineState
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
) -> list[int]:
    """Copy a chunk of a shard with rsync, both phases. What became of it is in the session's tally.
    Returns the :class:`..core.vocabulary.LineState` of each line.

    Directories are made here and need none of their metadata yet. The engine copies what rsync
    can't, or not safely, and finishes what rsync leaves.
    """
    items = RsyncItems(session)
    read = [read_line(Kind.COPY, line) for line in lines]
    for directory, rows in read:
        items.add(directory, rows)
    sizes = ((path, want.size) for path, want in items.wants.items())
    for bucket in buckets(sizes, settings.chunk_files, settings.chunk_bytes):
        result = two_phases(
            limited(settings),
            session,
            bucket,
            settings.rsync_verify,
            lambda dummy, count: moved(count),
            items.existing.intersection(bucket),
        )
        _count(session, result)
        items.equal |= result.equal
        _look_at_one(session, bucket, items.wants, result)
        for path in result.left:
            _finish(session, path, items.wants[path], path in result.moved)
    # rsync does not say which items have attributes.
    state = LineState.ATTRIBUTES if session.metadata.attributes else 0
    return [
        state | LineState.EQUAL
        if settings.compared_is_proved
        and all(join(directory, row.name) in items.equal for row in rows)
        and not all(stat.S_ISDIR(row.want.mode) for row in rows)
        else state
        for directory, rows in read
    ]


def limited(settings: Settings) -> tuple[str, ...]:
    """The command, within what one of the workers may do now."""
    limit = settings.allowance.bytes if settings.allowance else 0
    if not limit:
        return settings.rsync
    share = limit / (settings.processes * settings.threads) / 1024
    program, *options = settings.rsync
    return (program, f"--bwlimit={max(1, int(share))}", *options)


def _look_at_one(
    session: Session, bucket: Sequence[bytes], wants: dict[bytes, Want], result: Result
) -> None:
    """Destinations may take a mode and an owner without a complaint, and keep others. rsync
    believes that, so one item of each list is looked at, and what can't be held is noted."""
    failed = {failure.path for failure in result.failures}
    path = next((path for path in bucket if path not in failed and path not in result.left), None)
    if path is None or b"" in failed or not session.metadata.root:
        return
    directory, name = split(path)
    target = session.target(directory).fd
    try:
        found = os.stat(name, dir_fd=target, follow_symlinks=False)
    except OSError:  # which the second pass says
        return
    if by_inode(session.metadata.kept, wants[path], found) & (MODE | OWNER | GROUP):
        tally = session.tally
        before = tally.files, tally.skipped, tally.changed
        copy_entry(session, directory, name, wants[path])
        tally.files, tally.skipped, tally.changed = before


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
