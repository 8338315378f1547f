# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge judged: no difference where there is none, and each kind of difference found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Callable

import pytest
from ansible_collections.scaleout.ingest.tests.support import compare, trees

ROOT = os.geteuid() == 0


def _cp(a: bytes, b: bytes) -> None:
    subprocess.run(["cp", "-a", a, b], check=True)


@pytest.fixture
def pair(tmp_path):
    """The hostile tree and a faithful copy of it."""
    a, b = os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b")
    trees.build(a, trees.hostile())
    _cp(a, b)
    yield a, b
    trees.remove(a)
    trees.remove(b)


def test_cp_is_faithful(pair):
    assert compare.compare_trees(*pair) == []


@pytest.mark.parametrize("levels, name", [(12, b"d" * 250), (30, b"\xff" * 255), (1200, b"x")])
def test_deep(tmp_path, levels, name):
    a, b = os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b")
    for root in (a, b):
        trees.build(root, trees.deep(levels, name))
    ignore = frozenset(["mtime"])  # the parents that no node names
    assert compare.compare_trees(a, b, ignore=ignore) == []
    at = os.open(b, os.O_RDONLY)
    for _dummy in range(levels):
        at = os.open(name, os.O_RDONLY, dir_fd=at)
    with os.fdopen(os.open(b"file", os.O_WRONLY, dir_fd=at), "wb") as file:
        file.write(b"X")
    found = compare.compare_trees(a, b, ignore=ignore)
    assert len(found) == 1 and "contents" in found[0]
    trees.remove(a)
    trees.remove(b)


def _keeping_times(path: bytes, change: Callable[[], object]) -> None:
    """Make a change that shows in one attribute only."""
    before = [(p, os.lstat(p)) for p in (path, os.path.dirname(path)) if os.path.lexists(p)]
    change()
    for p, st in before:
        if os.path.lexists(p):
            os.utime(p, ns=(st.st_atime_ns, st.st_mtime_ns), follow_symlinks=False)


def _rewrite(path: bytes, offset: int, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, data, offset)
    os.close(fd)


def _replace(path: bytes, make: Callable[[bytes], object]) -> None:
    os.unlink(path)
    make(path)


def _split(path: bytes) -> None:
    """The same file again, but no longer one with its other names."""
    shutil.copy2(path, path + b".new")
    os.rename(path + b".new", path)


def _fill_hole(path: bytes) -> None:
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.write(bytes(size))


# expected kind -> (path, how to break it in the copy)
MUTATIONS: dict[str, tuple] = {
    "contents first byte": (b"large/one block", lambda p: _rewrite(p, 0, b"y")),
    "contents last byte": (
        b"large/five megabytes and one",
        lambda p: _rewrite(p, 251 * 20889 - 1, b"!"),
    ),
    "contents data in a hole": (b"sparse/all hole", lambda p: _rewrite(p, 5 << 20, b"!")),
    "contents zeros for data": (b"sparse/late", lambda p: _rewrite(p, 1 << 22, b"\0")),
    "size longer": (
        b"types/empty",
        lambda p: (os.chmod(p, 0o600), os.truncate(p, 1), os.chmod(p, 0o400)),
    ),
    "size shorter": (b"large/one block", lambda p: os.truncate(p, 1000)),
    "type fifo for file": (b"files/plain", lambda p: _replace(p, os.mkfifo)),
    "type file for link": (
        b"types/dangling",
        lambda p: _replace(p, lambda q: open(q, "wb").close()),
    ),
    "type directory for link": (b"types/up", lambda p: _replace(p, os.mkdir)),
    "type socket for fifo": (b"types/fifo", lambda p: _replace(p, lambda q: os.mknod(q, 0o140600))),
    "mode permission": (b"files/plain", lambda p: os.chmod(p, os.stat(p).st_mode ^ 0o001)),
    "mode set-id": (b"modes/04755", lambda p: os.chmod(p, 0o755)),
    "mode set-gid directory": (b"modes/d02755", lambda p: os.chmod(p, 0o755)),
    "mode sticky": (b"modes/d01777", lambda p: os.chmod(p, 0o777)),
    "mtime one ns": (b"times/f0", lambda p: os.utime(p, ns=(0, 1))),
    "mtime of a directory": (b"types/empty directory", lambda p: os.utime(p, ns=(1, 2))),
    "mtime of a link": (b"times/l1", lambda p: os.utime(p, ns=(0, 0), follow_symlinks=False)),
    "mtime of a fifo": (b"types/fifo", lambda p: os.utime(p, ns=(0, 0))),
    "target": (b"types/absolute", lambda p: _replace(p, lambda q: os.symlink(b"/etc/shadow", q))),
    "target of a long link": (
        b"types/long target",
        lambda p: _replace(p, lambda q: os.symlink(b"t/" * 2046, q)),
    ),
    "links split": (b"hard/top", _split),
    "links joined": (
        b"files/tab\there",
        lambda p: (os.unlink(p), os.link(os.path.dirname(p) + b"/plain", p)),
    ),
    "links out of the tree": (
        b"hard/empty",
        lambda p: os.link(p, p[: -len(b"b/hard/empty")] + b"out"),
    ),
    "xattr lost": (b"xattrs/file", lambda p: os.removexattr(p, "user.one")),
    "xattr changed": (b"xattrs/file", lambda p: os.setxattr(p, "user.binary", b"\0")),
    "xattr added": (b"files/plain", lambda p: os.setxattr(p, "user.new", b"")),
    "xattr of a directory": (b"xattrs/directory", lambda p: os.removexattr(p, "user.empty")),
    "acl lost": (b"acls/file", lambda p: os.removexattr(p, "system.posix_acl_access")),
    "acl default": (b"acls/directory", lambda p: os.removexattr(p, "system.posix_acl_default")),
    "sparse": (b"sparse/leading", lambda p: (_fill_hole(p), _rewrite(p, 4 << 20, b"end"))),
    "missing": (b"files/ leading and trailing ", os.unlink),
    "missing directory": (b"types/empty directory", os.rmdir),
    "extra": (b"files/zzz", lambda p: open(p, "wb").close()),
}
AS_ROOT: dict[str, tuple] = {
    "owner uid": (b"owners/1000-1000", lambda p: (os.chown(p, 0, -1), os.chmod(p, 0o6755))),
    "owner gid": (b"owners/d1000-1000", lambda p: (os.chown(p, -1, 0), os.chmod(p, 0o2750))),
    "owner of a link": (b"owners/l1000-1000", lambda p: os.lchown(p, 0, 1000)),
    "rdev": (
        b"types/null",
        lambda p: _replace(p, lambda q: os.mknod(q, 0o020666, os.makedev(1, 5))),
    ),
    "type block for character": (
        b"types/null",
        lambda p: _replace(p, lambda q: os.mknod(q, 0o060666, os.makedev(1, 3))),
    ),
    "xattr of a link": (
        b"xattrs/link",
        lambda p: os.setxattr(p, "trusted.t", b"x", follow_symlinks=False),
    ),
    "xattr capability": (b"xattrs/capability", lambda p: os.removexattr(p, "security.capability")),
    "missing below a closed directory": (b"modes/closed/inside", os.unlink),
}


@pytest.mark.parametrize("name", sorted(MUTATIONS) + sorted(AS_ROOT))
def test_each_difference_is_found(pair, name):
    if name in AS_ROOT and not ROOT:
        pytest.skip(f"needs root: {name}")
    a, b = pair
    path, change = {**MUTATIONS, **AS_ROOT}[name]
    kind = name.split()[0]
    if kind == "mtime":
        change(b + b"/" + path)
    else:
        _keeping_times(b + b"/" + path, lambda: change(b + b"/" + path))
    found = compare.compare_trees(a, b)
    assert found, "not found"
    assert any(f": {kind}: " in line and line.startswith(compare.show(path)) for line in found), (
        found
    )
    if kind not in ("type", "links", "rdev", "missing", "extra"):
        assert {line.split(": ")[1] for line in found} == {kind}
    assert compare.compare_trees(a, b, ignore=compare.KINDS) == []


def test_granularity(tmp_path):
    for name, ns in (("a", 5), ("b", 7)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, ns=(0, ns))
    a, b = os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b")
    assert compare.compare_trees(a, b)
    assert compare.compare_trees(a, b, granularity=10**9) == []
    assert compare.compare_trees(a, b, ignore=frozenset(["root"])) == []
    with pytest.raises(ValueError):
        compare.compare_trees(a, b, ignore=frozenset(["times"]))


def test_script(pair):
    a, b = pair
    script = [sys.executable, compare.__file__, a, b]
    assert subprocess.run(script, check=False).returncode == 0
    os.unlink(b + b"/files/new\nline")
    done = subprocess.run(script, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"files/new\\nline: missing: is only in the first tree\n" in done.stdout
    assert len(done.stdout.splitlines()) == 2  # and the directory's time
