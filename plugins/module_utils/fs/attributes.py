# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended attributes and ACLs, read and compared."""

from __future__ import annotations

import errno
import os

from .times import Where

ACLS = ("system.posix_acl_access", "system.posix_acl_default", "system.nfs4_acl")
CAPABILITIES = "security.capability"
_REMOVED = (*ACLS, CAPABILITIES)


class Attributes:
    """Reads what of them is to be kept. For one thread."""

    def __init__(self, xattrs: bool, acls: bool) -> None:
        self.xattrs, self.acls = xattrs, acls
        self._bare_devices: set[int] = set()

    def __bool__(self) -> bool:
        """Whether any are to be kept."""
        return self.xattrs or self.acls

    def read(self, where: Where, device: int = -1) -> dict[str, bytes]:
        """Those of an entry. ``device`` is that of a regular file or directory, so that a file
        system that has none is asked once; -1: ask. Raises OSError."""
        if device in self._bare_devices:
            return {}
        try:
            names = (
                os.listxattr(where)
                if isinstance(where, int)
                else os.listxattr(where, follow_symlinks=held(where))
            )
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            if device >= 0:
                self._bare_devices.add(device)
            return {}
        if not names:
            return {}
        values = {}
        for name in names:
            if not (self.acls if name in ACLS else self.xattrs):
                continue
            try:
                values[name] = get(where, name)
            except OSError as error:
                if error.errno != errno.ENODATA:
                    raise
        return values

    def read_all(
        self, place: bytes, named: list[tuple[bytes, os.stat_result]]
    ) -> list[dict[str, bytes] | None]:
        """Those of entries of a directory, which ``place`` is a way to (with its slash; nothing:
        the current one). None: they can't be read."""
        values: list[dict[str, bytes] | None] = []
        none: dict[str, bytes] = {}
        bare, listxattr = self._bare_devices, os.listxattr
        for name, found in named:
            try:
                if found.st_dev not in bare and not listxattr(place + name, follow_symlinks=False):
                    values.append(none)
                    continue
            except OSError:
                pass  # it says the same once more
            try:
                # A file system without any says so of files alone.
                plain = found.st_mode & 0o170000 == 0o100000
                values.append(self.read(place + name, found.st_dev if plain else -1))
            except OSError:
                values.append(None)
        return values


def differing(wanted: dict[str, bytes], found: dict[str, bytes]) -> dict[str, bytes | None]:
    """What an entry's attributes must become (None: removed) to be those that are wanted."""
    if not wanted and not found:
        return {}
    different: dict[str, bytes | None] = {
        name: value for name, value in wanted.items() if found.get(name) != value
    }
    for name in found:
        # trusted.* may belong to the destination's file system itself.
        if name not in wanted and (name.startswith("user.") or name in _REMOVED):
            different[name] = None
    return different


def get(where: Where, name: str) -> bytes:
    """The value of one. Raises OSError."""
    return (
        os.getxattr(where, name)
        if isinstance(where, int)
        else os.getxattr(where, name, follow_symlinks=held(where))
    )


def held(where: Where) -> bool:
    """Whether this is what an open descriptor is called in /proc, which is followed, and no name in
    a directory, which is bytes and never followed."""
    return isinstance(where, str)
