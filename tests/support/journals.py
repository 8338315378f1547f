# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random changes of a real tree, with a memory of what each object is: what a difference must find,
found out without the engine."""

from __future__ import annotations

import os
import stat
from typing import Any, Dict, List, NamedTuple, Tuple

KINDS = {stat.S_IFREG: "f", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFDIR: "d"}
# One step: what to do, and three numbers that pick what it is done to.
Step = Tuple[str, int, int, int]
OPERATIONS = [
    "create",
    "write",
    "chmod",
    "chown",
    "utime",
    "rename",
    "rename_over",
    "rename_directory",
    "swap",
    "cycle",
    "link",
    "unlink",
    "recreate",
    "mkdir",
    "rmtree",
    "symlink",
    "retarget",
    "fifo",
    "become_directory",
    "become_file",
    "touch",
]
NAMES = [b"a", b"b", b"c c", b"\xff\xfe", b"new\nline", b"-n", b"%s", b"\x01", b"'\"", b"\xc3\xa4"]


class Seen(NamedTuple):
    """What is at a path: the object, and what lstat says."""

    object: int
    found: os.stat_result
    link: bytes


class Journal:
    """A tree that is changed step by step. ``objects`` says which object each inode is now."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        os.mkdir(root)
        self._next = 1
        self.objects: Dict[int, int] = {os.lstat(root).st_ino: 0}
        self.touched: set[int] = set()  # objects whose contents or times were changed

    def paths(self) -> List[bytes]:
        """All paths, sorted, without the root's."""
        found = []
        for folder, directories, files in os.walk(self.root):
            for name in directories + files:
                found.append(os.path.relpath(os.path.join(folder, name), self.root))
        return sorted(found)

    def seen(self) -> Dict[bytes, Seen]:
        """Everything that is there now."""
        result = {}
        for path in [b"", *self.paths()]:
            whole = os.path.join(self.root, path) if path else self.root
            found = os.lstat(whole)
            link = os.readlink(whole) if stat.S_ISLNK(found.st_mode) else b""
            result[path] = Seen(self.objects[found.st_ino], found, link)
        return result

    def run(self, steps: List[Step]) -> None:
        """Do all steps; one for which there is nothing does nothing."""
        for name, *numbers in steps:
            getattr(self, name)(*numbers)

    # -- helpers ---------------------------------------------------------------------------------

    def _at(self, path: bytes) -> bytes:
        return os.path.join(self.root, path)

    def _pick(self, number: int, kinds: str) -> bytes | None:
        found = [p for p in self.paths() if self._kind(p) in kinds]
        return found[number % len(found)] if found else None

    def _kind(self, path: bytes) -> str:
        return KINDS[stat.S_IFMT(os.lstat(self._at(path)).st_mode)]

    def _folder(self, number: int) -> bytes:
        found = [b"", *(p for p in self.paths() if self._kind(p) == "d")]
        return found[number % len(found)]

    def _free(self, where: int, number: int) -> bytes:
        """A path that nothing has."""
        folder = self._folder(where)
        for tail in range(1000):
            name = NAMES[number % len(NAMES)] + (b"%d" % tail if tail else b"")
            path = os.path.join(folder, name)
            if not os.path.lexists(self._at(path)):
                return path
        raise AssertionError("no free name")

    def _born(self, path: bytes) -> None:
        self.objects[os.lstat(self._at(path)).st_ino] = self._next
        self._next += 1

    def _touch(self, path: bytes) -> None:
        self.touched.add(self.objects[os.lstat(self._at(path)).st_ino])

    def _write(self, path: bytes, size: int) -> None:
        with open(self._at(path), "wb") as stream:
            stream.write(b"x" * size)

    # -- steps -----------------------------------------------------------------------------------

    def create(self, where: int, number: int, size: int) -> None:
        path = self._free(where, number)
        self._write(path, size % 5)
        self._born(path)

    def write(self, which: int, size: int, _unused: int) -> None:
        path = self._pick(which, "f")
        if path is not None:
            with open(self._at(path), "ab") as stream:
                stream.write(b"y" * (size % 3 + 1))
            self._touch(path)

    def touch(self, which: int, _size: int, _unused: int) -> None:
        """Other contents of the same size, and the old times again."""
        path = self._pick(which, "f")
        if path is not None:
            before = os.lstat(self._at(path))
            self._write(path, before.st_size)
            os.utime(self._at(path), ns=(before.st_atime_ns, before.st_mtime_ns))

    def chmod(self, which: int, mode: int, _unused: int) -> None:
        path = self._pick(which, "fdp")
        if path is not None:
            os.chmod(self._at(path), 0o700 | mode % 0o100)

    def chown(self, which: int, owner: int, _unused: int) -> None:
        path = self._pick(which, "fdlp")
        if path is not None and os.geteuid() == 0:
            os.lchown(self._at(path), owner % 3, owner % 2)

    def utime(self, which: int, when: int, _unused: int) -> None:
        path = self._pick(which, "fdlp")
        if path is not None:
            times = (10**18 + when, 10**18 + when * 7)
            os.utime(self._at(path), ns=times, follow_symlinks=False)
            self._touch(path)

    def rename(self, which: int, where: int, number: int) -> None:
        path = self._pick(which, "flp")
        if path is not None:
            os.rename(self._at(path), self._at(self._free(where, number)))

    def rename_over(self, which: int, other: int, _unused: int) -> None:
        path, target = self._pick(which, "flp"), self._pick(other, "flp")
        if path is not None and target is not None:
            os.rename(self._at(path), self._at(target))

    def rename_directory(self, which: int, where: int, number: int) -> None:
        path = self._pick(which, "d")
        if path is not None:
            target = self._free(where, number)
            if not (target + b"/").startswith(path + b"/"):
                os.rename(self._at(path), self._at(target))

    def swap(self, which: int, other: int, _unused: int) -> None:
        one, two = self._pick(which, "fdlp"), self._pick(other, "fdlp")
        self._turn([one, two])

    def cycle(self, first: int, second: int, third: int) -> None:
        self._turn([self._pick(number, "fdlp") for number in (first, second, third)])

    def _turn(self, paths: List[bytes | None]) -> None:
        """Each takes the next one's place."""
        whole = sorted({path for path in paths if path is not None})
        for one in whole:
            if any(other.startswith(one + b"/") for other in whole):
                return
        aside = [self._at(b"aside-%d" % number) for number in range(len(whole))]
        for path, to in zip(whole, aside):
            os.rename(self._at(path), to)
        for path, found in zip(whole[1:] + whole[:1], aside):
            os.rename(found, self._at(path))

    def link(self, which: int, where: int, number: int) -> None:
        path = self._pick(which, "f")
        if path is not None:
            os.link(self._at(path), self._at(self._free(where, number)))

    def unlink(self, which: int, _one: int, _other: int) -> None:
        path = self._pick(which, "flp")
        if path is not None:
            os.unlink(self._at(path))

    def recreate(self, which: int, where: int, number: int) -> None:
        """An inode that goes may be given to the next file."""
        path = self._pick(which, "f")
        if path is not None:
            os.unlink(self._at(path))
            target = self._free(where, number) if number % 2 else path
            self._write(target, 1)
            self._born(target)

    def mkdir(self, where: int, number: int, _unused: int) -> None:
        path = self._free(where, number)
        os.mkdir(self._at(path))
        self._born(path)

    def rmtree(self, which: int, _one: int, _other: int) -> None:
        path = self._pick(which, "d")
        if path is not None:
            for folder, directories, files in os.walk(self._at(path), topdown=False):
                for name in files:
                    os.unlink(os.path.join(folder, name))
                for name in directories:
                    below = os.path.join(folder, name)
                    (os.unlink if os.path.islink(below) else os.rmdir)(below)
            os.rmdir(self._at(path))

    def symlink(self, where: int, number: int, _unused: int) -> None:
        path = self._free(where, number)
        os.symlink(NAMES[number % 3], self._at(path))
        self._born(path)

    def retarget(self, which: int, number: int, _unused: int) -> None:
        path = self._pick(which, "l")
        if path is not None:
            os.unlink(self._at(path))
            os.symlink(NAMES[number % len(NAMES)], self._at(path))
            self._born(path)

    def fifo(self, where: int, number: int, _unused: int) -> None:
        path = self._free(where, number)
        os.mkfifo(self._at(path))
        self._born(path)

    def become_directory(self, which: int, _one: int, _other: int) -> None:
        path = self._pick(which, "flp")
        if path is not None:
            os.unlink(self._at(path))
            os.mkdir(self._at(path))
            self._born(path)

    def become_file(self, which: int, size: int, _other: int) -> None:
        path = self._pick(which, "d")
        if path is not None and not os.listdir(self._at(path)):
            os.rmdir(self._at(path))
            self._write(path, size % 4)
            self._born(path)


def contents_of(found: Any) -> Any:
    """What two paths must have in common to be the same, but for their times of change."""
    return found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns
