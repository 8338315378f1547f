# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are two trees the same in every attribute? Shares no code with the engine, so that it can judge
it.

As a script: ``compare.py A B [--ignore KIND,KIND] [--granularity NS]``; exit status 0 if they are
the same, 1 with one line for each difference if not.
"""

from __future__ import annotations

import argparse
import errno
import os
import resource
import stat
import sys
from typing import AbstractSet, Iterator, NamedTuple, Tuple

# What can be left out of a comparison. "root": every attribute of the two top directories.
KINDS = frozenset(
    (
        *("type", "contents", "size", "mode", "owner", "mtime", "target", "links", "rdev", "xattr"),
        *("acl", "sparse", "missing", "extra", "root"),
    )
)
BLOCK = 1 << 20
PAGE = 4096
ACLS = ("system.posix_acl_access", "system.posix_acl_default")
# Labels that the kernel gives by itself and that belong to the place, not to the file.
OF_THE_PLACE = ("security.selinux", "security.SMACK64")

Group = Tuple[int, int]


class Side(NamedTuple):
    """One entry of one tree: an open directory (a descriptor), a name in it, its lstat."""

    at: int
    name: bytes
    st: os.stat_result

    @property
    def path(self) -> bytes:
        """A short path to it that the kernel accepts at any depth; not to be followed."""
        return b"/proc/self/fd/%d/%s" % (self.at, self.name)


class Comparison:
    """The differences found so far."""

    def __init__(self, ignore: AbstractSet[str], granularity: int) -> None:
        unknown = set(ignore) - KINDS
        if unknown:
            raise ValueError(f"can't ignore {sorted(unknown)}: only {sorted(KINDS)}")
        self.ignore = ignore
        self.granularity = granularity
        self.found: list[str] = []
        self.entries = 0
        # path -> the file it is a name of, for files with several names
        self.groups: tuple[dict[bytes, Group], dict[bytes, Group]] = ({}, {})
        self.names: dict[Group, int] = {}  # of the second tree: expected number of names

    def differ(self, kind: str, path: bytes, text: str) -> None:
        """Note a difference of that kind."""
        if kind not in self.ignore:
            self.found.append(f"{show(path)}: {kind}: {text}")

    def unequal(self, kind: str, path: bytes, a: object, b: object) -> None:
        """Note a difference if the two values differ."""
        if a != b:
            self.differ(kind, path, f"{a}, but {b}")


def show(path: bytes) -> str:
    """A path for people, without loss; long ones with their middle left out."""
    text = repr(path)[2:-1] or "."
    return text if len(text) <= 300 else f"{text[:120]}...({len(path)} bytes)...{text[-120:]}"


def compare_trees(
    a: bytes, b: bytes, *, ignore: AbstractSet[str] = frozenset(), granularity: int = 1
) -> list[str]:
    """The differences of tree ``b`` from tree ``a``, a line each; empty if there are none.

    Args:
        ignore: kinds of difference that don't count, of KINDS.
        granularity: ns; times that are equal when rounded down to a multiple of it are equal.
    """
    _allow_many_files()
    comparison = Comparison(ignore, granularity)
    sides = []
    try:
        for root in (a, b):
            at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            sides.append(Side(at, b".", os.stat(at)))
        if "root" not in ignore:
            _attributes(comparison, b"", sides[0], sides[1])
        _walk(comparison, sides[0].at, sides[1].at)
    finally:
        for side in sides:
            os.close(side.at)
    _hard_links(comparison)
    return comparison.found


def _allow_many_files() -> None:
    """One descriptor for each level of depth is held open."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _walk(comparison: Comparison, top_a: int, top_b: int) -> None:
    """Depth first, with a stack of our own: trees may be deeper than Python's recursion."""
    stack: list[tuple[int, int, bytes, Iterator[bytes]]] = [
        (top_a, top_b, b"", iter(_pair(comparison, top_a, top_b, b"")))
    ]
    while stack:
        at_a, at_b, path, names = stack[-1]
        name = next(names, None)
        if name is None:
            stack.pop()
            if stack:
                os.close(at_a)
                os.close(at_b)
            continue
        below = path + b"/" + name if path else name
        pair = _entry(comparison, below, at_a, at_b, name)
        if pair:
            stack.append(
                (pair[0], pair[1], below, iter(_pair(comparison, pair[0], pair[1], below)))
            )


