# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trees of a round: source, destination, and a place outside that nobody may touch."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat

from ..support.compare import compare_trees

LARGE = 3 << 20  # bytes: above the threshold of ranges that the rounds set
OURS = (b".ingest-", b".~tmp")


class World:
    """One round's folder."""

    def __init__(self, folder: str, dice: random.Random) -> None:
        self.folder = folder
        self.dice = dice
        self.source = os.path.join(folder, "source")
        self.destination = os.path.join(folder, "destination")
        self.outside = os.path.join(folder, "outside")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(self.outside)
        os.makedirs(self.source)
        with open(os.path.join(self.outside, "precious"), "w", encoding="ascii") as file:
            file.write("outside")
        self.touched: set[bytes] = set()  # paths, relative, that were changed in mid-run
        self._build()
        self.names = {os.path.basename(path) for path in self.entries()}  # of the first tree

    # -- the source ----------------------------------------------------------------------------

    def _build(self) -> None:
        dice = self.dice
        folders = [b""]
        for number in range(dice.randrange(3, 40)):
            folders.append(os.path.join(dice.choice(folders), b"d%d" % number))
            os.makedirs(self.at(folders[-1]), exist_ok=True)
        count = dice.choice([30, 300, 3000])
        for number in range(count):
            path = os.path.join(dice.choice(folders), self._name(number))
            self.write(path, dice.choice([0, 10, 1000, 20_000]))
        for number in range(dice.randrange(4)):
            path = os.path.join(dice.choice(folders), b"large%d" % number)
            self.write(path, LARGE + dice.randrange(LARGE))
            for other in range(dice.randrange(3)):
                os.link(self.at(path), self.at(path + b"-link%d" % other))
        for number in range(dice.randrange(10)):
            os.symlink(
                b"../%d" % number, self.at(os.path.join(dice.choice(folders), b"s%d" % number))
            )

    def _name(self, number: int) -> bytes:
        return self.dice.choice([b"f%d", b"\xff\n%d", b"-%d", b".ingest-%024d"]) % number

    def at(self, path: bytes) -> bytes:
        """A path of the source."""
        return os.path.join(os.fsencode(self.source), path)

    def write(self, path: bytes, size: int) -> None:
        """Write a file of the source, with an old time."""
        with open(self.at(path), "wb") as file:
            file.write(self.dice.randbytes(size))
        old = 1_600_000_000_000_000_000 + self.dice.randrange(10**15)
        os.utime(self.at(path), ns=(old, old))

    def entries(self) -> dict[bytes, os.stat_result]:
        """Everything in the source, by relative path."""
        found = {}
        top = os.fsencode(self.source)
        for folder, folders, names in os.walk(top):
            for name in folders + names:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, top)] = os.lstat(path)
        return found

    # -- judgement -----------------------------------------------------------------------------

    def missing(self, before: dict[bytes, os.stat_result]) -> list[str]:
        """What stood still all the time and is not in the destination as it is in the source."""
        wrong = []
        for path, was in before.items():
            if any(self._within(path, touched) for touched in self.touched):
                continue
            problem = self._same(path, was)
            if problem:
                wrong.append(f"exit status 0, but {path!r} {problem}")
        return wrong[:5]

    @staticmethod
    def _within(path: bytes, other: bytes) -> bool:
        return path == other or path.startswith(other + b"/")

    def _same(self, path: bytes, was: os.stat_result) -> str:
        there = os.path.join(os.fsencode(self.destination), path)
        try:
            found = os.lstat(there)
        except OSError as error:
            return f"is not there ({error.strerror})"
        if stat.S_IFMT(found.st_mode) != stat.S_IFMT(was.st_mode):
            return "is of another type"
        if stat.S_ISREG(was.st_mode) and _digest(there) != _digest(self.at(path)):
            return "has other contents"
        return ""

    def untouched_outside(self) -> list[str]:
        """What was written where nothing may be written."""
        names = sorted(os.listdir(self.outside))
        return [] if names == ["precious"] else [f"written outside the destination: {names}"]

    def leftovers(self) -> list[str]:
        """Names of ours in the destination that the source has not."""
        found = [
            os.path.join(folder, name)
            for folder, folders, names in os.walk(os.fsencode(self.destination))
            for name in folders + names
            if name.startswith(OURS) and name not in self.names
        ]
        return [f"left in the destination: {found[:5]}"] if found else []

    def differences(self) -> list[str]:
        """Of the destination from the source; what the source has no more may stay."""
        both = os.fsencode(self.source), os.fsencode(self.destination)
        return [
            f"after a quiet run: {line}" for line in compare_trees(*both, ignore={"extra", "root"})
        ][:5]

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _digest(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).digest()
