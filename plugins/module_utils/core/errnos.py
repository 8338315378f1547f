# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an errno means here: what is retried, forgiven or blamed on a server follows from it."""

from __future__ import annotations

import errno

# What the kernel says of a server that does not answer.
_SILENT = frozenset(
    [
        errno.ETIMEDOUT,
        errno.EIO,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ENOTCONN,
    ]
)
_UNSUPPORTED = frozenset([errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL, errno.EACCES, errno.ENOSYS])
# One file has too many links, or the two names are not on one file system.
_NO_LINK = frozenset([errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV])


def server_may_be_dead(number: int) -> bool:
    """Whether a call may have failed because its server is dead: softerr and soft mounts say so."""
    return number in _SILENT


def may_pass(number: int) -> bool:
    """Whether the same call may succeed over another mount, or later: a dead server's, and that of
    an export or a file handle that this server no longer knows."""
    return number in _SILENT or number == errno.ESTALE


def may_pass_later(number: int) -> bool:
    """Whether the same call may succeed after a while, wherever it is made: what may pass, a busy
    resource, and space that somebody makes."""
    return may_pass(number) or number in (errno.EAGAIN, errno.ENOSPC)


def cannot_hold(number: int) -> bool:
    """Whether the destination, or this user in it, can't have what was to be set: an owner, an
    attribute. A loss, and no failure."""
    return number in _UNSUPPORTED


def cannot_link(number: int) -> bool:
    """Whether the destination can't have a hard link here: the name becomes a copy, and a loss."""
    return number in _NO_LINK