def _pair(comparison: Comparison, at_a: int, at_b: int, path: bytes) -> list[bytes]:
    """The names that both directories have."""
    lists = []
    for at in (at_a, at_b):
        try:
            lists.append({os.fsencode(name) for name in os.listdir(at)})
        except OSError as error:
            comparison.differ("contents", path, f"can't be listed: {error}")
            return []
    for name in sorted(lists[0] - lists[1]):
        comparison.differ("missing", _join(path, name), "is only in the first tree")
    for name in sorted(lists[1] - lists[0]):
        comparison.differ("extra", _join(path, name), "is only in the second tree")
    return sorted(lists[0] & lists[1])


def _join(path: bytes, name: bytes) -> bytes:
    return path + b"/" + name if path else name


def _entry(
    comparison: Comparison, path: bytes, at_a: int, at_b: int, name: bytes
) -> tuple[int, int] | None:
    """Compare one name; for a directory, both sides opened."""
    comparison.entries += 1
    try:
        a, b = (
            Side(at, name, os.lstat(b"/proc/self/fd/%d/%s" % (at, name))) for at in (at_a, at_b)
        )
        if stat.S_IFMT(a.st.st_mode) != stat.S_IFMT(b.st.st_mode):
            comparison.differ("type", path, f"{_type(a.st)}, but {_type(b.st)}")
            return None
        _attributes(comparison, path, a, b)
        if stat.S_ISDIR(a.st.st_mode):
            return _open_both(a, b)
        for number, side in enumerate((a, b)):
            if side.st.st_nlink > 1:
                comparison.groups[number][path] = (side.st.st_dev, side.st.st_ino)
                if number:
                    comparison.names[(side.st.st_dev, side.st.st_ino)] = side.st.st_nlink
        if stat.S_ISREG(a.st.st_mode):
            _file(comparison, path, a, b)
        elif stat.S_ISLNK(a.st.st_mode):
            comparison.unequal("target", path, os.readlink(a.path), os.readlink(b.path))
        elif stat.S_ISCHR(a.st.st_mode) or stat.S_ISBLK(a.st.st_mode):
            comparison.unequal("rdev", path, _device(a.st), _device(b.st))
    except OSError as error:
        comparison.differ("contents", path, f"can't be compared: {error}")
    return None


def _open_both(a: Side, b: Side) -> tuple[int, int]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    first = os.open(a.name, flags, dir_fd=a.at)
    try:
        return first, os.open(b.name, flags, dir_fd=b.at)
    except OSError:
        os.close(first)
        raise


def _type(st: os.stat_result) -> str:
    return {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a directory",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a fifo",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a character device",
        stat.S_IFBLK: "a block device",
    }.get(stat.S_IFMT(st.st_mode), "of an unknown type")


def _device(st: os.stat_result) -> str:
    return "%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))


def _attributes(comparison: Comparison, path: bytes, a: Side, b: Side) -> None:
    """What every type has."""
    comparison.unequal("owner", path, *("%d:%d" % (s.st.st_uid, s.st.st_gid) for s in (a, b)))
    if not stat.S_ISLNK(a.st.st_mode):  # a link's own mode means nothing and can't be set
        comparison.unequal("mode", path, *(f"{stat.S_IMODE(s.st.st_mode):04o}" for s in (a, b)))
    grain = comparison.granularity
    if a.st.st_mtime_ns // grain != b.st.st_mtime_ns // grain:
        comparison.differ("mtime", path, "%d ns, but %d ns" % (a.st.st_mtime_ns, b.st.st_mtime_ns))
    if {"xattr", "acl"} <= comparison.ignore:
        return
    first, second = _xattrs(a), _xattrs(b)
    for name in sorted(set(first) | set(second)):
        kind = "acl" if name in ACLS else "xattr"
        if first.get(name) != second.get(name):
            comparison.differ(
                kind, path, f"{name} is {first.get(name)!r}, but {second.get(name)!r}"
            )


