# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an rsync works: in directories opened before, so that nobody can lead it elsewhere.

rsync goes by names, and who may write to a directory can put a link in the place of what is in it
while rsync is on its way. So each process gets a mount namespace of its own, where every opened
directory is bound to a number and no link is followed: ``7/name`` is in directory 7, whatever
becomes of the path that led there. That takes CAP_SYS_ADMIN and Linux 5.2; that no link is
followed even in the place of a file takes 5.14. Elsewhere rsync works in the two opened roots,
and must get only directories that nobody else can change: see :class:`Undisturbed`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import subprocess
import threading
from functools import lru_cache
from typing import Any

from ...core.paths import join, split
from ...fs.directories import DirCache
from ..session import Session

_ROOT = b"/sys"  # always there, and rsync has no use for it; hidden in its own namespace only
_MOST = 256  # directories of one process

_AT_FDCWD = -100
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_CLONE_NEWNS = 0x20000
_MS_REC, _MS_SLAVE = 1 << 14, 1 << 19
_MOVE_MOUNT_F_EMPTY_PATH = 4
_MOUNT_ATTR_NOSYMFOLLOW = 0x200000
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442  # the same on all architectures
_PR_SET_PDEATHSIG = 1


def _libc() -> Any:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except OSError:
        return None


_LIBC = _libc()
_TRYING = threading.Lock()


def _call(name: str, *arguments: Any) -> int:
    """A function of the C library. Raises OSError."""
    wide = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    done: int = getattr(_LIBC, name)(*wide)
    if done < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return done


def _system_call(number: int, *arguments: Any) -> int:
    """A system call that old C libraries have no function for. Raises OSError."""
    return _call("syscall", number, *arguments)


def _clone(directory: int) -> int:
    """An open directory, and what is mounted below it, as a mount that is not anywhere yet."""
    flags = 1 | os.O_CLOEXEC | _AT_EMPTY_PATH | _AT_RECURSIVE  # 1: OPEN_TREE_CLONE
    return _system_call(_OPEN_TREE, directory, b"", flags)


class Shelter:
    """What one rsync process sees of the two trees. Call :meth:`name` for each item,
    :meth:`enter` in the new process, and :meth:`close`.

    ``target`` is what rsync is to copy to, ``roots`` are what it may call the trees in messages,
    ``inherited`` the descriptors that it needs.
    """

    def __init__(self, session: Session, bind: bool) -> None:
        self._session = session
        self._bind = bind
        self._numbers: dict[bytes, bytes] = {}
        self._clones: list[tuple[int, int]] = []
        self.inherited: list[int] = []
        self.roots: tuple[bytes, ...]
        self.roots = self._start, self.target = _ROOT + b"/s", _ROOT + b"/d"
        if not bind:
            self.inherited = [session.sources.get(b"").fd, session.targets.get(b"").fd]
            self._start, self.target = (b"/proc/self/fd/%d" % fd for fd in self.inherited)
            self.roots = (os.readlink(self._start), self.target, os.readlink(self.target))

    def name(self, path: bytes) -> bytes:
        """What rsync is to call an item. Raises OSError: its directory can't be opened."""
        if not self._bind:
            return path
        directory, name = split(path)
        number = self._numbers.get(directory)
        if number is None:
            clone = _clone(self._session.sources.get(directory).fd)
            try:
                self._clones.append((clone, _clone(self._session.targets.get(directory).fd)))
            except OSError:
                os.close(clone)
                raise
            number = self._numbers[directory] = b"%d" % (len(self._clones) - 1)
        return number + b"/" + name

    def enter(self, parent: int) -> None:
        """Make this process, a new one of ``parent``, see the directories. Raises OSError."""
        end_with_parent(parent)
        if not self._bind:
            os.chdir(self._start)
            return
        _call("unshare", _CLONE_NEWNS)
        # What is unmounted elsewhere is unmounted here, and nothing of ours is seen elsewhere.
        _call("mount", None, b"/", None, _MS_REC | _MS_SLAVE, None)
        _call("mount", b"rsync", _ROOT, b"tmpfs", 0, b"mode=700")
        os.mkdir(self._start)
        os.mkdir(self.target)
        for number, clones in enumerate(self._clones):
            for root, clone in zip((self._start, self.target), clones):
                place = root + b"/%d" % number
                os.mkdir(place)
                _system_call(_MOVE_MOUNT, clone, b"", _AT_FDCWD, place, _MOVE_MOUNT_F_EMPTY_PATH)
        _follow_no_links()
        os.chdir(self._start)

    def close(self) -> None:
        """Let go of the directories."""
        for clones in self._clones:
            for clone in clones:
                os.close(clone)
        self._clones = []


def _follow_no_links() -> None:
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_NOSYMFOLLOW, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    try:
        _system_call(
            _MOUNT_SETATTR, _AT_FDCWD, _ROOT, _AT_RECURSIVE, ctypes.byref(attributes), size
        )
    except OSError:
        pass  # Linux before 5.14


def end_with_parent(parent: int) -> None:
    """An rsync must not go on writing for a worker that is gone."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def can_bind() -> bool:
    """Whether this user may give an rsync its own namespace. Tried once, in full."""
    with _TRYING:
        return _tried(os.geteuid())


@lru_cache(maxsize=None)
def _tried(dummy_user: int) -> bool:
    parent = os.getpid()
    try:
        session = Session(b"/", b"/", frozenset())
    except OSError:
        return False
    shelter = Shelter(session, True)
    try:
        shelter.name(b"any")
        tried = subprocess.run(
            ["true"],
            stdin=subprocess.DEVNULL,
            check=False,
            preexec_fn=lambda: shelter.enter(parent),  # noqa: PLW1509
        )
        return tried.returncode == 0
    except (OSError, AttributeError, subprocess.SubprocessError):
        return False
    finally:
        shelter.close()
        session.close()


def at_once() -> int:
    """How many directories one rsync may have: two descriptors each, beside those of the trees."""
    return max(2, min(_MOST, DirCache.share() // 4))


class Undisturbed:
    """Tells which directories of a tree nobody but this user and root can change: on the whole way
    down each belongs to one of them, and neither its group nor others may write to it. (With an
    ACL, the group's bits stand for all that it grants.)"""

    def __init__(self, tree: DirCache) -> None:
        self._tree = tree
        self._known: dict[bytes, bool] = {}

    def __call__(self, directory: bytes) -> bool:
        """Raises OSError: it can't be opened."""
        at = b""
        for part in (b"", *directory.split(b"/")) if directory else (b"",):
            at = join(at, part) if part else at
            safe = self._known.get(at)
            if safe is None:
                found = os.fstat(self._tree.get(at).fd)
                ours = found.st_uid in (0, os.geteuid())
                safe = self._known[at] = ours and not stat.S_IMODE(found.st_mode) & 0o022
            if not safe:
                return False
        return True
