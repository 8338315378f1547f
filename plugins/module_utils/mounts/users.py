# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses a mount, as far as /proc shows it. Nothing is asked of the mount itself."""

from __future__ import annotations

import os
from typing import Iterator, NamedTuple, Sequence

from ..core.paths import display, to_bytes
from ..fs.mount_table import entries

_SIGKILL = 1 << 8  # in a mask of /proc/PID/status


class Holder(NamedTuple):
    """A process that uses a mount. ``killed``: it only waits for a server to be gone."""

    pid: int
    name: str
    killed: bool

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


def holders(points: Sequence[str]) -> dict[str, list[Holder]]:
    """The processes that have something below each mount point open, run, mapped or as their
    directory. Those of other users are seen only by root."""
    tops = {point: to_bytes(point).rstrip(b"/") for point in points}
    found: dict[str, list[Holder]] = {point: [] for point in points}
    if not points:
        return found
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        places = _places(name)
        for point, top in tops.items():
            if any(place == top or place.startswith(top + b"/") for place in places):
                found[point].append(_holder(name))
    return found


def nested(point: str) -> list[str]:
    """What is mounted below a mount point."""
    top = to_bytes(point).rstrip(b"/") + b"/"
    return [display(entry.point) for entry in entries() if entry.point.startswith(top)]


def _places(pid: str) -> set[bytes]:
    folder = b"/proc/" + pid.encode()
    if _link(folder + b"/ns/mnt") not in (b"", _link(b"/proc/self/ns/mnt")):
        return set()  # its paths mean something else
    places = {_link(folder + b"/" + name) for name in (b"cwd", b"root", b"exe")}
    try:
        places.update(_link(folder + b"/fd/" + name) for name in os.listdir(folder + b"/fd"))
    except OSError:
        pass
    places.update(_maps(folder))
    return places


def _maps(folder: bytes) -> Iterator[bytes]:
    try:
        with open(folder + b"/maps", "rb") as lines:
            for line in lines:
                fields = line.rstrip(b"\n").split(None, 5)
                if len(fields) == 6 and fields[5].startswith(b"/"):
                    yield fields[5]
    except OSError:
        pass


def _link(path: bytes) -> bytes:
    try:
        return os.readlink(path)
    except OSError:
        return b""


def _holder(pid: str) -> Holder:
    status = {}
    try:
        with open(f"/proc/{pid}/status", "rb") as lines:
            for line in lines:
                name, dummy, value = line.partition(b":")
                status[name] = value.strip()
    except OSError:
        pass
    pending = int(status.get(b"SigPnd", b"0"), 16) | int(status.get(b"ShdPnd", b"0"), 16)
    return Holder(int(pid), display(status.get(b"Name", b"a process")), bool(pending & _SIGKILL))