def _xattrs(side: Side) -> dict[str, bytes]:
    try:
        names = os.listxattr(side.path, follow_symlinks=False)
        return {
            name: os.getxattr(side.path, name, follow_symlinks=False)
            for name in names
            if name not in OF_THE_PLACE
        }
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS):
            return {}
        raise


def _file(comparison: Comparison, path: bytes, a: Side, b: Side) -> None:
    if a.st.st_size != b.st.st_size:
        comparison.differ("size", path, "%d bytes, but %d bytes" % (a.st.st_size, b.st.st_size))
        return
    if {"contents", "sparse"} <= comparison.ignore or not a.st.st_size:
        return
    opened: list[int] = []
    try:
        for side in (a, b):
            opened.append(os.open(side.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=side.at))
        data = [list(_data(fd, a.st.st_size)) for fd in opened]
        if "contents" not in comparison.ignore:
            _contents(comparison, path, opened, data)
        _sparse(comparison, path, a.st, b.st, data)
    finally:
        for fd in opened:
            os.close(fd)


def _data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the parts of a file that are not holes."""
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            yield at, size
            return
        at = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, at


def _contents(
    comparison: Comparison, path: bytes, opened: list[int], data: list[list[tuple[int, int]]]
) -> None:
    """Compare the bytes, but for what is a hole in both."""
    done = 0
    for start, end in sorted(data[0] + data[1]):
        at = max(start, done)
        while at < end:
            first = os.pread(opened[0], min(BLOCK, end - at), at)
            second = os.pread(opened[1], len(first), at)
            if not first or first != second:
                where = next(
                    (i for i, (x, y) in enumerate(zip(first, second)) if x != y), len(second)
                )
                comparison.differ("contents", path, "differ at byte %d" % (at + where))
                return
            at += len(first)
        done = max(done, end)


def _sparse(
    comparison: Comparison,
    path: bytes,
    a: os.stat_result,
    b: os.stat_result,
    data: list[list[tuple[int, int]]],
) -> None:
    """A copy may be more sparse than its source, or by a little less (other block sizes)."""
    if a.st_blocks * 512 >= a.st_size:
        return
    held = [sum(end - start for start, end in ranges) for ranges in data]
    if held[1] > held[0] + 16 * PAGE * (1 + len(data[0])):
        comparison.differ("sparse", path, "%d bytes of data, but %d" % (held[0], held[1]))
    elif b.st_blocks * 512 > a.st_blocks * 512 * 1.25 + 16 * PAGE * (1 + len(data[0])):
        comparison.differ("sparse", path, "%d blocks, but %d" % (a.st_blocks, b.st_blocks))


def _hard_links(comparison: Comparison) -> None:
    """The names must fall into the same groups on both sides."""
    partitions = []
    for groups in comparison.groups:
        members: dict[Group, list[bytes]] = {}
        for path, group in groups.items():
            members.setdefault(group, []).append(path)
        partitions.append({path: frozenset(members[group]) for path, group in groups.items()})
    for path in sorted(set(partitions[0]) | set(partitions[1])):
        first, second = (part.get(path, frozenset([path])) for part in partitions)
        if first != second:
            comparison.differ(
                "links",
                path,
                f"is one file with {_others(first, path)}, but with {_others(second, path)}",
            )
    for path, group in comparison.groups[1].items():
        inside = len(partitions[1][path])
        if comparison.names[group] != inside and "extra" not in comparison.ignore:
            comparison.differ(
                "links",
                path,
                "the second tree's has %d names, %d in the tree"
                % (comparison.names[group], inside),
            )


def _others(paths: AbstractSet[bytes], path: bytes) -> str:
    return ", ".join(show(p) for p in sorted(paths - {path})[:5]) or "nothing else"


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare two trees in every attribute.")
    parser.add_argument("a", type=os.fsencode)
    parser.add_argument("b", type=os.fsencode)
    parser.add_argument(
        "--ignore", default="", help="kinds that don't count: " + " ".join(sorted(KINDS))
    )
    parser.add_argument("--granularity", type=int, default=1, help="of times, in ns")
    options = parser.parse_args()
    found = compare_trees(
        options.a,
        options.b,
        ignore=frozenset(options.ignore.replace(",", " ").split()),
        granularity=options.granularity,
    )
    for line in found:
        sys.stdout.write(line + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
