# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder in the destination that a calibration writes in, and nowhere else.

It is called ``.ingest-calibrate``, only its owner may enter it, and it is held open: whatever
takes its name, nothing is written through that. ``owner.json`` in it says whose it is, and changes
its time while its owner lives. What a killed calibration left is recognised by both, and removed;
anything else of that name is refused.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
import stat
import threading
import time
from itertools import count
from typing import Any, Callable, Iterator, Sequence

from ..core.clock import boot
from ..core.errors import IngestError
from ..core.own_names import PREFIX
from ..core.paths import display, join, split
from ..fs.directories import DirCache
from ..fs.refresh import refresh

NAME = PREFIX + b"calibrate"
SILENCE = 20.0  # s without a sign after which an owner on another host is dead
_SIGN = 4.0  # s between signs
_OWNER = b"owner.json"
_THREADS = 16  # that remove
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HANDLE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
Check = Callable[[], None]


class Scratch:
    """The folder, over each mount of this client."""

    def __init__(self, places: Sequence[bytes], token: str, handles: Sequence[int]) -> None:
        self.places = list(places)
        self.token = token
        self.handles = list(handles)
        self._sign_at = time.monotonic()
        self.owned = False

    def folder(self, mount: int, name: str) -> bytes:
        """A path for a folder in it, over one mount; by its descriptor, so it can't be led astray.
        Child processes have it too."""
        return b"/proc/self/fd/%d/%s" % (self.handles[mount], name.encode("ascii"))

    def make(self, name: str) -> None:
        """A new folder in it. Raises IngestError."""
        try:
            os.mkdir(name, 0o700, dir_fd=self.handles[0])
            for handle in self.handles[1:]:
                refresh(handle)
        except OSError as error:
            raise self._problem(error) from error

    def clear(self, name: str, check: Check) -> None:
        """Remove a folder in it, over all mounts at once. Raises IngestError."""
        try:
            remove(self.handles, name.encode("ascii"), check)
        except OSError as error:
            raise self._problem(error) from error

    def _problem(self, error: OSError) -> IngestError:
        where = display(join(self.places[0], NAME))
        return IngestError(f"'{where}' on {socket.gethostname()}: {error.strerror or error}")

    def sign(self) -> None:
        """Show that the owner lives, if it is time."""
        now = time.monotonic()
        if self.owned and now - self._sign_at > _SIGN:
            self._sign_at = now
            with contextlib.suppress(OSError):
                os.utime(_OWNER, dir_fd=self.handles[0], follow_symlinks=False)

    def close(self) -> None:
        """Remove it if it is this client's own, and let go of it. Raises IngestError: something is
        left of it."""
        try:
            if self.owned:
                self.owned = False
                _remove_all(self.handles, self.places[0], lambda: None)
        except OSError as error:
            raise self._problem(error) from error
        finally:
            while self.handles:
                os.close(self.handles.pop())


def make(places: Sequence[bytes], check: Check) -> Scratch:
    """Make the folder in the directories ``places``, one over each mount; what a killed calibration
    left goes first. ``check`` is called often. Raises IngestError."""
    token = secrets.token_hex(16)
    first = places[0]
    try:
        while True:
            try:
                os.mkdir(join(first, NAME), 0o700)
                break
            except FileExistsError:
                remove_leftover(first, check)
        handle = os.open(join(first, NAME), _HANDLE)
    except OSError as error:
        raise _problem(first, f"can't be made: {error.strerror or error}") from error
    scratch = Scratch(places, token, [handle])
    scratch.owned = True
    try:
        _write_owner(handle, token)
        scratch.handles += _others(first, handle, places[1:], token)
    except OSError as error:
        scratch.close()
        raise _problem(first, f"can't be written: {error.strerror or error}") from error
    except IngestError:
        scratch.close()
        raise
    return scratch


def enter(places: Sequence[bytes], token: str) -> Scratch:
    """The folder that another client has made. Raises IngestError: it is not there."""
    try:
        handle = os.open(join(places[0], NAME), _HANDLE)
    except OSError as error:
        raise _problem(places[0], f"can't be entered: {error.strerror}") from error
    try:
        _same(handle, places[0], token)
        return Scratch(places, token, [handle, *_others(places[0], handle, places[1:], token)])
    except IngestError:
        os.close(handle)
        raise


def _others(first: bytes, handle: int, places: Sequence[bytes], token: str) -> list[int]:
    found: list[int] = []
    number = os.stat(handle).st_ino
    try:
        for place in places:
            refresh_place(place)
            found.append(os.open(join(place, NAME), _HANDLE))
            if os.stat(found[-1]).st_ino != number:
                raise _problem(place, f"is not that of '{display(first)}'")
            _same(found[-1], place, token)
    except OSError as error:
        raise _problem(place, f"can't be entered: {error.strerror}") from error
    return found


