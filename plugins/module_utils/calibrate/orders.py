# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller asks a client to try, and what it hears: JSON-ready records."""

from __future__ import annotations

from typing import Any, NamedTuple

# A trial copies from the source, writes what the client has made, or only reads the source.
COPY, WRITE, READ = "copy", "write", "read"


class Order(NamedTuple):
    """A trial. ``bound`` is what counts (``files`` or ``bytes``), ``expected`` of it a second is
    what the last trial gave, by which its pieces are cut; 0: unknown.

    ``mounts`` are the first so many of the client's. ``begin`` and ``seconds``: when it begins, by
    the client's own clock (:func:`..core.clock.elapsed`; 0: at once), and for how long work is
    handed out. ``range_size``: large files in ranges of so many bytes; 0: as it fits. ``share``:
    how many pieces a worker is to have.
    """

    number: int
    kind: str
    bound: str
    workers: int
    mounts: int
    seconds: float
    expected: float = 0.0
    begin: float = 0.0
    most_bytes: int = 1 << 40
    range_size: int = 0
    share: int = 8

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Order:
        """The inverse of ``_asdict()``."""
        return cls(**data)


class Outcome(NamedTuple):
    """What came of a trial: files, bytes, and s from when all workers had got going to the end of
    the last piece; ``written`` are all bytes.

    ``busy`` is the part of the client's processors that was in use by anybody, ``own`` by the
    copy; ``mounts`` has the files and bytes over each. ``timeline``: what was done by when (s by
    the client's clock). ``cleared``: s that the removal took.
    """

    number: int
    files: int
    bytes: int
    seconds: float
    failed: int
    message: str
    busy: float
    own: float
    mounts: list[list[int]]
    timeline: list[list[float]]
    cleared: float = 0.0
    written: int = 0

    def rate(self, bound: str) -> float:
        """Files or bytes a second."""
        return (self.files if bound == "files" else self.bytes) / max(self.seconds, 1e-3)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Outcome:
        """The inverse of ``_asdict()``."""
        return cls(**data)
