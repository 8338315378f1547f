# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Those who use files while these move, and know every byte that they were told is written.

Each is a process of its own and works in the union alone. Its own files nobody else changes, so it
knows what must be in them; shared files get records or increments, which are counted at the end.
Whatever is not as it must be is a line of ``wrong``.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import random
import subprocess
import time
import zlib
from typing import Callable

RECORD = 40


class Actor:
    """One user of the union."""

    def __init__(
        self, root: bytes, number: int, seed: int, files: int, cached: bool, holds: bool = True
    ) -> None:
        """``cached``: the union remembers contents by name, so that what is written by one name of
        a file is seen a second later by the other. ``holds``: this actor keeps files open while it
        does other things."""
        self.cached = cached
        self.holds = holds
        self.root = root
        self.number = number
        self.dice = random.Random(seed * 1000 + number)
        self.mine: dict[bytes, bytearray] = {}
        self.records = 0
        self.increments = 0
        self.wrong: list[str] = []
        self.done = 0
        self._files = files
        self._held: list[tuple[bytes, int, mmap.mmap | None, bytearray, bytes]] = []
        self._serial = 0

    # -- set-up --------------------------------------------------------------------------------

    def path(self, name: bytes) -> bytes:
        """Where a file of this actor is."""
        return self.root + b"/" + name

    def prepare(self) -> None:
        """Make this actor's files."""
        folder = b"own%d/deep/er" % self.number
        os.makedirs(self.path(folder), exist_ok=True)
        for number in range(self._files):
            name = b"%s/f%d" % (folder, number)
            data = bytearray(self.bytes(self.size()))
            self.mine[name] = data
            with open(self.path(name), "wb") as file:
                file.write(data)

    def bytes(self, count: int) -> bytes:
        """That many bytes."""
        return self.dice.getrandbits(8 * count).to_bytes(count, "big") if count else b""

    def size(self) -> int:
        """Bytes of a new file."""
        return self.dice.choice([0, 1, 100, 4096, 5000, 70_000, 300_000, 1_500_000])

    # -- what they do --------------------------------------------------------------------------

    def any(self) -> bytes:
        """One of this actor's files."""
        return self.dice.choice(list(self.mine))

    def check(self, name: bytes) -> None:
        """The file is there, and is what it must be."""
        with open(self.path(name), "rb") as file:
            found = file.read()
        self.compare(name, found, "read")

    def compare(self, name: bytes, found: bytes, how: str) -> None:
        """Note a difference."""
        want = self.mine[name]
        if found != want:
            at = next(
                (i for i, (a, b) in enumerate(zip(found, want)) if a != b),
                min(len(found), len(want)),
            )
            self.wrong.append(
                f"{name!r} {how}: {len(found)} bytes, must be {len(want)}; differs at {at}"
            )

    def write(self) -> None:
        """Write somewhere into a file, perhaps with a reader's look first."""
        name = self.any()
        data = self.bytes(self.dice.choice([1, 100, 5000, 40_000]))
        at = self.dice.randrange(len(self.mine[name]) + 1)
        fd = os.open(self.path(name), os.O_RDWR)
        try:
            self.compare(name, os.pread(fd, len(self.mine[name]) + 1, 0), "before a write")
            os.pwrite(fd, data, at)
            self.mine[name][at : at + len(data)] = data
            if self.dice.random() < 0.2:
                os.fsync(fd)
        finally:
            os.close(fd)

    def append(self) -> None:
        """Add to the end."""
        name = self.any()
        data = self.bytes(self.dice.choice([1, 700]))
        fd = os.open(self.path(name), os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, data)
            self.mine[name] += data
        finally:
            os.close(fd)

    def truncate(self) -> None:
        """By path, by descriptor, or by opening."""
        name = self.any()
        size = self.dice.randrange(len(self.mine[name]) + 2)
        how = self.dice.randrange(3)
        if how == 0:
            os.truncate(self.path(name), size)
        elif how == 1:
            fd = os.open(self.path(name), os.O_RDWR)
            os.ftruncate(fd, size)
            os.close(fd)
        else:
            size = 0
            os.close(os.open(self.path(name), os.O_WRONLY | os.O_TRUNC))
        old = self.mine[name]
        self.mine[name] = old[:size] + bytearray(max(0, size - len(old)))

    def rename(self) -> None:
        """Another name, or another directory."""
        name = self.any()
        self._serial += 1
        folder = self.dice.choice([b"own%d", b"own%d/deep", b"own%d/deep/er"]) % self.number
        new = b"%s/r%d" % (folder, self._serial)
        os.rename(self.path(name), self.path(new))
        self.mine[new] = self.mine.pop(name)
        self.check(new)
        if os.path.lexists(self.path(name)):
            time.sleep(0.3)  # it may be shown once more for a moment
            if os.path.lexists(self.path(name)):
                self.wrong.append(f"{name!r} is there after it was renamed to {new!r}")

    def save(self) -> None:
        """As editors do: a new file, renamed over the old one."""
        name = self.any()
        data = bytearray(self.bytes(self.size()))
        self._serial += 1
        new = self.path(b"own%d/save%d" % (self.number, self._serial))
        with open(new, "wb") as file:
            file.write(data)
        os.rename(new, self.path(name))
        self.mine[name] = data
        self.check(name)

    def link(self) -> None:
        """A second name, written through, then gone again."""
        name = self.any()
        self._serial += 1
        new = self.path(b"%s.l%d" % (name, self._serial))
        os.link(self.path(name), new)
        if self.cached:
            time.sleep(self.dice.random() * 0.3)
            self.check(name)
            os.unlink(new)
            return
        fd = os.open(new, os.O_RDWR | os.O_APPEND)
        os.write(fd, b"linked")
        os.close(fd)
        self.mine[name] += b"linked"
        self.check(name)
        if self.dice.random() < 0.5:
            time.sleep(self.dice.random() * 0.2)
            self.check(name)
        os.unlink(new)

    def recreate(self) -> None:
        """Remove a file and make it anew."""
        name = self.any()
        os.unlink(self.path(name))
        data = bytearray(self.bytes(self.size()))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        for dummy in range(100):
            try:
                fd = os.open(self.path(name), flags, 0o640)
                break
            except FileExistsError:  # it may be shown once more for a moment
                time.sleep(0.01)
        else:
            self.wrong.append(f"{name!r} is there after it was removed")
            os.unlink(self.path(name))
            fd = os.open(self.path(name), flags, 0o640)
        self.mine[name] = data
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.close(fd)

    def attributes(self) -> None:
        """Mode and time, seen at once."""
        name = self.any()
        mode = self.dice.choice([0o600, 0o640, 0o755])
        os.chmod(self.path(name), mode)
        when = self.dice.randrange(10**18, 16 * 10**17)
        os.utime(self.path(name), ns=(when, when))
        found = os.stat(self.path(name))
        if found.st_mode & 0o777 != mode or found.st_mtime_ns != when:
            self.wrong.append(f"{name!r} lost its mode or time: {found}")

    def hold(self) -> None:
        """Keep a file open, perhaps mapped, and go on with others. Where the union caches nothing,
        the kernel shares no mapping."""
        if len(self._held) > 3:
            self.release()
        name = self.any()
        fd = os.open(self.path(name), os.O_RDWR)
        size = len(self.mine[name])
        mapped = None
        if size and self.dice.random() < 0.5:
            if self.cached:
                mapped = mmap.mmap(fd, size)
            else:
                mapped = mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ)
        data = self.mine[name]
        self._held.append((name, fd, mapped, data, bytes(data)))

    def release(self) -> None:
        """What was held can be read and written as before, and is the file of its name."""
        name, fd, mapped, data, before = self._held.pop(0)
        try:
            if self.mine.get(name) is not data or bytes(data) != before:
                return  # it was truncated or replaced, perhaps
            if mapped is not None:
                self.compare(name, mapped[:], "through a mapping")
            self.compare(name, os.pread(fd, len(before) + 1, 0), "through a held descriptor")
            if mapped is not None and self.cached:
                word = b"maps"[: len(before)]
                mapped[: len(word)] = word
                mapped.flush()
            else:
                word = b"held"
                os.pwrite(fd, word, 0)
            self.mine[name][0 : len(word)] = word
        finally:
            if mapped is not None:
                mapped.close()
            os.close(fd)
        self.check(name)

    def record(self) -> None:
        """A line in a log that all append to."""
        name = b"shared/log%d" % self.dice.randrange(8)
        text = b"%d %d %s " % (self.number, self.records, name)
        line = (text + b"%08x" % zlib.crc32(text)).ljust(RECORD - 1) + b"\n"
        fd = os.open(self.path(name), os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, line)
            self.records += 1
        finally:
            os.close(fd)

    def count(self) -> None:
        """One more in a counter, under a lock."""
        number = self.dice.randrange(4)
        name = b"shared/counter%d" % number
        fd = os.open(self.path(name), os.O_RDWR)
        try:
            (fcntl.flock if number % 2 else fcntl.lockf)(fd, fcntl.LOCK_EX)
            value = int(os.pread(fd, 100, 0))
            os.pwrite(fd, b"%020d" % (value + 1), 0)
            self.increments += 1
        finally:
            os.close(fd)

    def execute(self) -> None:
        """Run a program of the union."""
        program = self.path(b"shared/program%d" % self.dice.randrange(4))
        found = subprocess.run([program, "x"], capture_output=True, check=False)
        if found.returncode or found.stdout != b"x\n":
            self.wrong.append(f"{program!r} can't be run: {found}")

    def look(self) -> None:
        """Paths that always are there, many times."""
        for dummy in range(30):
            name = self.any()
            os.close(os.open(self.path(name), os.O_RDONLY))
            os.stat(self.path(name))

    # -- a life --------------------------------------------------------------------------------

    def live(self, stop: Callable[[], bool], pause: float) -> None:
        """Do things at random until told to stop."""
        acts: list[Callable[[], None]] = [
            *[self.write] * 4, *[self.append] * 3, *[self.record] * 6, *[self.count] * 4,
            *[self.look] * 3, self.truncate, self.rename, self.save, self.link, self.recreate,
            self.attributes, self.execute, *([self.hold, self.release_any] if self.holds else []),
        ]  # fmt: skip
        while not stop():
            act = self.dice.choice(acts)
            try:
                act()
            except (OSError, ValueError) as error:
                self.wrong.append(f"{act.__name__}: {error!r}")
            self.done += 1
            if len(self.wrong) > 20:
                break
            if pause:
                time.sleep(self.dice.random() * pause)
        while self._held:
            try:
                self.release()
            except OSError as error:
                self.wrong.append(f"release: {error!r}")

    def release_any(self) -> None:
        """If one is held."""
        if self._held:
            self.release()

    def final(self) -> None:
        """All own files, once more, and nothing else."""
        for name in self.mine:
            try:
                self.check(name)
            except OSError as error:
                self.wrong.append(f"{name!r} at the end: {error!r}")

    def answer(self, path: str) -> None:
        """Leave what was found."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "records": self.records,
                    "increments": self.increments,
                    "wrong": self.wrong,
                    "done": self.done,
                    "files": len(self.mine),
                },
                file,
            )
