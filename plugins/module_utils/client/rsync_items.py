# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which items of a chunk rsync gets, and which the engine copies in a run with rsync."""

from __future__ import annotations

import os
import stat
from typing import Tuple

from ..copy.entry import copy_entry
from ..copy.replace import look, refuse_directory
from ..copy.rsync.shelter import Undisturbed, can_bind
from ..copy.session import Session
from ..core.paths import join
from ..core.steps import MAKE_DIRECTORY
from ..core.want import Want
from ..fs.times import held_everywhere

Item = Tuple[bytes, Want]  # a name, and what is wanted of it
# Without a shelter rsync gets whole paths, and refuses longer ones.
_LONGEST_PATH = 4000  # bytes
_DEEPEST_PATH = 1000  # components
_CAPABILITIES = "security.capability"


class RsyncItems:
    """What rsync is to copy: ``wants`` by path, and the paths ``existing`` in the destination."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._user = os.geteuid()
        self._sheltered = can_bind()
        self._undisturbed = [Undisturbed(tree) for tree in (session.sources, session.targets)]
        self.wants: dict[bytes, Want] = {}
        self.existing: set[bytes] = set()

    def add(self, directory: bytes, items: list[Item]) -> None:
        """Take the items of a directory. What is not for rsync is copied at once."""
        theirs: list[Item] = []
        ours: list[Item] = []
        for item in items:
            (theirs if self._fits(directory, item) else ours).append(item)
        if theirs:
            try:
                ours += self._enter(directory, theirs)
            except OSError as error:
                for name, _want in theirs:
                    self._session.fail(join(directory, name), error)
        for name, want in ours:
            copy_entry(self._session, directory, name, want)

    def _fits(self, directory: bytes, item: Item) -> bool:
        """Not for rsync are directories; times that the destination may not hold, which rsync would
        set in every run; set-id files, which must be neither another user's nor filled by another
        user; and without a shelter paths that are too long for it."""
        name, want = item
        if stat.S_ISDIR(want.mode) or not held_everywhere(want.mtime):
            return False
        if stat.S_ISREG(want.mode) and want.mode & 0o6000:
            return False
        return self._sheltered or (
            len(directory) + len(name) < _LONGEST_PATH and directory.count(b"/") < _DEEPEST_PATH
        )

    def _enter(self, directory: bytes, items: list[Item]) -> list[Item]:
        """Make the directory and look what it has already; returns what the engine has to copy.
        Raises OSError."""
        self._session.step = MAKE_DIRECTORY
        target = self._session.targets.get(directory, True)
        if not self._sheltered and not all(safe(directory) for safe in self._undisturbed):
            return items
        ours = []
        for name, want in items:
            path = join(directory, name)
            try:
                found = None if target.created else look(self._session, name, target.fd)
                if found is not None:
                    refuse_directory(found)
                    if self._not_ours(directory, name, want, found):
                        ours.append((name, want))
                        continue
                    self.existing.add(path)
            except OSError as error:
                self._session.fail(path, error)
                continue
            self.wants[path] = want
            if self._user and want.uid != self._user:
                why = "only root can give a file to another user"
                self._session.losses.add("owner", path, why)
        return ours

    def _not_ours(self, directory: bytes, name: bytes, want: Want, found: os.stat_result) -> bool:
        """Whether somebody else's file would be given an owner, a group or capabilities: rsync
        would leave its contents to that user, if size and time are right."""
        if self._user or found.st_uid == 0 or not stat.S_ISREG(found.st_mode):
            return False
        if (found.st_uid, found.st_gid) != (want.uid, want.gid):
            return True
        return bool(want.mode & 0o111) and self._has_capabilities(directory, name)

    def _has_capabilities(self, directory: bytes, name: bytes) -> bool:
        fd = self._session.sources.get(directory).fd
        try:
            path = b"/proc/self/fd/%d/%s" % (fd, name)
            return bool(os.getxattr(path, _CAPABILITIES, follow_symlinks=False))
        except OSError:
            return False
