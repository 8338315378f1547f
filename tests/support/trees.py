# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile trees: a description of a tree, a builder, fixed trees and hypothesis strategies.

A tree is a list of :class:`Node`; the same list always builds the same tree. The builder opens one
component at a time, so paths may be longer than PATH_MAX.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import stat
import struct
import tempfile
from typing import NamedTuple, Tuple

SECOND = 10**9
ROOT = os.geteuid() == 0
Path = Tuple[bytes, ...]

# The tags of a POSIX ACL as the kernel stores it (linux/posix_acl.h)
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20


class Node(NamedTuple):
    """One entry of a tree.

    kind: d f l p s c b, or h for another name of the entry at ``target``.
    data: (offset, bytes) parts of a file; between and around them are holes.
    """

    path: Path
    kind: str = "f"
    mode: int = 0o644
    owner: tuple[int, int] | None = None
    mtime: int = 1_600_000_000 * SECOND + 123_456_789
    size: int = 0
    data: tuple[tuple[int, bytes], ...] = ()
    target: object = b""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    rdev: tuple[int, int] = (1, 3)


def acl(*entries: tuple[int, int, int]) -> bytes:
    """A POSIX ACL, as in the extended attribute that holds it, of (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
DIRECTORY_ACL = acl(
    (USER_OBJ, 7, NOBODY),
    (USER, 5, 1234),
    (GROUP_OBJ, 5, NOBODY),
    (MASK, 7, NOBODY),
    (OTHER, 0, NOBODY),
)
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # net_bind_service
SOME_ACL = acl(
    (USER_OBJ, 6, NOBODY),
    (USER, 4, 1234),
    (GROUP_OBJ, 4, NOBODY),
    (MASK, 6, NOBODY),
    (OTHER, 0, NOBODY),
)


def supported(folder: bytes) -> frozenset[str]:
    """What can be made in that folder by this user, of: user trusted security acl owner device."""
    can: set[str] = set()
    place = tempfile.mkdtemp(dir=os.fsdecode(folder))
    file = os.path.join(place, "f")
    with open(file, "w"):
        pass
    trials = {
        "user": lambda: os.setxattr(file, "user.t", b"x"),
        "trusted": lambda: os.setxattr(file, "trusted.t", b"x"),
        "security": lambda: os.setxattr(file, "security.capability", CAPABILITY),
        "acl": lambda: os.setxattr(file, "system.posix_acl_access", SOME_ACL),
        "owner": lambda: os.chown(file, 1234, 1235),
        "device": lambda: os.mknod(
            os.path.join(place, "d"), stat.S_IFCHR | 0o600, os.makedev(1, 3)
        ),
    }
    for name, trial in trials.items():
        try:
            trial()
            can.add(name)
        except OSError:
            pass
    shutil.rmtree(place)
    return frozenset(can)


class Builder:
    """Makes nodes below a root. What this user or file system can't hold is left out and noted."""

    def __init__(self, root: bytes) -> None:
        os.makedirs(root, exist_ok=True)
        self.root = root
        self.left_out: set[str] = set()
        self._can = supported(os.path.dirname(root))

    def build(self, nodes: list[Node]) -> set[str]:
        """Make them; directories get their attributes at the end. Returns what was left out."""
        made: list[Node] = []
        for node in nodes:
            if self._make(node):
                made.append(node)
        for node in sorted(made, key=lambda n: -len(n.path)):
            if node.kind == "d":
                with _Directory(self.root, node.path[:-1]) as at:
                    self._dress(at, node.path[-1], node)
        return self.left_out

    def _make(self, node: Node) -> bool:
        name = node.path[-1]
        with _Directory(self.root, node.path[:-1], make=True) as at:
            try:
                if node.kind == "d":
                    os.mkdir(name, 0o700, dir_fd=at)
                elif node.kind == "f":
                    _write(at, name, node)
                elif node.kind == "l":
                    os.symlink(node.target, name, dir_fd=at)  # type: ignore[arg-type]
                elif node.kind == "p":
                    os.mkfifo(name, 0o600, dir_fd=at)
                elif node.kind == "s":
                    _socket(at, name)
                elif node.kind in "cb":
                    if "device" not in self._can:
                        self.left_out.add("device")
                        return False
                    kind = stat.S_IFCHR if node.kind == "c" else stat.S_IFBLK
                    os.mknod(name, kind | 0o600, os.makedev(*node.rdev), dir_fd=at)
                elif node.kind == "h":
                    target: Path = node.target  # type: ignore[assignment]
                    with _Directory(self.root, target[:-1]) as there:
                        os.link(
                            target[-1], name, src_dir_fd=there, dst_dir_fd=at, follow_symlinks=False
                        )
                    return True
            except FileExistsError:
                return node.kind == "d"  # made for what is in it
            except FileNotFoundError:  # a hard link to something left out
                return False
            if node.kind != "d":
                self._dress(at, name, node)
        return True

    def _dress(self, at: int, name: bytes, node: Node) -> None:
        if node.owner:
            if "owner" in self._can:
                os.chown(name, *node.owner, dir_fd=at, follow_symlinks=False)
            else:
                self.left_out.add("owner")
        path = b"/proc/self/fd/%d/%s" % (at, name)
        # xattrs first: without privilege a file without w can't get any
        if node.kind != "l":
            os.chmod(name, 0o700, dir_fd=at)
        for key, value in node.xattrs:
            self._xattr(path, key, value, node)
        if node.kind != "l":
            # An ACL carries the group's part of the mode in its mask: chmod would change the mask.
            if not any(k == "system.posix_acl_access" for k, dummy in node.xattrs):
                os.chmod(name, node.mode, dir_fd=at)
            else:
                os.chmod(
                    name,
                    (os.stat(name, dir_fd=at).st_mode & 0o777) | (node.mode & 0o7000),
                    dir_fd=at,
                )
        os.utime(name, ns=(node.mtime, node.mtime), dir_fd=at, follow_symlinks=False)

    def _xattr(self, path: bytes, key: str, value: bytes, node: Node) -> None:
        kind = "acl" if key.startswith("system.posix_acl") else key.split(".", maxsplit=1)[0]
        if kind not in self._can:
            self.left_out.add(kind)
            return
        try:
            os.setxattr(path, key, value, follow_symlinks=False)
        except OSError as error:
            # user.* on links and specials, ACLs on links: no file system here has them
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EACCES, errno.EINVAL):
                raise


