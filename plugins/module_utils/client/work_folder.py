# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client's part of a run: packages of shards come into a folder, results leave it.

``inbox/N.work`` (N from 0, without gaps) come from the controller; ``out/N.json`` are the
finished shards, ``status.json`` says how many of both there are. The controller waits until it is
told that there is news: all is done, or more should come. An ``inbox/end`` lets the job end when it
has done everything. The controller touches ``lease``: when it has not for a while, the job stops
all workers at once, so that another client may take over its shards. A new file ``budget`` says
what this host may do in a second from then on.
"""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any, Callable, Protocol, Sequence

from ..core.background import Status
from ..core.outcome import Closing, ShardResult
from ..core.vocabulary import Kind
from ..plan.shards import read_package
from .arguments import BUDGET
from .ledger import Ledger
from .processors import Processors
from .runner import Runner

_FLUSH = 1.0  # seconds between results while work goes on
_OUT_ENTRIES = 500  # failures and shards in one result file
_SAMPLES = 600
_LOOK = 1.0  # s between looks at the processors


class Found(Protocol):
    """A scan shard that is done."""

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""


class Scanning(Protocol):
    """What does the scan shards of a plan that grows; only a host that has some loads it."""

    count: int
    entries: int
    busy: bool

    def add(self, shard: int, data: bytes) -> None:
        """Take on a scan shard."""

    def step(self) -> Sequence[Found]:
        """What is done; never waits. Raises IngestError."""

    def close(self) -> None:
        """End at once."""

    def finish(self) -> None:
        """End when idle."""


class Samples:
    """What was done by when; the interval doubles when there are many."""

    def __init__(self) -> None:
        self.entries: list[list[float]] = []
        self._interval = 0.25

    def add(self, ledger: Ledger, workers: int, last: bool = False) -> None:
        """Note the state now, if it is time; ``workers`` are at work."""
        now = time.time()
        if not last and self.entries and now - self.entries[-1][0] < self._interval:
            return
        self.entries.append([round(now, 3), ledger.files, ledger.live_bytes, workers])
        if len(self.entries) > _SAMPLES:
            self.entries = self.entries[::2]
            self._interval *= 2


def lost_hosts(folder: str) -> list[str]:
    """The entries that hosts which the run has lost have in the destination's lock: they are in
    ``inbox/end``."""
    try:
        with open(os.path.join(folder, "inbox", "end"), encoding="ascii") as stream:
            return [word for word in stream.read().split() if re.fullmatch("[0-9a-f]{16}", word)]
    except (OSError, ValueError):
        return []


class Job:
    """Serves one work folder with one runner."""

    def __init__(
        self,
        status: Status,
        runner: Runner,
        check: Callable[[], None],
        scanner: Scanning | None = None,
    ) -> None:
        """``check`` is called often; it raises IngestError when the job must end."""
        self._folder = status.folder
        self._status = status
        self._runner = runner
        self._check = check
        self._scanner = scanner
        self._taken = self._sent = 0
        self._finished: list[ShardResult | Found] = []
        self._entries = 0
        self._flushed = self._looked = 0.0
        self._few = -1  # unfinished shards at which more should come
        self._samples = Samples()
        self._budget = 0  # inode of what was heard last
        self._processors = Processors()

    def run(self) -> dict[str, Any]:
        """Work until told to end. Returns samples, slowest directories and losses, JSON-ready.

        Raises:
            Abandoned: the controller is gone. Every worker has been killed.
            IngestError: no worker can work, or the destination is another run's.
        """
        runner = self._runner
        ended = False
        try:
            while True:
                self._check()
                self._hear()
                ended = self._take() or ended
                self._finish(self._step())
                self._scan()
                self._samples.add(runner.ledger, runner.workers)
                if not self._busy and ended and not self._more():
                    break
            self._samples.add(runner.ledger, runner.workers, last=True)
            self._flush()
            self._tell()
            runner.finish()
            if self._scanner is not None:
                self._scanner.finish()
            ledger = runner.ledger
            closing = Closing(
                self._samples.entries, ledger.slow, ledger.losses.kinds, self._processors.part
            )
            return dict(
                closing.to_json(),
                left_out=[mount._asdict() for mount in runner.left_out.values()],
                out=self._sent,
            )
        except BaseException:
            runner.close()
            if self._scanner is not None:
                self._scanner.close()
            raise

    def _hear(self) -> None:
        """What this host may do, if the controller has said something new of that."""
        try:
            with open(os.path.join(self._folder, BUDGET), "rb") as stream:
                if os.fstat(stream.fileno()).st_ino != self._budget:
                    self._budget = os.fstat(stream.fileno()).st_ino
                    self._runner.allow(*json.load(stream))
        except FileNotFoundError:
            pass

    def _step(self) -> list[ShardResult]:
        working = self._runner.busy
        finished = self._runner.step(0.1 if working else 0.05)
        now = time.monotonic()
        if now - self._looked > _LOOK or working != self._runner.busy:
            self._processors.look(working)
            self._looked = now
        return finished

    @property
    def _busy(self) -> bool:
        return self._runner.busy or (self._scanner is not None and self._scanner.busy)

    def _scan(self) -> None:
        """What is scanned is told at once: others wait for it."""
        found = self._scanner.step() if self._scanner is not None else ()
        if found:
            self._finished += found
            self._flush()
            self._tell()
            self._status.ring()

    def _package(self, number: int) -> str:
        return os.path.join(self._folder, "inbox", f"{number}.work")

    def _more(self) -> bool:
        return os.path.exists(self._package(self._taken))

    def _take(self) -> bool:
        # Looked for first: the packages were there before it.
        ended = os.path.exists(os.path.join(self._folder, "inbox", "end"))
        while self._more():
            path = self._package(self._taken)
            before = self._runner.unfinished
            with open(path, "rb") as stream:
                for header, data in read_package(stream):
                    if header.kind == Kind.SCAN and self._scanner is not None:
                        self._scanner.add(header.id, data)
                    else:
                        self._runner.add(header, data)
            if self._runner.unfinished > before:
                self._few = (self._runner.unfinished - before) // 2
            os.unlink(path)
            self._taken += 1
        return ended

    def _finish(self, finished: list[ShardResult]) -> None:
        for entry in finished:
            self._finished.append(entry)
            self._entries += 1 + len(entry.failures)
            if self._entries > _OUT_ENTRIES:
                self._flush()
        now = time.monotonic()
        few = bool(self._finished) and self._runner.unfinished <= self._few
        if now - self._flushed > _FLUSH or few:
            self._flush()
            self._tell()
            self._flushed = now
        if few:
            self._few = 0 if self._runner.busy else -1
            self._status.ring()

    def _flush(self) -> None:
        if not self._finished:
            return
        path = os.path.join(self._folder, "out", f"{self._sent}.json")
        with open(path + ".part", "w", encoding="ascii") as stream:
            json.dump([entry.to_json() for entry in self._finished], stream)
        os.replace(path + ".part", path)
        self._sent += 1
        self._finished, self._entries = [], 0

    def _tell(self) -> None:
        ledger, scanner = self._runner.ledger, self._scanner
        self._status.write(
            "running",
            out=self._sent,
            taken=self._taken,
            busy=self._busy,
            files=ledger.files,
            bytes=ledger.live_bytes,
            failed=ledger.failed,
            retrying=self._runner.waiting,
            **({"scanners": scanner.count, "scanned": scanner.entries} if scanner else {}),
        )
