# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time writes a destination.

The lock is the directory ``.ingest-lock`` in the destination, with an entry for each host at work:
its name begins with the run's, it holds who that is, and its time changes while the host lives. A
host enters if all entries are its own run's, looks again, and leaves if another run's came in
between: of two that enter at once at least one sees the other. What changes no more for a lease,
counted by the one who looks, is dead. Nothing here compares the clocks of two machines.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import stat
import time
from contextlib import contextmanager, suppress
from typing import Any, Callable, Iterator, NamedTuple, Sequence

from ..core.clock import elapsed
from ..core.errors import IngestError
from ..core.paths import display
from ..fs.refresh import refresh
from ..mounts.same_export import closed_to_owner, put_back

NAME = b".ingest-lock"
RENEWALS = 10  # in a lease
_ENTRY = re.compile(r"([0-9a-f]{16,64})\.[0-9a-f]{16}")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST = 4096  # bytes of an entry that are read


class Member(NamedTuple):
    """A host of a run, as it enters."""

    run: str  # hexadecimal, the same for all hosts of the run
    entry: str  # 16 hexadecimal digits, of this host
    host: str
    folder: str  # the run's, on its controller
    lease: float  # seconds

    @property
    def name(self) -> str:
        """Of the entry."""
        return f"{self.run}.{self.entry}"


class Lock:
    """The lock of a destination, over one mount, for one member."""

    def __init__(self, destination: bytes, member: Member) -> None:
        self.destination = destination
        self.member = member
        self._path = os.path.join(destination, NAME)

    def entries(self) -> dict[str, int]:
        """The times (ns) of all entries. Raises OSError."""
        try:
            directory = os.open(self._path, _DIRECTORY)
        except FileNotFoundError:
            return {}
        found = {}
        try:
            refresh(directory)
            for name in os.listdir(directory):
                if _ENTRY.fullmatch(name):
                    refresh(directory, name.encode("ascii"))
                    with suppress(FileNotFoundError):
                        entry = os.stat(name, dir_fd=directory, follow_symlinks=False)
                        found[name] = entry.st_mtime_ns
        finally:
            os.close(directory)
        return found

    def others(self) -> dict[str, int]:
        """The entries of other runs. Raises OSError."""
        mine = self.member.run + "."
        return {name: at for name, at in self.entries().items() if not name.startswith(mine)}

    def enter(self) -> dict[str, int]:
        """Enter, unless others have; returns these. Raises OSError."""
        others = self.others()
        while not others:
            try:
                self._write()
            except FileNotFoundError:  # not there yet, or its last member just left
                self._make()
                continue
            others = self.others()
            if others:
                self.remove([self.member.name])
            break
        return others

    def _write(self) -> None:
        text = dict(self.member._asdict(), machine=socket.gethostname(), pid=os.getpid())
        text["since"] = time.strftime("%Y-%m-%d %H:%M:%S %z")
        directory = os.open(self._path, _DIRECTORY)
        try:
            file = os.open(self.member.name, _FILE, 0o644, dir_fd=directory)
            try:
                os.fchmod(file, 0o644)
                os.ftruncate(file, 0)
                os.write(file, json.dumps(text).encode("ascii"))
            finally:
                os.close(file)
        finally:
            os.close(directory)

    def _make(self) -> None:
        with _as_before(self.destination) as changed, suppress(FileExistsError):
            os.mkdir(self._path, 0o755)
            changed.append(True)
            os.chmod(self._path, 0o755)

    def renew(self) -> None:
        """Show that this member lives. Raises FileNotFoundError if it was taken for dead, and
        OSError."""
        directory = os.open(self._path, _DIRECTORY)
        try:
            os.utime(self.member.name, dir_fd=directory, follow_symlinks=False)
        finally:
            os.close(directory)

    def remove(self, names: Sequence[str]) -> None:
        """Remove entries that may be there. Raises OSError."""
        try:
            directory = os.open(self._path, _DIRECTORY)
        except FileNotFoundError:
            return
        try:
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)
        finally:
            os.close(directory)

    def leave(self, lost: Sequence[str] = ()) -> None:
        """Leave, with the entries of hosts that this run has lost; the last one removes the lock,
        and the destination keeps its times. Raises OSError."""
        self.remove([self.member.name, *(f"{self.member.run}.{entry}" for entry in lost)])
        with _as_before(self.destination) as changed, suppress(OSError):
            os.rmdir(self._path)
            changed.append(True)

    def holder(self, name: str) -> dict[str, Any]:
        """What an entry says, as far as it can be read."""
        try:
            directory = os.open(self._path, _DIRECTORY)
            try:
                file = os.open(
                    name,
                    os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK,
                    dir_fd=directory,
                )
                try:
                    found = json.loads(os.read(file, _MOST))
                finally:
                    os.close(file)
            finally:
                os.close(directory)
            return found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            return {}


