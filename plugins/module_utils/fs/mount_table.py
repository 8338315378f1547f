# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mounts on this host are."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..core.paths import to_text

NETWORK = {"nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "beegfs", "glusterfs", "9p", "gpfs"}


def file_system(path: bytes) -> str:
    """The type of the file system that holds a path, as the kernel names it; "" if unknown."""
    real = os.path.realpath(path)
    best, kind = -1, ""
    try:
        with open("/proc/self/mountinfo", "rb") as mounts:
            for line in mounts:
                fields = line.split()
                point = fields[4].decode("unicode_escape").encode("latin-1")
                inside = real == point or real.startswith(point.rstrip(b"/") + b"/")
                if inside and len(point) >= best:
                    best, kind = len(point), fields[fields.index(b"-") + 1].decode()
    except OSError:
        pass
    return kind


class Entry(NamedTuple):
    """A mount: its mount point, what is mounted, the type, and the file system's options."""

    point: bytes
    source: str
    kind: str
    options: dict[str, str]


def entries() -> list[Entry]:
    """All mounts, the later over the earlier."""
    found = []
    with open("/proc/self/mountinfo", "rb") as mounts:
        for line in mounts:
            fields = line.split()
            at = fields.index(b"-")
            words = fields[at + 3].decode("ascii", "replace").split(",")
            found.append(
                Entry(
                    _bytes(fields[4]),
                    _text(fields[at + 2]),
                    fields[at + 1].decode("ascii", "replace"),
                    {name: value for name, dummy, value in (word.partition("=") for word in words)},
                )
            )
    return found


def holding(path: bytes) -> Entry | None:
    """The mount that a path lies on by its name. Nothing is asked of it, so that a mount whose
    server is dead can be named; a symbolic link on the way is not seen."""
    best = None
    for entry in entries():
        inside = path == entry.point or path.startswith(entry.point.rstrip(b"/") + b"/")
        if inside and (best is None or len(entry.point) >= len(best.point)):
            best = entry
    return best


def origin(path: bytes, follow: bool) -> tuple[str, str]:
    """(what is mounted there, its server's address) of a path on a network mount, or two "".

    Asks nothing of a mount, except to ``follow`` symbolic links where the path's own text leads to
    no network mount."""
    entry = holding(path)
    if follow and (entry is None or entry.kind not in NETWORK):
        entry = holding(os.path.realpath(path))
    if entry is None or entry.kind not in NETWORK:
        return "", ""
    host = entry.source.rpartition(":/")[0].strip("[]")
    return entry.source, entry.options.get("addr", host)


def mounted() -> dict[str, str]:
    """What is mounted where: source by mount point, the topmost of each."""
    return {to_text(entry.point): entry.source for entry in entries()}


def fstab(path: str = "/etc/fstab", least: int = 4) -> dict[str, tuple[str, str, str]]:
    """(source, type, options) by mount point, as configured, by lines of ``least`` fields or more."""
    found = {}
    try:
        with open(path, "rb") as lines:
            for line in lines:
                fields = line.split()
                if len(fields) >= least and not line.lstrip().startswith(b"#"):
                    source, point, kind, options = (_text(field) for field in fields[:4])
                    found[point] = (source, kind, options)
    except FileNotFoundError:
        pass
    return found


def _text(field: bytes) -> str:
    """A field of mountinfo or fstab, with its octal escapes undone."""
    return to_text(_bytes(field))


def _bytes(field: bytes) -> bytes:
    return field.decode("unicode_escape").encode("latin-1")