def refresh_place(place: bytes) -> None:
    """Forget what this host remembers to be missing there. Raises OSError."""
    fd = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        refresh(fd)
    finally:
        os.close(fd)


def _same(handle: int, place: bytes, token: str) -> None:
    if _owner(handle).get("token") != token:
        raise _problem(place, "is not this calibration's")


def _problem(place: bytes, what: str) -> IngestError:
    return IngestError(f"'{display(join(place, NAME))}' on {socket.gethostname()} {what}")


# -- whose it is -----------------------------------------------------------------------------------


def _write_owner(handle: int, token: str) -> None:
    text = {
        "token": token,
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }
    fd = os.open(_OWNER, _NEW, 0o600, dir_fd=handle)
    try:
        os.write(fd, json.dumps(text).encode("ascii"))
    finally:
        os.close(fd)


def _owner(handle: int) -> dict[str, Any]:
    """What its owner wrote; nothing if there is none."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(_OWNER, flags, dir_fd=handle)
    except OSError:
        return {}
    try:
        found = json.loads(os.read(fd, 4096))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
    finally:
        os.close(fd)


def _machine() -> str:
    """This machine since its start, and whose process numbers are meant."""
    try:
        return f"{boot()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return boot()


def _started(pid: int) -> str:
    """When a process began; "" if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")
    except (OSError, IndexError):
        return ""


def remove_leftover(place: bytes, check: Check, silence: float = SILENCE) -> bool:
    """Remove what a killed calibration left in a directory. Returns whether there was something.

    Raises:
        IngestError: it is none of a calibration's, or its owner lives. Nothing was removed.
    """
    path = join(place, NAME)
    try:
        fd = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise _problem(place, "is no directory: it is not a calibration's") from error
        raise _problem(place, f"can't be looked at: {error.strerror}") from error
    try:
        if not _mine(fd):
            raise _problem(place, "belongs to somebody else: it is not this user's to remove")
        owner = _owner(fd)
        if not owner and set(os.listdir(fd)) - {_OWNER.decode()}:
            # Its owner is written first and removed last.
            raise _problem(place, "was not made by a calibration: remove it, or rename it")
        if _lives(fd, owner, check, silence):
            raise _problem(
                place,
                f"belongs to a calibration that is at work ({owner.get('host')}, since "
                f"{owner.get('since')}): wait for it",
            )
        try:
            _remove_all([fd], place, check)
        except OSError as error:
            raise _problem(place, f"can't be removed: {error.strerror or error}") from error
    finally:
        os.close(fd)
    return True


def _mine(fd: int) -> bool:
    """Whether a directory is this user's, and nobody else may enter it. Whom a server makes this
    user, a new file tells."""
    found = os.fstat(fd)
    if stat.S_IMODE(found.st_mode) & 0o077:
        return False
    name = b"probe-" + secrets.token_hex(8).encode("ascii")
    try:
        probe = os.open(name, _NEW, 0o600, dir_fd=fd)
    except OSError:
        return False
    try:
        return os.fstat(probe).st_uid == found.st_uid
    finally:
        os.close(probe)
        os.unlink(name, dir_fd=fd)


def _lives(fd: int, owner: dict[str, Any], check: Check, silence: float) -> bool:
    """Whether the owner is at work: on this machine its process tells, elsewhere its signs."""
    if owner.get("machine") == _machine():
        until = time.monotonic() + SILENCE
        while owner["started"] and _started(int(owner["pid"])) == owner["started"]:
            # Its controller may be gone: then it ends by itself, and removes all.
            if time.monotonic() > until or not _there(fd):
                return _there(fd)
            check()
            time.sleep(0.2)
        return False
    if not owner:
        silence = min(silence, 2.0)  # it may just be about to be written
    before, until = _sign(fd), time.monotonic() + silence
    while time.monotonic() < until:
        check()
        time.sleep(min(0.5, silence))
        if _sign(fd) != before:
            return _there(fd)
    return False


def _there(fd: int) -> bool:
    try:
        return os.fstat(fd).st_nlink > 0
    except OSError:
        return False


