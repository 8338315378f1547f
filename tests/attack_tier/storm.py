# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One round: users of the union, movers that move its files to and fro, perhaps killed; and what
must hold afterwards."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
import zlib
from collections import Counter
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.tier import leases, recovery
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.batch import Batch, Options
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.folder import Folder
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.outcome import (
    Candidate,
    known_of,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.union import Union

from ..support.union import Pools
from .actors import RECORD, Actor

LOGS, COUNTERS, PROGRAMS = 8, 4, 4
_fork = multiprocessing.get_context("fork")


def candidates(pools: Pools, pool: bytes) -> list[Candidate]:
    """All files of a pool, hard links as one."""
    groups: dict[int, list[bytes]] = {}
    stats = {}
    for path, found in pools.everything(pool).items():
        groups.setdefault(found.st_ino, []).append(path)
        stats[found.st_ino] = found
    return [
        Candidate(tuple(sorted(paths)), known_of(stats[inode])) for inode, paths in groups.items()
    ]


class Storm:
    """One round."""

    def __init__(
        self,
        pools: Pools,
        seed: int,
        actors: int = 4,
        files: int = 40,
        kills: bool = False,
        leased: bool = True,
        pause: float = 0.004,
    ) -> None:
        self.pools = pools
        self.seed = seed
        self.dice = random.Random(seed)
        self.kills = kills
        self.leased = leased
        self.pause = pause
        self._stop = _fork.Event()
        self.outcomes: Counter[str] = Counter()
        self.whys: Counter[str] = Counter()
        self.killed = 0
        self.mended: Counter[str] = Counter()
        self.actors = [
            Actor(pools.union, number, seed, files, pools.cached, leased)
            for number in range(actors)
        ]

    def build(self) -> None:
        """The files that all share, and everybody's own."""
        shared = self.pools.union + b"/shared"
        os.makedirs(shared, exist_ok=True)
        for number in range(LOGS):
            with open(b"%s/log%d" % (shared, number), "wb"):
                pass
        for number in range(COUNTERS):
            with open(b"%s/counter%d" % (shared, number), "wb") as file:
                file.write(b"%020d" % 0)
        for number in range(PROGRAMS):
            shutil.copy(shutil.which("echo") or "/bin/echo", b"%s/program%d" % (shared, number))
        for actor in self.actors:
            actor.prepare()

    # -- the parts, each a process -------------------------------------------------------------

    def _act(self, actor: Actor) -> None:
        actor.live(self._stop.is_set, self.pause)
        actor.answer(self._answer(f"actor{actor.number}"))
        os.kill(os.getpid(), signal.SIGSTOP)  # the mover has to end first
        actor.final()
        actor.answer(self._answer(f"actor{actor.number}"))

    def _move(self, number: int, seed: int) -> None:
        dice = random.Random(seed)
        leases.listen()
        os.umask(0)
        pools = [self.pools.fast, self.pools.slow]
        outcomes: Counter[str] = Counter()
        whys: Counter[str] = Counter()
        mended: Counter[str] = Counter()

        def answer() -> None:
            path = self._answer(f"mover{number}")
            with open(path + ".part", "w", encoding="utf-8") as file:
                json.dump({"outcomes": outcomes, "whys": whys, "mended": mended}, file)
            os.replace(path + ".part", path)

        while not self._stop.is_set():
            dice.shuffle(pools)
            source, target = pools
            for pool in pools:
                for one in recovery.recover(pool):
                    mended[one.what] += 1
                    if one.what in (recovery.KEPT, recovery.IN_USE):
                        whys[f"{one.what}: {one.why}"] += 1
            answer()
            ground = Union(self.pools.union, source, target)
            if not self.leased:
                ground.leased = False
            found = candidates(self.pools, source)
            dice.shuffle(found)
            at = 0
            while at < len(found) and not self._stop.is_set():
                count = dice.choice([1, 1, 3, 10, 40])
                options = Options(grace=0.02, quiet=0.5)
                for outcome in Batch(ground, options).run(found[at : at + count]):
                    outcomes[outcome.outcome] += 1
                    whys[f"{outcome.outcome}: {outcome.why}"] += 1
                at += count
                answer()
            ground.close()

    def _answer(self, name: str) -> str:
        return os.path.join(self.pools.folder, name + ".json")

    # -- a round -------------------------------------------------------------------------------

    def run(self, seconds: float) -> list[str]:
        """Let all loose; what was wrong."""
        self.build()
        users = [
            _fork.Process(target=self._act, args=(actor,), daemon=True) for actor in self.actors
        ]
        for user in users:
            user.start()
        wrong: list[str] = []
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            mover = _fork.Process(target=self._move, args=(number, self.dice.random()), daemon=True)
            mover.start()
            if self.kills:
                mover.join(min(self.dice.random() * 1.5, max(0.0, end - time.monotonic())))
            else:
                mover.join(max(0.0, end - time.monotonic()))
            if self.kills and mover.is_alive() and time.monotonic() < end:
                assert mover.pid is not None
                os.kill(mover.pid, signal.SIGKILL)
                mover.join()
                self.killed += 1
            elif mover.is_alive():
                self._stop.set()
                mover.join(60)
            if mover.exitcode not in (0, -signal.SIGKILL):
                wrong.append(f"mover {number} ended with {mover.exitcode}")
                break
            self._count(f"mover{number}")
            number += 1
        self._stop.set()
        wrong += self._settle(users)
        return wrong

    def _count(self, name: str) -> None:
        if not os.path.exists(self._answer(name)):
            return  # killed before it had done anything
        with open(self._answer(name), encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
        self.outcomes.update(found["outcomes"])
        self.whys.update(found["whys"])
        self.mended.update(found["mended"])

    def _settle(self, users: list[Any]) -> list[str]:
        """Wait for the users, mend what the last kill left, have them look once more."""
        wrong: list[str] = []
        for user in users:
            with contextlib.suppress(ChildProcessError):
                dummy, status = os.waitpid(user.pid, os.WUNTRACED)
                if os.WIFSTOPPED(status):
                    continue
            wrong.append("a user died")
        leases.listen()
        for pool in (self.pools.fast, self.pools.slow):
            for one in recovery.recover(pool):
                self.mended[one.what] += 1
                if one.what in (recovery.KEPT, recovery.IN_USE):
                    wrong.append(f"not mended: {one}")
            folder = Folder(pool)
            left = [name for name in folder.names() if name != b"lock"]
            if left:
                wrong.append(f"left in {pool!r}: {left}")
            folder.close()
        for user in users:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(user.pid, signal.SIGCONT)
                os.waitpid(user.pid, 0)
        records = increments = 0
        for actor in self.actors:
            if not os.path.exists(self._answer(f"actor{actor.number}")):
                continue
            with open(self._answer(f"actor{actor.number}"), encoding="utf-8") as file:
                found = json.load(file)
            wrong += [f"actor {actor.number}: {line}" for line in found["wrong"]]
            records += found["records"]
            increments += found["increments"]
            self.whys["acts"] += found["done"]
        return wrong + self._shared(records, increments) + self._twice()

    def _shared(self, records: int, increments: int) -> list[str]:
        wrong = []
        seen: Counter[bytes] = Counter()
        for number in range(LOGS):
            name = b"shared/log%d" % number
            with open(self.pools.union + b"/" + name, "rb") as file:
                data = file.read()
            for at in range(0, len(data), RECORD):
                line = data[at : at + RECORD]
                text, dummy, check = line.rstrip().rpartition(b" ")
                if check != b"%08x" % zlib.crc32(text + b" "):
                    wrong.append(f"{name!r} has no record at {at}: {line!r}")
                seen[text] += 1
        if len(seen) != records or any(count != 1 for count in seen.values()):
            wrong.append(f"{records} records were written, {len(seen)} are there")
        total = 0
        for number in range(COUNTERS):
            with open(b"%s/shared/counter%d" % (self.pools.union, number), "rb") as file:
                total += int(file.read())
        if total != increments:
            wrong.append(f"{increments} increments were made, {total} are there")
        return wrong

    def _twice(self) -> list[str]:
        both = set(self.pools.everything(self.pools.fast)) & set(
            self.pools.everything(self.pools.slow)
        )
        return [f"{path!r} is in both pools" for path in sorted(both)]
