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

from ..core.errnos import server_may_be_dead
from ..core.outcome import Failure, Losses, Tally
from ..core.paths import join
from ..core.steps import IN_DIRECTORY, MAKE_DIRECTORY, OPEN_DIRECTORY, VERIFY
from ..fs.directories import DirCache, OpenDirectory
from .contents import Contents, Throttle
from .metadata import Metadata
from .temporary import nothing_there


class Pair:
    """A directory of both trees: its path, the source's descriptor, the destination's directory;
    and the turn of both caches until which they are surely open."""

    __slots__ = ("path", "source", "target", "turn")

    def __init__(self, path: bytes, source: int, target: OpenDirectory, turn: int) -> None:
        self.path = path
        self.source = source
        self.target = target
        self.turn = turn


class Session:
    """A source tree and a destination mount, for one thread. What copies entries is given one.

    ``step`` is what is being done (see :mod:`..core.steps`), for a failure that does not name it:
    an attribute, as a call would be felt with each file.
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
        self._pair: Pair | None = None
        self.tally = Tally()
        self.losses = Losses()
        self.failures: list[Failure] = []
        self.metadata = Metadata(preserve, self.losses)
        self.contents = Contents("sparse" in preserve, throttle, moved)
        root = self.targets.get(b"").fd
        self.device = os.fstat(root).st_dev
        # A session that begins when others have copied something looks for more than is needed.
        self.clean = nothing_there(root)
        self.fsync = fsync
        self.step = ""
        # Told the step when it looks as if a server does not answer.
        self.suspicion: Callable[[str], None] | None = None
        # Whether the destination makes what root makes somebody else's; None: nobody has tried.
        self.squashes_root: bool | None = None
        self.checking = False

    # -- directories: those of two calls ago may be closed ---------------------------------------

    def pair(self, path: bytes) -> Pair:
        """A directory of both trees, made in the destination if it is missing. Raises OSError."""
        pair = self._pair
        if (
            pair is not None
            and pair.path == path
            and pair.turn == self.sources.turn + self.targets.turn
        ):
            return pair
        self.step = OPEN_DIRECTORY
        source = self.sources.get(path).fd
        self.step = MAKE_DIRECTORY
        target = self.targets.get(path, True)
        pair = self._pair = Pair(path, source, target, self.sources.turn + self.targets.turn)
        return pair

    def source(self, path: bytes) -> int:
        """The descriptor of a directory of the source. Raises OSError."""
        return self.sources.get(path).fd

    def target(self, path: bytes, create: bool = False) -> OpenDirectory:
        """A directory of the destination; see :meth:`..fs.directories.DirCache.get`."""
        return self.targets.get(path, create)

    def look_afresh(self) -> None:
        """For the second pass: find the destination's directories by their names again, from its
        root. What is held open may have been moved away, or a link may have taken its place."""
        self.checking = True
        self.targets.look_afresh()

    # -- failures ----------------------------------------------------------------------------------

    def fail(self, path: bytes, error: OSError) -> None:
        """Record an item's failure."""
        step = getattr(error, "operation", self.step)
        message = error.strerror or str(error)
        if error.errno in (errno.ENOTDIR, errno.ELOOP) and step == MAKE_DIRECTORY:
            message += ": a link or a file is in the place of a directory in the destination"
        self.suspect(step, error.errno or 0)
        self.tally.failed += 1
        self.failures.append(Failure(path, step, error.errno or 0, message))

    def suspect(self, step: str, number: int) -> None:
        """A call has failed: perhaps because its server is dead."""
        if (
            self.suspicion
            and server_may_be_dead(number)
            and not (step == VERIFY and number == errno.EIO)
        ):
            self.suspicion(step)

    def open_up(self, directory: bytes) -> bool:
        """After EACCES: let a user other than root into its own read-only directories of an earlier
        run, until the last phase gives them their modes again. Returns whether there was one."""
        if os.geteuid() == 0 or self.step not in IN_DIRECTORY:
            return False
        names = directory.split(b"/") if directory else []
        at, opened = b"", False
        for count in range(len(names)):
            # Those on the way are only searched, and may have nothing else to be done to them.
            opened |= self._open_up(at, 0o100)
            try:
                self.target(join(at, names[count]))
            except OSError:
                break  # it is to be made in the one above
            at = join(at, names[count])
        return self._open_up(at, 0o300) or opened

    def _open_up(self, path: bytes, bits: int) -> bool:
        try:
            target = self.target(path)
        except OSError:
            return False
        found = os.fstat(target.fd)
        if found.st_uid != os.geteuid() or found.st_mode & bits == bits:
            return False
        os.chmod("/proc/self/fd/%d" % target.fd, stat.S_IMODE(found.st_mode) | 0o700)
        return True

    def close(self) -> None:
        """Close both trees."""
        self.sources.close()
        self.targets.close()
