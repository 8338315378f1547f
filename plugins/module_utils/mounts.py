# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mounts on this host are."""

from __future__ import annotations

import os
from typing import Dict, Tuple

from .paths import to_text

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


def mounted() -> Dict[str, str]:
    """What is mounted where: source by mount point, the topmost of each."""
    found = {}
    with open("/proc/self/mountinfo", "rb") as mounts:
        for line in mounts:
            fields = line.split()
            source = fields[fields.index(b"-") + 2]
            found[_text(fields[4])] = _text(source)
    return found


def fstab(path: str = "/etc/fstab") -> Dict[str, Tuple[str, str, str]]:
    """(source, type, options) by mount point, as configured."""
    found = {}
    try:
        with open(path, "rb") as lines:
            for line in lines:
                fields = line.split()
                if len(fields) >= 4 and not line.lstrip().startswith(b"#"):
                    source, point, kind, options = (_text(field) for field in fields[:4])
                    found[point] = (source, kind, options)
    except FileNotFoundError:
        pass
    return found


def _text(field: bytes) -> str:
    """A field of mountinfo or fstab, with its octal escapes undone."""
    return to_text(field.decode("unicode_escape").encode("latin-1"))
