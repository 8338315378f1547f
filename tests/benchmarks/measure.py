# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes, timed and weighed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any, NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


# Goes before each command that is measured: real-time priority, if it was asked for.
PREFIX: list[str] = []


class Result(NamedTuple):
    """One figure; ``limit`` is the target, the most that it may be."""

    name: str
    value: float
    limit: float | None = None
    unit: str = "s"
    details: dict[str, Any] | None = None

    @property
    def met(self) -> bool:
        """Whether there is no target or it is met."""
        return self.limit is None or self.value <= self.limit

    def text(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:.2f}{' ' + self.unit if self.unit else ''}"

    def as_json(self) -> dict[str, Any]:
        """For the results' file."""
        return {**self._asdict(), "met": self.met}


class Run(NamedTuple):
    """A finished process: wall time and processor time (user and system, with its children) in s;
    peak resident memory in MB of its largest process (RSS) and of all its processes together (PSS,
    which counts a shared page once)."""

    seconds: float
    processor: float
    largest: float
    together: float
    output: str


def environment(checkout: str = ROOT, **more: str) -> dict[str, str]:
    """The environment in which the engine of a checkout can be imported."""
    collections = os.path.join(checkout, ".collections")
    link = os.path.join(collections, "ansible_collections", "scaleout", "ingest")
    if not os.path.isdir(link):
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink("../../..", link)
    return {**os.environ, "INGEST_COLLECTIONS": collections, "PYTHONPATH": collections, **more}


def run(command: list[str], weigh: bool = False, **options: Any) -> Run:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        PREFIX + command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )
    scale = Scale(process.pid) if weigh else None
    before = os.times()
    out, err = process.communicate()
    seconds = time.perf_counter() - begun
    after = os.times()
    processor = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    if scale:
        scale.stop()
    if process.returncode:
        raise RuntimeError(
            "%s: exit status %d: %s"
            % (command, process.returncode, (err or out)[-2000:].decode(errors="replace"))
        )
    return Run(
        seconds,
        processor,
        scale.largest if scale else 0,
        scale.together if scale else 0,
        out.decode(errors="replace"),
    )


def engine(*arguments: str, checkout: str = ROOT) -> list[str]:
    """The command that runs the engine of a checkout."""
    return [sys.executable, os.path.join(checkout, "tests", "support", "engine.py"), *arguments]


class Scale(threading.Thread):
    """Weighs a process and its descendants ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.largest = self.together = 0.0
        self._pid = pid
        self._end = threading.Event()
        self.start()

    def stop(self) -> None:
        """Weigh no more."""
        self._end.set()
        self.join()

    def run(self) -> None:
        while not self._end.wait(0.1):
            pids = _family(self._pid)
            # VmHWM is a process' own peak: nothing between two weighings is missed.
            self.largest = max([self.largest, *(_field("status", pid, "VmHWM:") for pid in pids)])
            self.together = max(
                self.together, sum(_field("smaps_rollup", pid, "Pss:") for pid in pids)
            )


def _family(pid: int) -> list[int]:
    pids = [pid]
    for parent in pids:
        try:
            for task in os.listdir("/proc/%d/task" % parent):
                with open("/proc/%d/task/%s/children" % (parent, task), encoding="ascii") as file:
                    pids += map(int, file.read().split())
        except OSError:
            continue
    return pids


def _field(file: str, pid: int, name: str) -> float:
    """A field of /proc in kB, as MB."""
    try:
        with open("/proc/%d/%s" % (pid, file), encoding="ascii") as lines:
            for line in lines:
                if line.startswith(name):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