def _sign(fd: int) -> int:
    try:
        handle = os.open(_OWNER, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    except OSError:
        return -1
    try:
        refresh(handle)
        return os.stat(_OWNER, dir_fd=fd, follow_symlinks=False).st_mtime_ns
    finally:
        os.close(handle)


# -- removal ---------------------------------------------------------------------------------------


def _remove_all(handles: Sequence[int], place: bytes, check: Check) -> None:
    """Remove what is in the folder, and it, the word of its owner last. Raises OSError."""
    listing = os.open(b".", _DIRECTORY, dir_fd=handles[0])
    try:
        refresh(listing)
        names = [os.fsencode(name) for name in os.listdir(listing)]
    finally:
        os.close(listing)
    for name in names:
        if name != _OWNER:
            remove(handles, name, check)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_OWNER, dir_fd=handles[0])
    there = os.stat(join(place, NAME), follow_symlinks=False)
    if there.st_ino == os.fstat(handles[0]).st_ino:
        os.rmdir(join(place, NAME))


def remove(handles: Sequence[int], name: bytes, check: Check = lambda: None) -> None:
    """Remove an entry of a directory with all below it, by many threads. ``handles`` are that
    directory over one or more mounts. No link is followed. Raises OSError."""
    with contextlib.suppress(IsADirectoryError, PermissionError):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=handles[0])
        return
    removal = _Removal(handles, name)
    _in_threads(removal.work, _THREADS, check)
    removal.finish(check)


class _Removal:
    """Directories to be emptied, shared by threads; then removed, the deepest first."""

    def __init__(self, handles: Sequence[int], name: bytes) -> None:
        self._handles = handles
        self._handle = handles[0]
        self._next = count()
        self._name = name
        self._found = [b""]  # relative to the entry
        self._waiting = [b""]
        self._busy = 0
        self._change = threading.Condition()
        self._error: OSError | None = None

    def work(self) -> None:
        """What each thread does, over one of the mounts."""
        handle = self._handles[next(self._next) % len(self._handles)]
        try:
            tree = DirCache(b"/proc/self/fd/%d" % handle)
        except OSError as error:
            self._stop(error, 0)
            return
        try:
            for path in self._paths():
                try:
                    below = self._empty(tree, join(self._name, path) if path else self._name)
                except FileNotFoundError:
                    below = []
                except OSError as error:
                    self._stop(error)
                    return
                self._done([join(path, name) for name in below])
        finally:
            tree.close()

    def _paths(self) -> Iterator[bytes]:
        while True:
            with self._change:
                while not self._waiting and self._busy and self._error is None:
                    self._change.wait()
                if not self._waiting or self._error is not None:
                    return
                path = self._waiting.pop()
                self._busy += 1
            yield path

    def _done(self, more: list[bytes]) -> None:
        with self._change:
            self._busy -= 1
            self._found += more
            self._waiting += more
            self._change.notify_all()

    def _stop(self, error: OSError, busy: int = 1) -> None:
        with self._change:
            self._busy -= busy
            self._error = self._error or error
            self._change.notify_all()

    @staticmethod
    def _empty(tree: DirCache, path: bytes) -> list[bytes]:
        """Remove all but directories; returns the names of these."""
        fd = os.open(b".", _DIRECTORY, dir_fd=tree.get(path).fd)
        below: list[bytes] = []
        try:
            refresh(fd)  # others, or other mounts, have made something in it
            with os.scandir(fd) as entries:
                names = [
                    (os.fsencode(entry.name), entry.is_dir(follow_symlinks=False))
                    for entry in entries
                ]
            for name, is_directory in names:
                if is_directory:
                    below.append(name)
                else:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=fd)
        finally:
            os.close(fd)
        return below

    def finish(self, check: Check) -> None:
        """Remove the directories, those of one depth at once. Raises OSError."""
        if self._error is not None:
            raise self._error
        levels: dict[int, list[bytes]] = {}
        for path in self._found:
            levels.setdefault(path.count(b"/") if path else -1, []).append(path)
        for depth in sorted(levels, reverse=True):
            self._waiting = levels[depth]
            _in_threads(self._remove_directories, len(levels[depth]), check)
            if self._error is not None:
                raise self._error

    def _remove_directories(self) -> None:
        tree = DirCache(b"/proc/self/fd/%d" % self._handle)
        try:
            while True:
                with self._change:
                    if not self._waiting:
                        return
                    path = self._waiting.pop()
                above, name = split(join(self._name, path) if path else self._name)
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(name, dir_fd=tree.get(above).fd)
        except OSError as error:
            self._error = self._error or error
        finally:
            tree.close()


def _in_threads(work: Callable[[], None], number: int, check: Check) -> None:
    threads = [
        threading.Thread(target=work, daemon=True) for _thread in range(min(number, _THREADS))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)
            check()