@contextmanager
def _as_before(path: bytes) -> Iterator[list[bool]]:
    """What is made or removed in a directory, if anything, changes neither its times nor its mode,
    even if it is closed to its owner."""
    before = os.stat(path)
    closed = closed_to_owner(before)
    if closed:
        os.chmod(path, stat.S_IMODE(before.st_mode) | 0o300)
    changed: list[bool] = []
    try:
        yield changed
    finally:
        if closed:
            os.chmod(path, stat.S_IMODE(before.st_mode))
        if changed:
            put_back(path, before.st_atime_ns, before.st_mtime_ns)


class Patience:
    """Tells the dead from those that are at work, by looking again and again."""

    def __init__(self, lease: float, clock: Callable[[], float] = elapsed) -> None:
        """``lease``: seconds, at least that of those who are looked at."""
        self.lease = lease
        self._clock = clock
        self._begun = clock()
        self._seen: dict[str, tuple[int, float]] = {}

    def judge(self, entries: dict[str, int]) -> tuple[list[str], str]:
        """The entries that are dead, and one that is at work ("": perhaps all are about to end).

        Jobs whose controller died end before 0.8 of the lease is over, so what is renewed after
        that has a living one.
        """
        now = self._clock()
        dead, at_work = [], ""
        for name, written in entries.items():
            at, since = self._seen.get(name, (written, now))
            if at != written:
                since = now
                if now - self._begun > 0.8 * self.lease:
                    at_work = name
            elif now - since > self.lease:
                dead.append(name)
            self._seen[name] = (written, since)
        return dead, at_work


def take(lock: Lock, wait: Callable[[str], None]) -> None:
    """Enter, when other runs have left; ``wait`` is told for whom, and may raise.

    Raises IngestError: another run is at work, or there can be no lock.
    """
    patience = Patience(lock.member.lease)
    try:
        while True:
            others = lock.enter()
            if not others:
                return
            name = next(iter(others))
            found = lock.holder(name)
            lease = found.get("lease")
            if isinstance(lease, (int, float)):
                patience.lease = max(patience.lease, min(lease, 3600.0))
            dead, at_work = patience.judge(others)
            whose = _whose(found)
            if at_work:
                raise IngestError(
                    f"'{display(lock.destination)}' is being written by another run, {whose}: "
                    "wait for its end, or set ingest_destination_lock to false"
                )
            lock.remove(dead)
            if not dead:
                wait(f"'{display(lock.destination)}' is locked by another run, {whose}")
                time.sleep(random.uniform(0.2, 0.8))
    except OSError as error:
        raise IngestError(
            f"'{display(lock.destination)}' can't be locked ({error.strerror}): "
            "ingest_destination_lock: false does without"
        ) from error


def _whose(found: dict[str, Any]) -> str:
    """A holder in words. What an entry says may be anybody's."""
    host, folder, since = (
        "".join(c if c.isprintable() else "?" for c in str(found.get(key, "unknown"))[:200])
        for key in ("host", "folder", "since")
    )
    return f"{folder} on host {host} since {since}"