class _Directory:
    """A directory below the root, however deep; a context that gives its descriptor."""

    _AT_ONCE = 15  # names that are no path too long for the kernel, whatever their length

    def __init__(self, root: bytes, path: Path, make: bool = False) -> None:
        self.root, self.path, self.make = root, path, make

    def __enter__(self) -> int:
        self.fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        for start in range(0, len(self.path), self._AT_ONCE):
            names = self.path[start : start + self._AT_ONCE]
            try:
                self._enter(b"/".join(names))
            except FileNotFoundError:
                if not self.make:
                    raise
                for name in names:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(name, 0o755, dir_fd=self.fd)
                    self._enter(name)
        return self.fd

    def _enter(self, path: bytes) -> None:
        below = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = below

    def __exit__(self, *dummy: object) -> None:
        os.close(self.fd)


def _write(at: int, name: bytes, node: Node) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=at)
    try:
        end = node.size
        for offset, data in node.data:
            os.pwrite(fd, data, offset)
            end = max(end, offset + len(data))
        os.ftruncate(fd, end)
    finally:
        os.close(fd)


def _socket(at: int, name: bytes) -> None:
    """bind() takes 107 bytes: bind in a short place, then rename."""
    place = tempfile.mkdtemp(dir="/proc/self/fd/%d" % at, prefix=".s")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.join("/proc/self/fd/%d" % at, os.path.basename(place), "s"))
    os.rename(
        os.path.join(os.path.basename(place), "s").encode(), name, src_dir_fd=at, dst_dir_fd=at
    )
    os.rmdir(os.path.basename(place), dir_fd=at)


def build(root: bytes, nodes: list[Node]) -> set[str]:
    """Make the tree; returns the kinds of thing that this user or file system can't hold."""
    return Builder(root).build(nodes)


def remove(root: bytes) -> None:
    """Remove a tree of any depth and any modes."""
    if not os.path.lexists(root):
        return
    if not os.path.isdir(root) or os.path.islink(root):
        os.unlink(root)
        return
    # Moving deep directories up to the top keeps this short: no stack, no long paths.
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chmod(top, 0o700)
        number = 0
        pending = True
        while pending:
            pending = False
            for name in os.listdir(top):
                if not _remove_one(top, name):
                    number = _lift(top, os.fsencode(name), number)
                    pending = True
    finally:
        os.close(top)
    os.rmdir(root)


def _remove_one(at: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=at)
        return True
    except (IsADirectoryError, PermissionError):
        pass
    try:
        os.rmdir(name, dir_fd=at)
        return True
    except OSError:
        return False


