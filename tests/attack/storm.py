# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a run, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from typing import Any

from ..support.playbook import INGEST, LOCAL, ROOT
from . import audit
from .world import LARGE, World

LEASE = 8  # s
LONGEST = 240  # s that a run may take


class Storm:
    """One round: the run, and who attacks it."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world = world
        self.dice = dice
        self.variables: dict[str, Any] = {
            "ingest_source": world.source,
            "ingest_destinations": [world.destination],
            "ingest_method": dice.choice(["copy", "copy", "copy", "rsync", "msrsync"]),
            "ingest_split": dice.choice(["round_robin", "balanced", "dynamic"]),
            "ingest_verify": dice.choice(["metadata", "checksum"]),
            "ingest_range_threshold": LARGE,
            "ingest_range_size": 1 << 20,
            "ingest_lease": LEASE,
            "ingest_bandwidth_limit": dice.choice(["0", "4M"]),
        }
        self.clients = dice.choice(["client1", "client1,client2", "all"])
        attacks = ["killer", "changer", "mover", "linker", "second"]
        self.attacks = dice.sample(attacks, dice.choice([0, 1, 1, 1, 2, 3]))
        self.runs: list[subprocess.Popen[bytes]] = []
        self._plans: set[str] = set()
        self._over = threading.Event()
        self._hit_at = 0.0  # when the destination was attacked last

    @property
    def plan(self) -> str:
        """The round in words."""
        words = [self.variables[f"ingest_{name}"] for name in ("method", "split", "verify")]
        return " ".join([*words, self.clients, "+", *(self.attacks or ["nothing"])])

    # -- runs ----------------------------------------------------------------------------------

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start the playbook with a run folder of that name."""
        folder = os.path.join(self.world.folder, name)
        path = os.path.join(self.world.folder, name + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**self.variables, "ingest_run_dir": folder}, file)
        command = [sys.executable, "-m", "ansible", "playbook", "-i", LOCAL, "-e", "@" + path]
        command += ["--limit", self.clients + ",localhost", INGEST]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": os.path.join(ROOT, "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
        }
        with open(os.path.join(self.world.folder, name + ".log"), "ab") as log:
            run = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.runs.append(run)
        self._plans.add(os.path.join(folder, "plan.db"))
        watcher = threading.Thread(target=audit.watch, args=(folder + "/plan.db", run))
        watcher.start()
        return run

    def wait(self, run: subprocess.Popen[bytes]) -> int:
        """Its exit status; a run that hangs is killed, and -1000."""
        try:
            return run.wait(LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            return -1000

    def run(self) -> list[str]:
        """The run and its attackers; what was wrong."""
        if self.dice.random() < 0.4:  # over an older copy, of which something is changed then
            self.wait(self.start("earlier"))
            self._change_source(20)
            self.world.touched.clear()
        before = self.world.entries()
        run = self.start("run")
        attackers = [
            threading.Thread(
                target=getattr(self, name), args=(run, random.Random(self.dice.random()))
            )
            for name in self.attacks
        ]
        for attacker in attackers:
            attacker.start()
        status = self.wait(run)
        self._over.set()
        for attacker in attackers:
            attacker.join()
        wrong = self.world.untouched_outside()
        if status == -1000:
            wrong.append("the run hangs")
        if status == 0 and not self._hit_after_check():
            wrong += self.world.missing(before)
        return wrong + self._raw_exceptions() + self._claims()

    def _claims(self) -> list[str]:
        """What was wrong with the claims of all runs so far."""
        return [f"{plan}: {line}" for plan in sorted(self._plans) for line in audit.judge(plan)]

    def _hit_after_check(self) -> bool:
        """Whether the destination was attacked when the second pass had begun: it can't know."""
        if not self._hit_at:
            return False
        plan = os.path.join(self.world.folder, "run", "plan.db")
        try:
            db = sqlite3.connect(f"file:{plan}?mode=ro", uri=True)
            (begun,) = db.execute("SELECT min(claimed) FROM shards WHERE kind='verify'").fetchone()
            db.close()
        except sqlite3.Error:
            return False
        return begun is not None and self._hit_at >= begun

    def _raw_exceptions(self) -> list[str]:
        found = []
        for name in sorted(os.listdir(self.world.folder)):
            if name.endswith(".log"):
                with open(os.path.join(self.world.folder, name), "rb") as log:
                    if b"Traceback (most recent call last)" in log.read():
                        found.append(f"{name} shows a stack trace")
        return found

    # -- attackers -----------------------------------------------------------------------------

    def _pause(self, dice: random.Random, most: float) -> None:
        self._over.wait(dice.random() * most)

    def killer(self, run: subprocess.Popen[bytes], dice: random.Random) -> None:
        """Kills the controller, or some process of the run, once or twice."""
        for dummy in range(dice.choice([1, 1, 2])):
            self._pause(dice, 9)
            if run.poll() is None:
                family = [run.pid] if dice.random() < 0.4 else self._family() or [run.pid]
                number = dice.choice(
                    [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
                )
                try:
                    os.kill(dice.choice(family), number)
                except ProcessLookupError:
                    pass

    def _family(self) -> list[int]:
        """Every process that speaks of this round's folder, or has something open in it."""
        found = []
        mine = os.fsencode(self.world.folder)
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                folder = f"/proc/{name}/fd/"
                opened = [os.readlink(os.fsencode(folder + fd)) for fd in os.listdir(folder)]
                with open(f"/proc/{name}/cmdline", "rb") as line:
                    if mine in line.read() or any(path.startswith(mine) for path in opened):
                        found.append(int(name))
            except OSError:
                pass
        return found

    def changer(self, run: subprocess.Popen[bytes], dice: random.Random) -> None:
        """Changes the source while it is copied."""
        while not self._over.is_set():
            self._pause(dice, 1.5)
            self._change_source(1)

    def _change_source(self, count: int) -> None:
        world = self.world
        for dummy in range(count):
            entries = world.entries()
            if not entries:
                return
            path = self.dice.choice(sorted(entries))
            folder = os.path.isdir(world.at(path)) and not os.path.islink(world.at(path))
            new = os.path.join(os.path.dirname(path), b"new%d" % self.dice.randrange(10**6))
            action = self.dice.choice(["write", "rename", "remove", "add", "move"])
            try:
                world.touched.update((path, new))
                if action == "add" or (action == "write" and folder):
                    world.write(new, 500)
                elif action == "write":
                    if os.path.isfile(world.at(path)) and not os.path.islink(world.at(path)):
                        world.touched.update(self._same_file(entries, path))
                        world.write(path, 700)
                elif action == "rename":
                    os.rename(world.at(path), world.at(new))
                elif action == "remove" and not folder:
                    os.unlink(world.at(path))
                elif action == "move":
                    target = self.dice.choice(
                        [p for p in entries if os.path.isdir(world.at(p))] or [b""]
                    )
                    there = os.path.join(target, os.path.basename(new))
                    world.touched.add(there)
                    os.rename(world.at(path), world.at(there))
            except OSError:
                pass

    @staticmethod
    def _same_file(entries: dict[bytes, os.stat_result], path: bytes) -> list[bytes]:
        return [other for other, found in entries.items() if found.st_ino == entries[path].st_ino]

    def mover(self, run: subprocess.Popen[bytes], dice: random.Random) -> None:
        """Moves a directory of the destination away."""
        self._hit(dice, lambda path: None)

    def linker(self, run: subprocess.Popen[bytes], dice: random.Random) -> None:
        """Puts a link to the outside in the place of a directory of the destination."""
        self._hit(dice, lambda path: os.symlink(os.fsencode(self.world.outside), path))

    def _hit(self, dice: random.Random, then: Any) -> None:
        self._pause(dice, 8)
        while not self._over.is_set():
            folders = [
                os.path.join(folder, name)
                for folder, folders, dummy in os.walk(os.fsencode(self.world.destination))
                for name in folders
                if not os.path.islink(os.path.join(folder, name))
            ]
            if folders:
                path = dice.choice(folders)
                away = os.path.join(
                    os.fsencode(self.world.folder), b"away%d" % dice.randrange(10**9)
                )
                try:
                    os.rename(path, away)
                    then(path)
                    self._hit_at = time.time()
                except OSError:
                    pass
                return
            time.sleep(0.01)

    def second(self, run: subprocess.Popen[bytes], dice: random.Random) -> None:
        """A second run into the same destination, some with the same run folder."""
        self._pause(dice, 3)
        self.wait(self.start(dice.choice(["run", "other"])))

    # -- afterwards ----------------------------------------------------------------------------

    def settle(self) -> list[str]:
        """When all is quiet a run must bring everything; what was wrong."""
        world = self.world
        for folder, folders, dummy in os.walk(os.fsencode(world.destination)):
            for name in folders:
                path = os.path.join(folder, name)
                if os.path.islink(path) and os.readlink(path) == os.fsencode(world.outside):
                    os.unlink(path)
        status = self.wait(self.start("quiet"))
        wrong = world.untouched_outside() + self._clashes(status)
        if wrong or status:
            return wrong
        wrong = world.differences() + world.leftovers()
        status = self.wait(self.start("again"))
        if status:
            wrong.append(f"the last run ended with status {status}")
        elif b"changed=0" not in self._log("again") or b"changed=1" in self._log("again"):
            wrong.append("the last run changed something")
        return wrong + self._raw_exceptions() + self._claims()

    def _clashes(self, status: int) -> list[str]:
        """A quiet run may fail only where the source has another type than the destination now."""
        if not status:
            return []
        failures = os.path.join(self.world.folder, "quiet", "failures.jsonl")
        allowed = (b"directory here", b"in the place of a directory")
        try:
            with open(failures, "rb") as lines:
                records = lines.read().splitlines()
        except OSError:
            records = []
        if records and all(any(why in record for why in allowed) for record in records):
            return []
        return [f"a quiet run ended with status {status}"]

    def _log(self, name: str) -> bytes:
        with open(os.path.join(self.world.folder, name + ".log"), "rb") as log:
            return log.read()
