# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which branch of a mergerfs comes first: of a name that two branches have, users see that one's.

It is asked and set while mergerfs runs, by the extended attributes of its control file.
"""

from __future__ import annotations

import os

from ..core.errors import IngestError
from ..core.paths import display

CONTROL = b".mergerfs"
_BRANCHES = "user.mergerfs.branches"


class Order:
    """The branches of a union that is mounted at ``union``."""

    def __init__(self, union: bytes) -> None:
        """Raises IngestError if it is no mergerfs that can be asked."""
        self.control = union + b"/" + CONTROL
        try:
            os.getxattr(self.control, _BRANCHES)
        except OSError as error:
            raise IngestError(
                f"{display(union)} is not a mergerfs whose control file can be used: "
                f"{error.strerror}"
            ) from error

    def option(self, name: str) -> str:
        """An option as it is now, "" if this mergerfs does not know it."""
        try:
            return os.getxattr(self.control, f"user.mergerfs.{name}").decode("utf-8", "replace")
        except OSError:
            return ""

    def branches(self) -> list[bytes]:
        """The branches' paths, in order. Raises OSError."""
        return [_path(branch) for branch in self._read()]

    def first(self, one: bytes, other: bytes) -> bytes:
        """Which of two branches comes first. Raises OSError, ValueError."""
        branches = self.branches()
        return one if branches.index(one) < branches.index(other) else other

    def put_first(self, one: bytes, other: bytes) -> None:
        """Let ``one`` come before ``other``. Raises OSError."""
        entries = self._read()
        at = [_path(entry) for entry in entries]
        a, b = at.index(one), at.index(other)
        if a > b:
            entries[a], entries[b] = entries[b], entries[a]
            os.setxattr(self.control, _BRANCHES, b":".join(entries))

    def _read(self) -> list[bytes]:
        return os.getxattr(self.control, _BRANCHES).rstrip(b"\0").split(b":")


def _path(branch: bytes) -> bytes:
    """/mnt/a of /mnt/a=RW,10G."""
    return branch.rpartition(b"=")[0] or branch
