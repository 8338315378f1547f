# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which items of a chunk rsync gets, and which the engine copies in a run with rsync."""

from __future__ import annotations

import os
import stat

from ..copy.entry import copy_entry
from ..copy.replace import look, refuse_directory
from ..copy.rsync.shelter import Undisturbed, can_bind
from ..copy.session import Session
from ..copy.trust import doubtful
from ..core.paths import join
from ..core.steps import MAKE_DIRECTORY
from ..core.want import Want
from ..fs.times import held_everywhere
from ..plan.shards import CopyRow

# Without a shelter rsync gets whole paths, and refuses longer ones.
_LONGEST_PATH = 4000  # bytes
_DEEPEST_PATH = 1000  # components


class RsyncItems:
    """What rsync is to copy: ``wants`` by path, and the paths ``existing`` in the destination.
    ``equal`` are of the other items those that it had as they are in the source."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._user = os.geteuid()
        self._sheltered = can_bind()
        self._undisturbed = [Undisturbed(tree) for tree in (session.sources, session.targets)]
        self.wants: dict[bytes, Want] = {}
        self.existing: set[bytes] = set()
        self.equal: set[bytes] = set()

    def add(self, directory: bytes, rows: list[CopyRow]) -> None:
        """Take the rows of a directory. What is not for rsync is copied at once."""
        theirs: list[CopyRow] = []
        ours: list[CopyRow] = []
        for row in rows:
            (theirs if self._fits(directory, row) else ours).append(row)
        if theirs:
            try:
                ours += self._enter(directory, theirs)
            except OSError as error:
                for name, _want in theirs:
                    self._session.fail(join(directory, name), error)
        tally = self._session.tally
        for name, want in ours:
            # Directories have rows of their own for the second pass.
            due = tally.skipped + (not stat.S_ISDIR(want.mode)), tally.changed, tally.failed
            copy_entry(self._session, directory, name, want)
            if (tally.skipped, tally.changed, tally.failed) == due:
                self.equal.add(join(directory, name))

    def _fits(self, directory: bytes, row: CopyRow) -> bool:
        """Not for rsync are directories; times that the destination may not hold, which rsync would
        set in every run; set-id files, which must be neither another user's nor filled by another
        user; and without a shelter paths that are too long for it."""
        name, want = row
        if stat.S_ISDIR(want.mode) or not held_everywhere(want.mtime):
            return False
        if stat.S_ISREG(want.mode) and want.mode & 0o6000:
            return False
        return self._sheltered or (
            len(directory) + len(name) < _LONGEST_PATH and directory.count(b"/") < _DEEPEST_PATH
        )

    def _enter(self, directory: bytes, rows: list[CopyRow]) -> list[CopyRow]:
        """Make the directory and look what it has already; returns what the engine has to copy.
        Raises OSError."""
        self._session.step = MAKE_DIRECTORY
        target = self._session.target(directory, True)
        if not self._sheltered and not all(safe(directory) for safe in self._undisturbed):
            return rows
        ours = []
        for row in rows:
            path = join(directory, row.name)
            try:
                found = None if target.created else look(self._session, row.name, target.fd)
                if found is not None:
                    refuse_directory(found)
                    if self._doubtful(directory, row.name, row.want, found):
                        ours.append(row)
                        continue
                    self.existing.add(path)
            except OSError as error:
                self._session.fail(path, error)
                continue
            self.wants[path] = row.want
            if self._user and row.want.uid != self._user:
                why = "only root can give a file to another user"
                self._session.losses.add("owner", path, why)
        return ours

    def _doubtful(self, directory: bytes, name: bytes, want: Want, found: os.stat_result) -> bool:
        """Whether rsync could give somebody what is not theirs: it would leave the contents as they
        are, if size and time are right."""
        session = self._session
        changes: dict[str, bytes | None] = {}
        executable = found.st_uid != 0 and want.mode & 0o111
        if session.metadata.attributes and (executable or found.st_nlink > 1):
            source = b"/proc/self/fd/%d/%s" % (session.source(directory), name)
            target = b"/proc/self/fd/%d/%s" % (session.target(directory).fd, name)
            changes = session.metadata.attribute_changes(source, target)
        return doubtful(session, want, found, changes)
