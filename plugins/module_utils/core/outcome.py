# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of items and of shards: one record on the way from a worker to the plan.

As JSON, paths are the text of :func:`.paths.to_text`.
"""

from __future__ import annotations

import errno
import os
from operator import add
from typing import Any, NamedTuple

from .errnos import may_pass_later
from .paths import to_bytes, to_text
from .vocabulary import Kind


class Failure(NamedTuple):
    """An item that did not arrive, and why."""

    path: bytes
    operation: str
    errno: int
    message: str

    @property
    def may_pass(self) -> bool:
        """Whether it may succeed when it is tried again. That something differs was seen, and is no
        failure of a call: it has words of its own."""
        if self.operation == Kind.VERIFY and self.errno == errno.EIO:
            return self.message == os.strerror(errno.EIO)
        return may_pass_later(self.errno)


MOST_EXTRAS = 1_000  # that the result of a shard names; more are counted


class Extra(NamedTuple):
    """What the destination has and the source has not; ``type`` d is a directory with all that is
    in it, f anything else."""

    path: bytes
    type: str


class Counts(NamedTuple):
    """How much was done. ``files`` are all entries but directories that were copied now;
    ``removed`` is what dead runs had left unfinished in the destination, ``proved`` what a second
    pass need not look at as the copy had compared it, ``extra`` what only the destination has,
    ``retried`` how often something was tried again that had failed as may pass."""

    files: int = 0
    directories: int = 0
    bytes: int = 0
    skipped: int = 0
    changed: int = 0
    failed: int = 0
    repaired: int = 0
    removed: int = 0
    proved: int = 0
    extra: int = 0
    retried: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts._make(map(add, self, other))


class Tally:
    """:class:`Counts` while they grow."""

    __slots__ = Counts._fields

    def __init__(self) -> None:
        self.files = self.directories = self.bytes = self.skipped = self.changed = 0
        self.failed = self.repaired = self.removed = self.proved = self.extra = self.retried = 0

    def take(self) -> Counts:
        """The counts; they start again from 0."""
        counts = Counts._make(getattr(self, name) for name in self.__slots__)
        for name in self.__slots__:
            setattr(self, name, 0)
        return counts


class Loss(NamedTuple):
    """What the destination can't hold, of one kind: how often, the first path, and why."""

    times: int
    path: bytes
    message: str

    def to_json(self) -> list[Any]:
        """As JSON holds it."""
        return [self.times, to_text(self.path), self.message]

    @classmethod
    def from_json(cls, data: list[Any]) -> Loss:
        """The inverse of :meth:`to_json`."""
        times, path, message = data
        return cls(times, to_bytes(path), message)


class Losses:
    """What the destination can't hold, by kind."""

    def __init__(self) -> None:
        self.kinds: dict[str, Loss] = {}

    def add(self, kind: str, path: bytes, why: str, count: int = 1) -> None:
        """Note that ``kind`` was not preserved at ``path``."""
        known = self.kinds.get(kind)
        self.kinds[kind] = (
            known._replace(times=known.times + count) if known else Loss(count, path, why)
        )

    def take(self) -> dict[str, Loss]:
        """What was noted; it starts again from nothing."""
        kinds, self.kinds = self.kinds, {}
        return kinds


class SlowDirectory(NamedTuple):
    """What of a directory took a while in one piece of work: s, files and bytes."""

    seconds: float
    path: bytes
    files: int
    bytes: int

    def to_json(self) -> list[Any]:
        """As JSON holds it."""
        return [round(self.seconds, 6), to_text(self.path), self.files, self.bytes]

    @classmethod
    def from_json(cls, data: list[Any]) -> SlowDirectory:
        """The inverse of :meth:`to_json`."""
        seconds, path, files, size = data
        return cls(seconds, to_bytes(path), files, size)


class ShardResult(NamedTuple):
    """What became of a shard: what was done over each mount and how long that took (s of its
    workers together), and what failed over which.

    For its second pass: ``lost`` are the kinds of what the destination could not hold, ``lines``
    has a digit for each line of the shard, the sum of :class:`.vocabulary.LineState`. Of a second
    pass: ``extras``, some of those that it counted.
    """

    shard: int
    mounts: dict[bytes, tuple[Counts, float]]
    failures: list[tuple[bytes, Failure]]
    lost: tuple[str, ...] = ()
    lines: str = ""
    extras: tuple[Extra, ...] = ()

    def passed_on(self) -> ShardResult:
        """Without what failed as may pass, as another host is to try that again."""
        mounts = dict(self.mounts)
        for mount, failure in self.failures:
            if failure.may_pass:
                counts, seconds = mounts[mount]
                less = counts._replace(failed=counts.failed - 1, retried=counts.retried + 1)
                mounts[mount] = less, seconds
        left = [(mount, failure) for mount, failure in self.failures if not failure.may_pass]
        return self._replace(mounts=mounts, failures=left)

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "shard": self.shard,
            "mounts": {
                to_text(mount): [counts, round(seconds, 6)]
                for mount, (counts, seconds) in self.mounts.items()
            },
            "failures": [
                [to_text(mount), [to_text(failure.path), *failure[1:]]]
                for mount, failure in self.failures
            ],
            "lost": self.lost,
            "lines": self.lines,
            "extras": [[to_text(extra.path), extra.type] for extra in self.extras],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ShardResult:
        """The inverse of :meth:`to_json`."""
        return cls(
            data["shard"],
            {
                to_bytes(mount): (Counts(*counts), seconds)
                for mount, (counts, seconds) in data["mounts"].items()
            },
            [
                (to_bytes(mount), Failure(to_bytes(path), *rest))
                for mount, (path, *rest) in data["failures"]
            ],
            tuple(data["lost"]),
            data["lines"],
            tuple(Extra(to_bytes(path), kind) for path, kind in data["extras"]),
        )


class Closing(NamedTuple):
    """What a client says of its whole work at the end: what was done by when (s by its own clock,
    files, bytes, workers), the directories that took longest, what the destination can't hold, and
    how busy its processors were meanwhile (0 to 1, None: nobody knows)."""

    samples: list[list[float]]
    slow: list[SlowDirectory]
    losses: dict[str, Loss]
    processors: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "processors": self.processors,
            "samples": self.samples,
            "slow": [entry.to_json() for entry in self.slow],
            "losses": {kind: loss.to_json() for kind, loss in self.losses.items()},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Closing:
        """The inverse of :meth:`to_json`."""
        return cls(
            data["samples"],
            [SlowDirectory.from_json(entry) for entry in data["slow"]],
            {kind: Loss.from_json(entry) for kind, entry in data["losses"].items()},
            data["processors"],
        )
