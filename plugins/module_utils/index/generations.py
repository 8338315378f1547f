# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of generations: one index for each scan, and ``current``, which names the newest.

::

    INDEX/current -> 20260101T120000.000000
    INDEX/20260101T120000.000000/0.db …
    INDEX/20251231T120000.000000/0.db …
    INDEX/.lock                               who scans now
    INDEX/.new/                               what is being scanned
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import threading
import time
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from typing import Any, Iterator

from ..core.errors import IngestError
from .schema import has_index

CURRENT = "current"
_LOCK, _NEW = ".lock", ".new"
_FORM = "%Y%m%dT%H%M%S.%f"
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}")
_SIGN = 2.0  # s between signs of the one who scans
_SILENCE = 20.0  # s without a sign of a scan on another machine


def find(folder: str) -> str:
    """The folder of the index that ``folder`` means: itself, its newest generation, or that of an
    ingest's run folder.

    Raises:
        IngestError: there is none.
    """
    for way in ("", CURRENT, "index", os.path.join("index", CURRENT)):
        inner = os.path.join(folder, way) if way else folder
        if has_index(inner):
            return os.path.realpath(inner) if way.endswith(CURRENT) else inner
    if not os.path.isdir(folder):
        raise IngestError(f"there is no index in {folder}: it is no directory")
    raise IngestError(f"there is no index in {folder}: scan the source first")


def generations(folder: str) -> list[str]:
    """The folders of the complete generations in ``folder``, the newest first; one that holds an
    index itself has only that. Raises IngestError: it can't be read, or there is none."""
    if has_index(folder):
        return [folder]
    try:
        newest = os.path.basename(os.readlink(os.path.join(folder, CURRENT)))
        names = sorted(filter(_NAME.fullmatch, os.listdir(folder)), reverse=True)
    except OSError as error:
        raise IngestError(f"there is no index in {folder}: {error.strerror}") from error
    # One that is newer than the current one never took its place.
    found = [os.path.join(folder, name) for name in names if name <= newest]
    return [each for each in found if has_index(each)]


class Place:
    """A folder of generations while one more is written: into ``new``, with ``old`` as the newest
    that is complete (None: there is none)."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.new = os.path.join(folder, _NEW)
        known = generations(folder) if os.path.lexists(os.path.join(folder, CURRENT)) else []
        self.old = known[0] if known else None

    def complete(self, keep: int) -> str:
        """Let what was written take its place, on disk, and forget all but ``keep`` generations;
        returns its folder. Raises IngestError."""
        try:
            return self._complete(keep)
        except OSError as error:
            raise IngestError(
                f"the index can't take its place in '{self.folder}': {error.strerror}"
            ) from error

    def _complete(self, keep: int) -> str:
        for folder, _folders, names in os.walk(self.new):
            for each in names:
                _to_disk(os.path.join(folder, each))
            _to_disk(folder)
        name = self._name()
        target = os.path.join(self.folder, name)
        os.rename(self.new, target)
        link = os.path.join(self.folder, _NEW)
        os.symlink(name, link)
        os.rename(link, os.path.join(self.folder, CURRENT))
        _to_disk(self.folder)
        self.sweep(keep)
        return target

    def _name(self) -> str:
        """When it was made; later than all others, whatever the clock says."""
        now = datetime.now(timezone.utc)
        if self.old is not None:
            last = datetime.strptime(os.path.basename(self.old), _FORM)
            now = max(now, last.replace(tzinfo=timezone.utc) + timedelta(microseconds=1))
        return now.strftime(_FORM)

    def sweep(self, keep: int = 0) -> None:
        """Remove what a scan that was killed left, and, with ``keep``, generations beyond so many.

        Whoever reads one of them has its files open, and reads on.
        """
        with suppress(OSError):
            if os.path.islink(self.new):
                os.unlink(self.new)
            else:
                shutil.rmtree(self.new, ignore_errors=True)
        kept = []
        with suppress(IngestError):
            kept = list(map(os.path.basename, generations(self.folder)))
        if keep:
            kept = kept[:keep]
        with suppress(OSError):
            for name in os.listdir(self.folder):
                if _NAME.fullmatch(name) and name not in kept:
                    shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)


@contextmanager
def writing(folder: str) -> Iterator[Place]:
    """Make the folder, keep other scans out of it, sweep what a killed one left.

    Raises:
        IngestError: another scan is at work there, or it can't be written.
    """
    if has_index(folder):
        raise IngestError(
            f"'{folder}' is an index itself, and no folder of generations: choose another"
        )
    try:
        os.makedirs(folder, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(os.path.join(folder, _LOCK), flags, 0o600)
    except OSError as error:
        raise IngestError(f"the index can't be written to '{folder}': {error.strerror}") from error
    ended = threading.Event()
    try:
        _enter(lock, folder)
        threading.Thread(target=_signs, args=(lock, ended), daemon=True).start()
        place = Place(folder)
        place.sweep()
        try:
            yield place
        finally:
            shutil.rmtree(place.new, ignore_errors=True)
            with suppress(OSError):
                os.ftruncate(lock, 0)
    finally:
        ended.set()
        os.close(lock)


def _enter(lock: int, folder: str) -> None:
    """Take the lock, or raise IngestError.

    flock(2) is enough on one machine and on file servers that know it. Where it only holds on each
    machine by itself (NFS with ``nolock``), the one who scans shows that it lives by the file's
    time; this machine's running clock tells how long that has stood still.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise IngestError(f"another scan is writing to '{folder}' now ({_who(lock)})") from error
    except OSError:
        pass  # a file system without locks
    try:
        before = os.fstat(lock)
        if before.st_size and _holder(lock).get("host") != socket.gethostname():
            until = time.monotonic() + _SILENCE
            while time.monotonic() < until:
                time.sleep(_SIGN / 2)
                # Asked of the server, not of this client's memory: opened anew.
                with open(os.path.join(folder, _LOCK), "rb") as again:
                    if os.fstat(again.fileno()).st_mtime_ns != before.st_mtime_ns:
                        raise IngestError(
                            f"another scan is writing to '{folder}' now ({_who(lock)})"
                        )
        told = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps(told).encode("ascii"), 0)
    except OSError as error:
        raise IngestError(f"the index can't be written to '{folder}': {error.strerror}") from error


def _holder(lock: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(lock, 4096, 0))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _who(lock: int) -> str:
    found = _holder(lock)
    return f"host {found.get('host', 'unknown')}, process {found.get('pid', 'unknown')}"


def _signs(lock: int, ended: threading.Event) -> None:
    while not ended.wait(_SIGN):
        with suppress(OSError):
            os.utime(lock)


def _to_disk(path: str) -> None:
    """Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
