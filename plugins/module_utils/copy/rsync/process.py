# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rsync process, from its start to the end of all that it started."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from functools import lru_cache
from typing import IO, Any, Callable, Iterator, NamedTuple, Sequence

from ...core.outcome import Failure
from ...fs.directories import budget
from .messages import REPORT, Change, Reader, ending
from .options import environment
from .shelter import Shelter

Progress = Callable[[int, int], None]
_LINGER = 10.0  # seconds
_BEAT = 5.0  # seconds
_TELL = 0.5  # seconds between two words about progress
_DESCRIPTORS = 24  # of an rsync, with those of its start


class Ended(NamedTuple):
    """An rsync that has ended: its exit status, or less than 0; what it said of the items; and one
    sentence on what went wrong with the whole."""

    code: int
    failures: dict[bytes, Failure]
    refused: set[bytes]
    message: str


def rsync(
    arguments: Sequence[str],
    shelter: Shelter,
    called: dict[bytes, bytes],
    changed: Callable[[Change], None],
    progress: Progress | None,
) -> Ended:
    """Run rsync over items, ``called`` so in the shelter, and wait for its end. Closes the shelter.

    ``changed`` hears of each item that rsync touches, ``progress`` of files and bytes since the
    last time.
    """
    with tempfile.TemporaryFile() as errors:
        ended, held = os.pipe()
        try:
            process = _start([*arguments, REPORT, "--"], list(called), shelter, errors, held)
        except (OSError, subprocess.SubprocessError) as error:
            os.close(ended)
            why = getattr(error, "strerror", None) or str(error)
            return Ended(-1, {}, set(), f"rsync could not be started: {why}")
        finally:
            os.close(held)
        reader = Reader(called, shelter.roots)
        try:
            skipped = _follow(process, reader, changed, progress)
            code = process.wait()
            # rsync is three processes, and after an error the writing one may outlive the
            # first for a moment: the pipe that they all hold shows when the last is gone.
            _readable(ended, _LINGER)
        except BaseException:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            os.close(ended)
        errors.seek(0)
        told = reader.complaints(errors)
    for path in skipped:
        why = "only root can make this kind of file"
        told.failures[path] = Failure(path, "create", errno.EPERM, why)
    return Ended(code, told.failures, told.refused, ending(code, told.rest))


def _start(
    command: list[str], names: list[bytes], shelter: Shelter, errors: IO[bytes], held: int
) -> subprocess.Popen[bytes]:
    """Start rsync in the shelter, which this process needs no more then. Raises OSError,
    SubprocessError: the shelter can't be entered."""
    parent = os.getpid()
    try:
        return subprocess.Popen(
            [*command, *map(_argument, names), shelter.target + b"/"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(),
            pass_fds=[held, *shelter.inherited],
            start_new_session=True,
            preexec_fn=lambda: shelter.enter(parent),  # noqa: PLW1509
        )
    finally:
        shelter.close()


@lru_cache(maxsize=None)
def slots() -> threading.Semaphore:
    """To be held from the making of a shelter to the end of its rsync: as many at once as the files
    allow that this process may have open."""
    return threading.Semaphore(max(1, budget() // _DESCRIPTORS))


def _argument(name: bytes) -> bytes:
    """A colon in front of the first slash would end the name of a host."""
    return b"./" + name if b":" in name.partition(b"/")[0] else name


def _follow(
    process: subprocess.Popen[bytes],
    reader: Reader,
    changed: Callable[[Change], None],
    progress: Progress | None,
) -> list[bytes]:
    """Read rsync's report as it comes; returns what it would not copy."""
    skipped = []
    files = moved = 0
    told = time.monotonic()
    stream: Any = process.stdout
    with stream:
        for line in _lines(stream, process.pid, progress):
            change = reader.change(line)
            if change is None:
                path = reader.skipped(line)
                if path is not None:
                    skipped.append(path)
                continue
            changed(change)
            if change.copied:
                files += 1
                moved += change.bytes
                if progress and time.monotonic() - told > _TELL:
                    progress(files, moved)
                    files = moved = 0
                    told = time.monotonic()
    if progress and files:
        progress(files, moved)
    return skipped


def _lines(stream: IO[bytes], pid: int, progress: Progress | None) -> Iterator[bytes]:
    """The lines of a report. While none comes and rsync still reads or writes, ``progress`` hears
    of it with zeros, so that a large file is not taken for a mount that hangs."""
    rest = b""
    before = 0
    while True:
        if progress and not _readable(stream.fileno(), _BEAT):
            now = _activity(pid)
            if now != before:
                progress(0, 0)
            before = now
            continue
        block = os.read(stream.fileno(), 1 << 16)
        if not block:
            break
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _readable(descriptor: int, seconds: float) -> bool:
    """Wait so long until there is something to read, or the end. poll knows every descriptor."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(seconds * 1000))


def _activity(pid: int) -> int:
    """Bytes that a process and its children have read and written; a process that is gone: 0."""
    total = 0
    with suppress(OSError, ValueError):
        with open(f"/proc/{pid}/io", encoding="ascii") as stream:
            total += sum(int(line.split()[1]) for line in list(stream)[:2])
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
            total += sum(_activity(int(child)) for child in stream.read().split())
    return total
