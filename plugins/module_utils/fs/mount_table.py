# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mounts on this host are."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..core.paths import to_text

NETWORK = {"nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "beegfs", "glusterfs", "9p", "gpfs"}


class Entry(NamedTuple):
    """A mount: its mount point, what is mounted, the type, the file system's options, and its
    device number as the kernel writes it (``0:31``)."""

    point: bytes
    source: str
    kind: str
    options: dict[str, str]
    device: str


def entries(table: str = "/proc/self/mountinfo") -> list[Entry]:
    """All mounts, the later over the earlier. Raises OSError."""
    found = []
    with open(table, "rb") as mounts:
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
                    fields[2].decode("ascii", "replace"),
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


def file_system(path: bytes) -> str:
    """The type of the file system that holds a path, as the kernel names it; "" if unknown."""
    try:
        found = holding(os.path.realpath(path))
    except OSError:
        return ""
    return found.kind if found else ""


def host_of(source: str) -> str:
    """The server of what is mounted, such as ``10.0.0.1:/export``, without brackets; "" if there is
    none."""
    return source.rpartition(":/")[0].strip("[]")


def origin(path: bytes, follow: bool) -> tuple[str, str]:
    """(what is mounted there, its server's address) of a path on a network mount, or two "".

    Asks nothing of a mount, except to ``follow`` symbolic links where the path's own text leads to
    no network mount."""
    entry = holding(path)
    if follow and (entry is None or entry.kind not in NETWORK):
        entry = holding(os.path.realpath(path))
    if entry is None or entry.kind not in NETWORK:
        return "", ""
    return entry.source, entry.options.get("addr", host_of(entry.source))


def mounted() -> dict[str, str]:
    """What is mounted where: source by mount point, the topmost of each."""
    return {to_text(entry.point): entry.source for entry in entries()}


def fstab(path: str = "/etc/fstab", least: int = 4) -> dict[str, tuple[str, str, str]]:
    """(source, type, options) by mount point, as configured, by lines of ``least`` fields or
    more."""
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
