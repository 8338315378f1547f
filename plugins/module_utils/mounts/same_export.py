# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host's mounts are one export, and whether each can really be written."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import stat
from typing import Any, NamedTuple, Sequence

from ..core.errors import IngestError
from ..core.paths import display
from ..fs.mount_table import file_system
from ..fs.refresh import refresh

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TEXT = b"written to see whether this directory can be written; may be removed\n"
_SKEW = 2_000_000_000  # ns by which the clocks of a cluster's nodes may differ


class Level(NamedTuple):
    """The deepest directory of a destination that exists, and the name that is missing in it."""

    path: bytes
    missing: bytes


def problem(name: str, path: bytes, what: str) -> IngestError:
    """A sentence with a variable, its value and this host's name."""
    return IngestError(f"{name} '{display(path)}' {what} on {socket.gethostname()}")


def levels(targets: Sequence[bytes]) -> list[Level]:
    """Where each destination is to be proved: in itself, or all in their parents when one is
    missing.

    Raises:
        IngestError: more than the last part is missing, something is no directory, or what is
            missing has different names, so that they can't become one directory.
    """
    found = [_level(target) for target in targets]
    lacking = [level for level in found if level.missing]
    if lacking and len(lacking) < len(found):
        # Perhaps remembered as missing: the parents tell.
        found = [level if level.missing else Level(*os.path.split(level.path)) for level in found]
    if len({level.missing for level in found}) > 1:
        missing = next(target for target in targets if _level(target).missing)
        raise problem("ingest_destinations", missing, "does not exist")
    return found


def _level(target: bytes) -> Level:
    path = target.rstrip(b"/") or b"/"
    parent, name = os.path.split(path)
    above = _stat(parent)
    if above is not None and stat.S_ISDIR(above.st_mode):
        ask_again(parent)
    found = _stat(path)
    if found is None:
        if above is None or not stat.S_ISDIR(above.st_mode):
            raise problem(
                "ingest_destinations",
                target,
                "does not exist, nor does the directory that it is to be made in",
            )
        if os.path.islink(path):
            raise problem("ingest_destinations", target, "is a link to nothing")
        return Level(parent, name)
    if not stat.S_ISDIR(found.st_mode):
        raise problem("ingest_destinations", target, "is not a directory")
    return Level(path, b"")


def _stat(path: bytes) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise problem(
            "ingest_destinations", path, f"can't be looked at: {error.strerror}"
        ) from error


def ask_again(path: bytes) -> None:
    """Forget what this host remembers of a directory and of names that were missing in it."""
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        refresh(fd)
    finally:
        os.close(fd)


# -- the proof -----------------------------------------------------------------------------------


def prove(targets: Sequence[bytes]) -> dict[str, Any]:
    """Write a token over each mount, and see it over the next: then all are one export that this
    user can write. The tokens are removed, and the directory's times put back.

    Returns what :func:`true_times` needs, JSON-ready. Raises IngestError.
    """
    places = levels(targets)
    first = places[0].path
    ask_again(first)
    before = [os.stat(place.path) for place in places]
    if closed_to_owner(before[0]):
        same_directory(targets)
        return _seen(before[0], before[0].st_mtime_ns, places[0])
    tokens: list[tuple[bytes, bytes]] = []
    created: list[int] = []
    try:
        for target, place in zip(targets, places):
            created.append(_write(target, place.path, tokens))
        for (dummy, name), writer, target, place in zip(tokens, targets, targets[1:], places[1:]):
            _see(writer, target, place.path, name)
        if len(tokens) > 1:
            _see(targets[-1], targets[0], first, tokens[-1][1])
        del before[1:]  # it is the same directory
    finally:
        for path, name in tokens:
            _remove(name, path, first)
        for place, found in reversed(list(zip(places, before))):
            put_back(place.path, found.st_atime_ns, found.st_mtime_ns)
    return _seen(before[0], created[0], places[0])


def closed_to_owner(found: os.stat_result) -> bool:
    """Whether a user's own directory is closed even to itself, as an earlier run left it: the copy
    opens it."""
    mine = os.geteuid() != 0 and found.st_uid == os.geteuid()
    return mine and found.st_mode & 0o300 != 0o300


def _write(target: bytes, path: bytes, tokens: list[tuple[bytes, bytes]]) -> int:
    """Write one token and note it in ``tokens``; returns the server's time (ns). Only written data
    that was flushed tells of a full disk and of quotas."""
    name = b".ingest-token-" + secrets.token_hex(8).encode()
    tokens.append((path, name))  # before there is anything to remove: this may be stopped
    try:
        fd = os.open(os.path.join(path, name), _CREATE, 0o600)
        try:
            now = os.fstat(fd).st_mtime_ns
            os.write(fd, _TEXT)
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise problem(
            "ingest_destinations",
            target,
            f"can't be written by uid {os.geteuid()} ({error.strerror or error})",
        ) from error
    return now


