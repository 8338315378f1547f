# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CephFS's data pools: a pool's setting ``pool`` is its name. An empty file can be given a layout
by an extended attribute; what is written then goes to that pool."""

from __future__ import annotations

import os

from ...core.errors import OperationError
from .base import Job
from .placement import Placement

LAYOUT = "ceph.file.layout.pool"


class Ceph(Placement):
    """A file made in the other pool, and an exchange."""

    file_systems = ("ceph", "fuse.ceph", "fuse.ceph-fuse")

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._pool = job.target.need("pool").encode()

    def make(self, directory: int, path: bytes, name: bytes) -> None:
        """See :class:`.placement.Placement`."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0, dir_fd=directory)
        try:
            os.setxattr(fd, LAYOUT, self._pool)
        except OSError as error:
            os.unlink(name, dir_fd=directory)
            raise OperationError(f"set {LAYOUT}", error.errno or 0) from error
        finally:
            os.close(fd)
