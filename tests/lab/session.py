# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab that tests drive: playbooks on its clients, faults while they run, and what came of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.tests.lab import cluster
from ansible_collections.scaleout.ingest.tests.lab import lab as tool

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PLAYBOOK = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")


class Play:
    """A playbook that runs, or has run."""

    def __init__(
        self, lab: cluster.Lab, playbook: str, variables: dict[str, Any], words: list[str]
    ) -> None:
        self.lab = lab
        self.run_dir = tempfile.mkdtemp(prefix="run-", dir=lab.base)
        self._log = open(self.run_dir + ".log", "w+b")  # noqa: SIM115 - closed by its owner
        command = [
            PLAYBOOK,
            "-i",
            lab.inventory,
            playbook,
            "-e",
            json.dumps({"ingest_run_dir": self.run_dir, **variables}),
        ]
        # One line for a message, however long it is.
        environment = dict(os.environ, COLUMNS="2000", ANSIBLE_FORCE_COLOR="0")
        self._process = subprocess.Popen(
            [*command, *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=environment,
        )

    @property
    def output(self) -> str:
        """What it has said so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._process.poll() is None

    def until(self, condition: Callable[[], bool], seconds: float = 90) -> None:
        """Wait for something that must come while it runs."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.running, self.output
            assert time.monotonic() < end, self.output
            time.sleep(0.02)

    def wait(self, seconds: float = 170) -> int:
        """Its exit status."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end after {seconds:g} s: {self.output}") from None

    def good(self, seconds: float = 170) -> Play:
        """Wait; it must succeed."""
        assert self.wait(seconds) == 0, self.output
        return self

    def bad(self, seconds: float = 170) -> str:
        """Wait; it must fail, and without a traceback. Its output."""
        assert self.wait(seconds) != 0, self.output
        assert "Traceback" not in self.output
        return self.output

    def claimed(self, phase: int) -> bool:
        """Whether a client has begun with a phase of the plan."""
        try:
            store = PlanStore.open(os.path.join(self.run_dir, "plan.db"), readonly=True)
        except IngestError:
            return False  # not there yet, or not yet all of it
        try:
            return (
                store.db.execute(
                    "SELECT 1 FROM shards WHERE phase = ? AND claimed LIMIT 1", (phase,)
                ).fetchone()
                is not None
            )
        finally:
            store.close()

    def changed(self) -> int:
        """Tasks that changed something, on all hosts."""
        return sum(counts["changed"] for counts in tool.recap_of(self.output).values())

    def stats(self) -> dict[str, Any]:
        """The run's stats.json."""
        with open(self.run_dir + "/stats.json", encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
            return found

    def page(self) -> str:
        """The run's report."""
        with open(self.run_dir + "/report.html", encoding="utf-8") as file:
            return file.read()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._log.close()


class Driven:
    """A lab and what runs on it."""

    def __init__(self, lab: cluster.Lab) -> None:
        self.lab = lab
        self.base = lab.base
        self.plays: list[Play] = []

    def address(self, node: str) -> str:
        """A node's address, or the NAS's."""
        return self.lab.address(100) if node == "nas" else self.lab.nodes[node]

    def role(self, **variables: Any) -> Play:
        """Run the role cluster_mounts."""
        path = os.path.join(self.base, "mounts.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(
                [
                    {
                        "name": "Mounts",
                        "hosts": "ingestors",
                        "gather_facts": False,
                        "roles": ["scaleout.ingest.cluster_mounts"],
                    }
                ],
                file,
            )
        return self._play(path, variables, [])

    def ingest(self, *words: str, **variables: Any) -> Play:
        """Start the ingest."""
        return self._play(os.path.join(ROOT, "playbooks", "ingest.yml"), variables, list(words))

    def _play(self, playbook: str, variables: dict[str, Any], words: list[str]) -> Play:
        self.plays.append(Play(self.lab, playbook, variables, words))
        return self.plays[-1]

    def ssh(self, command: str, client: str = "client1", status: int | None = 0) -> str:
        """A shell command's output on a client."""
        done = self.lab.ssh(client, command, timeout=60)
        assert status is None or done.returncode == status, (command, done)
        return done.stdout.decode()

    def mounts(self, client: str = "client1") -> dict[str, list[str]]:
        """By mount point what is mounted and its options, of NFS."""
        lines = [line.split() for line in self.ssh("cat /proc/mounts", client).splitlines()]
        return {
            line[1]: [line[0], *line[3].split(",")] for line in lines if line[2].startswith("nfs")
        }

    def fill(
        self,
        files: int,
        size: int = 3000,
        large: int = 0,
        large_size: int = 30 << 20,
        folders: int = 50,
    ) -> None:
        """Files on the NAS: some small ones in so many directories, and some large ones."""
        for number in range(files):
            folder = os.path.join(self.lab.source, "d%d" % (number % folders))
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "f%d" % number), "wb") as file:
                file.write(b"%07d\n" % number * (size // 8))
        for number in range(large):
            with open(os.path.join(self.lab.source, "large%d" % number), "wb") as file:
                for block in range(large_size >> 20):
                    file.write(b"%03d%05d" % (number, block) * (1 << 17))

    def copied(self) -> int:
        """How many entries are in the copy so far."""
        count = 0
        for dummy, folders, files in os.walk(os.path.join(self.lab.export, "copy")):
            count += len(folders) + len(files)
        return count

    def same(self) -> None:
        """Every byte of the copy is right."""
        tool.compare(self.lab)

    def clean(self) -> None:
        """As at the start: every node up, the client booted anew, nothing on any server."""
        for play in self.plays:
            play.close()
        self.plays = []
        for name in self.lab.clients:
            self.lab.kill_client(name)
        for node in ["nas", *self.lab.nodes]:
            self.lab.start_node(node)
        for folder in (self.lab.source, self.lab.export):
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if os.path.isdir(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
        for node in ["nas", *self.lab.nodes]:
            self.lab._wait(node, self.address(node), 2049)
        for name in self.lab.clients:
            self.lab.start_client(name)


def need() -> None:
    """Skip where no lab can run."""
    reason = cluster.why_not()
    if reason:
        pytest.skip(reason)


def warnings(output: str) -> list[str]:
    """What Ansible warned of, but for its own deprecations."""
    return [
        line
        for line in re.findall(r"^\[WARNING\]: (.*)$", output, re.M)
        if "eprecation" not in line
    ]