def _see(writer: bytes, target: bytes, path: bytes, name: bytes) -> None:
    try:
        os.lstat(os.path.join(path, name))
    except FileNotFoundError:
        raise _not_one(writer, target) from None
    except OSError as error:
        raise problem(
            "ingest_destinations", target, f"can't be looked at: {error.strerror}"
        ) from error


def _not_one(first: bytes, second: bytes) -> IngestError:
    return IngestError(
        f"ingest_destinations: '{display(first)}' and '{display(second)}' are not the same "
        f"directory on {socket.gethostname()}: files would be scattered over both"
    )


def _remove(name: bytes, *paths: bytes) -> None:
    """Remove a token, over another mount if need be."""
    for path in paths:
        try:
            os.unlink(os.path.join(path, name))
            return
        except FileNotFoundError:
            return
        except OSError:
            pass


def put_back(path: bytes, atime: int, mtime: int) -> None:
    """Give a directory its times (ns) again, where this user may."""
    try:
        os.utime(path, ns=(atime, mtime))
    except OSError:
        pass


# -- looking only --------------------------------------------------------------------------------


def look(targets: Sequence[bytes]) -> dict[str, Any]:
    """What can be said without writing: whether this user may write, and whether all have one
    number. Returns as :func:`prove`. Raises IngestError."""
    places = levels(targets)
    for target, place in zip(targets, places):
        if not os.access(place.path, os.W_OK | os.X_OK) and not closed_to_owner(
            os.stat(place.path)
        ):
            raise problem("ingest_destinations", target, f"can't be written by uid {os.geteuid()}")
    if not places[0].missing:
        same_directory(targets)
    found = os.stat(places[0].path)
    return _seen(found, found.st_mtime_ns, places[0])


def same_directory(targets: Sequence[bytes]) -> None:
    """One call a mount: have all the number of the first? Raises IngestError."""
    first = os.stat(targets[0])
    for target in targets[1:]:
        found = os.stat(target)
        if found.st_ino != first.st_ino and not file_system(target).startswith("fuse"):
            raise _not_one(targets[0], target)


def make(targets: Sequence[bytes]) -> None:
    """Make the destination if its last part is missing, and make sure that it is on all mounts
    what it is on the first; the proof was :func:`prove`'s, this finds mounts that went since.

    Raises:
        IngestError: it can't be made, or a mount shows something else.
    """
    first = targets[0]
    try:
        try:
            os.mkdir(first, 0o700)
        except FileExistsError:  # perhaps by another host, just now
            if not os.path.isdir(first):
                raise
        for other in targets[1:]:
            if not os.path.isdir(other):
                _appears(first, other)
        same_directory(targets)
    except OSError as error:
        raise problem(
            "ingest_destinations", first, f"can't be written ({error.strerror or error})"
        ) from error


def _appears(first: bytes, other: bytes) -> None:
    """A client of NFS may remember that the directory was missing; to make it asks the server."""
    try:
        os.mkdir(other, 0o700)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
        if os.path.isdir(other):
            return
    else:
        os.rmdir(other)
    raise _not_one(first, other)


# -- many hosts ----------------------------------------------------------------------------------


def _seen(found: os.stat_result, created: int, place: Level) -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "kind": file_system(place.path),
        "inode": found.st_ino,
        "atime": found.st_atime_ns,
        "mtime": found.st_mtime_ns,
        "created": created,
    }


def true_times(seen: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """The (atime, mtime) in ns that the directory had before the first host's token.

    Hosts write theirs at the same time, and each may have found the time of another's token. The
    first to write found the true one; which that was, their server's clocks tell but roughly.
    """
    earliest = min(host["created"] for host in seen)
    early = [host for host in seen if host["created"] - earliest <= _SKEW]
    best = max(early, key=lambda host: abs(int(host["mtime"]) - earliest))
    return int(best["atime"]), int(best["mtime"])


def same_on_all(seen: Sequence[dict[str, Any]]) -> None:
    """Whether all hosts see one directory, as far as its number tells: over NFS it is the server's.

    Raises IngestError with the two hosts.
    """
    if not all(one["kind"] in ("nfs", "nfs4") for one in seen):
        return
    for one in seen:
        if one["inode"] != seen[0]["inode"]:
            raise IngestError(
                f"ingest_destinations: {seen[0]['host']} and {one['host']} don't see the same "
                "directory: files would be scattered over both"
            )