def _lift(top: int, name: bytes, number: int) -> int:
    """Empty a directory into the top one, its files removed, its directories renamed."""
    os.chmod(name, 0o700, dir_fd=top)
    at = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        for below in os.listdir(at):
            if not _remove_one(at, below):
                number += 1
                os.chmod(below, 0o700, dir_fd=at)
                os.rename(
                    below,
                    b".lift%d-%d" % (os.getpid(), _unused(top, number)),
                    src_dir_fd=at,
                    dst_dir_fd=top,
                )
    finally:
        os.close(at)
    os.rmdir(name, dir_fd=top)
    return number


_lifted = [0]


def _unused(dummy_top: int, dummy_number: int) -> int:
    _lifted[0] += 1
    return _lifted[0]


# ---------------------------------------------------------------- fixed trees

NAMES = (
    b"plain",
    b" leading and trailing ",
    b"new\nline",
    b"\n",
    b"\r\n",
    b"tab\there",
    b"-rf",
    b"--help",
    b"{{ lookup('pipe', 'id') }}",
    b"{% raw %}",
    b"%s%d%n",
    b"$(id)`id`$HOME",
    b"'single' \"double\"",
    b"back\\slash\\",
    b"\\012",
    b"*?[a-z]",
    b"~root",
    b"#!hash",
    b";|&<>()",
    b"\xff\xfe invalid utf-8",
    b"\xc3\x28",
    b"\xed\xa0\x80 surrogate",
    "gr\u00fc\u00dfe \U0001f4be \u202e".encode(),
    "e\u0301".encode(),
    "\u00e9".encode(),
    b"\x01\x1b[31m\x7f",
    b"...",
    b".hidden",
    b"..x",
    b"name.part",
    b"n" * 255,
    b"\xff" * 255,
    b"CON",
)


def hostile() -> list[Node]:
    """One tree with a bit of everything, a few hundred entries; all of it readable to its owner."""
    nodes: list[Node] = []
    for number, name in enumerate(NAMES):
        nodes.append(Node((b"files", name), data=((0, name * 3),), mode=0o600 | number % 0o100))
        nodes.append(Node((b"directories", name), "d", mode=0o755, mtime=number * SECOND + number))
        nodes.append(Node((b"directories", name, name), data=((0, b"x"),)))
        nodes.append(Node((b"links", name), "l", target=name))
    nodes += _types() + _times() + _sparse() + _modes() + _hard_links() + _attributes()
    nodes.append(Node((b"files",), "d", mode=0o711, mtime=-5 * SECOND + 1))
    if ROOT:
        return nodes
    needed = {"f": 0o400, "d": 0o700}
    return [node._replace(mode=node.mode | needed.get(node.kind, 0)) for node in nodes]


def _types() -> list[Node]:
    d = b"types"
    return [
        Node((d, b"empty"), mode=0o400),
        Node((d, b"empty directory"), "d", mode=0o700, mtime=1),
        Node((d, b"dangling"), "l", target=b"/nowhere/at all"),
        Node((d, b"absolute"), "l", target=b"/etc/passwd"),
        Node((d, b"up"), "l", target=b"../../../../.."),
        Node((d, b"to directory"), "l", target=b"empty directory"),
        Node((d, b"itself"), "l", target=b"itself", mtime=-1),
        Node((d, b"long target"), "l", target=b"t/" * 2047),
        Node((d, b"newline target"), "l", target=b"a\nb\xff"),
        Node((d, b"fifo"), "p", mode=0o640, mtime=7),
        Node((d, b"socket"), "s", mode=0o750),
        Node((d, b"null"), "c", mode=0o666, rdev=(1, 3), owner=(1000, 6)),
        Node((d, b"big device"), "b", mode=0o660, rdev=(259, 70000)),
        Node((d,), "d", mode=0o1777),
    ]


def _times() -> list[Node]:
    values = (
        0,
        1,
        -1,
        999_999_999,
        -SECOND,
        -SECOND + 1,
        -(2**31) * SECOND,
        (2**31) * SECOND,
        2**33 * SECOND + 1,
    )
    nodes = [Node((b"times", b"f%d" % n), mtime=v, data=((0, b"t"),)) for n, v in enumerate(values)]
    nodes += [Node((b"times", b"d%d" % n), "d", mode=0o755, mtime=v) for n, v in enumerate(values)]
    return nodes + [
        Node((b"times", b"l%d" % n), "l", target=b"x", mtime=v) for n, v in enumerate(values)
    ]


