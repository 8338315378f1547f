# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two open trees, and what came of copying from one into the other.

Everything happens relative to open directories, so a symbolic link that stands in the
destination is replaced or refused, never followed.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable

from ..core.outcome import Failure, Losses, Tally
from ..fs.directories import DirCache
from .contents import Contents, Throttle
from .metadata import Metadata

# What needs the directory to be writable and searchable.
_IN_DIRECTORY = ("make directory", "stat destination", "create", "rename", "link")
# What calls to a dead server come to, if they come back: softerr, soft and others.
_UNANSWERED = (
    errno.ETIMEDOUT,
    errno.EIO,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ECONNREFUSED,
)


class Session:
    """A source tree and a destination mount, for one thread. What copies entries is given one.

    ``operation`` is what is being done, for a failure that does not name it: an attribute, as a
    call would be felt with each file.
    """

    def __init__(
        self,
        source: bytes,
        destination: bytes,
        preserve: frozenset[str],
        throttle: Throttle | None = None,
        moved: Callable[[int], None] | None = None,
        fsync: bool = False,
    ) -> None:
        """Open both trees. Raises OSError if one can't be opened.

        With "mode" in ``preserve`` the process must have umask 0.
        """
        self.sources = DirCache(source)
        self.targets = DirCache(destination)
        self.tally = Tally()
        self.losses = Losses()
        self.failures: list[Failure] = []
        self.metadata = Metadata(preserve, self.losses)
        self.contents = Contents("sparse" in preserve, throttle, moved)
        self.device = os.fstat(self.targets.get(b"").fd).st_dev
        self.fsync = fsync
        self.operation = ""
        # Told the operation when it looks as if a server does not answer.
        self.suspicion: Callable[[str], None] | None = None

    def fail(self, path: bytes, error: OSError) -> None:
        """Record an item's failure."""
        operation = getattr(error, "operation", self.operation)
        message = error.strerror or str(error)
        if error.errno in (errno.ENOTDIR, errno.ELOOP) and operation == "make directory":
            message += ": a link or a file is in the place of a directory in the destination"
        self.suspect(operation, error.errno or 0)
        self.tally.failed += 1
        self.failures.append(Failure(path, operation, error.errno or 0, message))

    def suspect(self, operation: str, number: int) -> None:
        """A call has failed: perhaps because its server is dead."""
        if (
            number in _UNANSWERED
            and self.suspicion
            and not (operation == "verify" and number == errno.EIO)
        ):
            self.suspicion(operation)

    def open_up(self, directory: bytes) -> bool:
        """After EACCES: let a user other than root into its own read-only directories of an earlier
        run, until the last phase gives them their modes again. Returns whether there was one."""
        if os.geteuid() == 0 or self.operation not in _IN_DIRECTORY:
            return False
        opened = False
        names = directory.split(b"/")
        for count in range(1 if directory else 0, len(names) + 1 if directory else 1):
            try:
                target = self.targets.get(b"/".join(names[:count]))
            except OSError:
                break
            found = os.fstat(target.fd)
            if found.st_uid == os.geteuid() and found.st_mode & 0o300 != 0o300:
                os.chmod("/proc/self/fd/%d" % target.fd, stat.S_IMODE(found.st_mode) | 0o700)
                opened = True
        return opened

    def close(self) -> None:
        """Close both trees."""
        self.sources.close()
        self.targets.close()
