# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mounts on this host are."""

from __future__ import annotations

import os

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