def _sparse() -> list[Node]:
    m = 1 << 20
    return [
        Node((b"sparse", b"all hole"), size=8 * m),
        Node((b"sparse", b"leading"), data=((4 * m, b"end"),)),
        Node((b"sparse", b"trailing"), size=4 * m, data=((0, b"start"),)),
        Node((b"sparse", b"middle"), data=((0, b"a" * 70000), (3 * m, b"b" * 5000))),
        Node(
            (b"sparse", b"many"),
            size=6 * m,
            data=tuple((n * m // 2, b"%d" % n) for n in range(1, 11)),
        ),
        Node((b"sparse", b"odd size"), size=m + 1),
        Node((b"sparse", b"zeros are no hole"), data=((0, bytes(2 * m)),)),
        Node((b"sparse", b"late"), size=5 * m, data=((1 << 22, b"beyond four megabytes"),)),
        Node((b"large", b"five megabytes and one"), data=((0, bytes(range(251)) * 20889),)),
        Node((b"large", b"one block"), data=((0, b"x" * m),)),
    ]


def _modes() -> list[Node]:
    nodes = [
        Node((b"modes", b"%05o" % mode), mode=mode, data=((0, b"m"),))
        for mode in (
            0o000,
            0o200,
            0o400,
            0o444,
            0o777,
            0o4755,
            0o2755,
            0o6711,
            0o1644,
            0o7777,
            0o2644,
        )
    ]
    nodes += [
        Node((b"modes", b"d%05o" % mode), "d", mode=mode)
        for mode in (0o700, 0o2755, 0o1777, 0o7777, 0o6700)
    ]
    if ROOT:  # nobody else can list these
        nodes.append(Node((b"modes", b"closed", b"inside"), data=((0, b"secret"),)))
        nodes.append(Node((b"modes", b"closed"), "d", mode=0))
    owners = ((0, 0), (1000, 1000), (65534, 65534), (4294967294, 4294967294), (1, 0))
    nodes += [Node((b"owners", b"%d-%d" % o), owner=o, mode=0o6755) for o in owners]
    nodes += [Node((b"owners", b"l%d-%d" % o), "l", target=b"t", owner=o) for o in owners]
    return nodes + [Node((b"owners", b"d%d-%d" % o), "d", owner=o, mode=0o2750) for o in owners]


def _hard_links() -> list[Node]:
    first = (b"hard", b"a", b"file")
    link = (b"hard", b"a", b"symlink")
    fifo = (b"hard", b"z", b"fifo")
    empty = (b"hard", b"empty")
    return [
        Node(first, data=((0, b"one file, five names"),), mode=0o4755, owner=(1000, 1000)),
        Node((b"hard", b"a", b"again"), "h", target=first),
        Node((b"hard", b"b", b"c", b"there\n"), "h", target=first),
        Node((b"hard", b"0", b"\xff"), "h", target=first),
        Node((b"hard", b"top"), "h", target=first),
        Node(link, "l", target=b"../top", mtime=5),
        Node((b"hard", b"b", b"symlink"), "h", target=link),
        Node(fifo, "p"),
        Node((b"hard", b"b", b"fifo"), "h", target=fifo),
        Node(empty),
        Node((b"hard", b"empty too"), "h", target=empty),
    ]


def _attributes() -> list[Node]:
    user = (
        ("user.one", b"1"),
        ("user.binary", b"\0\xff\n"),
        ("user.empty", b""),
        ("user." + "n" * 200, b"v" * 1000),
    )
    access = (("system.posix_acl_access", SOME_ACL),)
    both = (("system.posix_acl_access", DIRECTORY_ACL), ("system.posix_acl_default", SOME_ACL))
    return [
        Node((b"xattrs", b"file"), xattrs=user, data=((0, b"x"),)),
        Node((b"xattrs", b"read only"), xattrs=user, mode=0o400),
        Node((b"xattrs", b"directory"), "d", xattrs=user, mode=0o755),
        Node((b"xattrs", b"trusted"), xattrs=(("trusted.t", b"root's"),)),
        Node((b"xattrs", b"link"), "l", target=b"t", xattrs=(("trusted.t", b"a link's"),)),
        Node(
            (b"xattrs", b"capability"),
            xattrs=(("security.capability", CAPABILITY),),
            mode=0o755,
            owner=(1000, 1000),
        ),
        Node((b"acls", b"file"), xattrs=access, mode=0o4660),
        Node((b"acls", b"directory"), "d", xattrs=both, mode=0o2770),
        Node((b"acls", b"directory", b"inside")),
        Node((b"acls", b"directory", b"below"), "d", mode=0o755),
        Node((b"acls", b"fifo"), "p", xattrs=access),
    ]


def deep(levels: int, name: bytes = b"d" * 250) -> list[Node]:
    """One path of that many components, with a file at each tenth level and at the end."""
    nodes = []
    for level in range(1, levels + 1):
        path = (name,) * level
        if level % 10 == 0 or level == levels:
            nodes.append(Node((*path, b"file"), data=((0, b"%d" % level),)))
            nodes.append(Node((*path, b"link"), "l", target=b"file"))
    return nodes + [
        Node((name,) * level, "d", mode=0o750, mtime=level) for level in range(levels, 0, -1)
    ]


def huge() -> list[Node]:
    """Files of more than 32 bits, nearly all hole."""
    return [
        Node((b"huge", b"middle"), size=5 << 30, data=((1 << 32, b"beyond four gigabytes"),)),
        Node((b"huge", b"end"), data=((1 << 33, b"end"),)),
    ]


def flat(count: int) -> list[Node]:
    """One directory with that many small files."""
    return [
        Node((b"flat", b"%d" % n), data=((0, b"%d" % n),) if n % 3 else ()) for n in range(count)
    ]


# ---------------------------------------------------------------- hypothesis

try:
    from hypothesis import strategies as st
except ImportError:  # the fixed trees and the builder work without
    pass
else:

    def names() -> st.SearchStrategy[bytes]:
        """File names: any bytes but NUL and the slash, often nasty ones."""
        anything = st.binary(min_size=1, max_size=40).map(
            lambda b: b.replace(b"\0", b"\1").replace(b"/", b"\\")
        )
        return st.one_of(
            st.sampled_from(NAMES), st.sampled_from([b"a", b"b", b"c"]), anything
        ).filter(lambda n: n not in (b".", b".."))

    def mtimes() -> st.SearchStrategy[int]:
        """ns since 1970, from 1901 to 2242; also the edges of each second."""
        return st.one_of(
            st.integers(-(2**31) * SECOND, 2**33 * SECOND),
            st.sampled_from(
                [0, -1, 1, SECOND - 1, -SECOND, -SECOND - 1, 2**31 * SECOND, 2**32 * SECOND - 1]
            ),
        )

    def data() -> st.SearchStrategy[tuple[int, tuple[tuple[int, bytes], ...]]]:
        """Size and parts of a file, most of them small."""
        part = st.tuples(
            st.sampled_from([0, 1, 4096, 65536, 1 << 20, (1 << 20) - 1]), st.binary(max_size=300)
        )
        return st.tuples(
            st.sampled_from([0, 0, 0, 1, 4096, 1 << 20, 3000001]),
            st.lists(part, max_size=3).map(tuple),
        )

    @st.composite
    def trees(draw: st.DrawFn, most: int = 25) -> list[Node]:
        """Trees of at most that many entries."""
        directories: list[Path] = [()]
        others: list[Path] = []
        taken: dict[Path, bool] = {(): True}
        nodes: list[Node] = []
        for _dummy in range(draw(st.integers(0, most))):
            parent = draw(st.sampled_from(directories))
            path = (*parent, draw(names()))
            if path in taken:
                continue
            taken[path] = True
            kind = draw(st.sampled_from("ddfffffflpsch" if others else "ddffffflpsc"))
            nodes.append(draw(_node(path, kind, others)))
            if kind == "d":
                directories.append(path)
            elif kind != "h":
                others.append(path)
        return nodes

    @st.composite
    def _node(draw: st.DrawFn, path: Path, kind: str, others: list[Path]) -> Node:
        if kind == "h":
            return Node(path, "h", target=draw(st.sampled_from(others)))
        mode = draw(
            st.sampled_from([0o644, 0o755, 0o600, 0o000, 0o4755, 0o2711, 0o1777, 0o7777, 0o444])
        )
        if kind == "d" and not ROOT:
            mode |= 0o700
        elif kind == "f" and not ROOT:
            mode |= 0o400
        size, parts = draw(data()) if kind == "f" else (0, ())
        owners = [None, None, (0, 0), (1000, 1000), (1000, 0), (4294967294, 65534)]
        xattrs = [(), (), (("user.a", b"\0v"),), (("trusted.b", b""), ("user.c", b"2"))]
        xattrs.append((("system.posix_acl_access", DIRECTORY_ACL if kind == "d" else SOME_ACL),))
        if kind == "d":
            xattrs.append((("system.posix_acl_default", SOME_ACL),))
        return Node(
            path,
            kind,
            mode=mode,
            owner=draw(st.sampled_from(owners)),
            mtime=draw(mtimes()),
            size=size,
            data=parts,
            target=draw(names()) if kind == "l" else b"",
            xattrs=draw(st.sampled_from(xattrs)),
        )
