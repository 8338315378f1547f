# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files move between two branches of a mergerfs, and users see no gap."""

from __future__ import annotations

import fcntl
import mmap
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.tier import leases, recovery
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.batch import Batch, Options
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.outcome import (
    CHANGED,
    FAILED,
    HOT,
    MOVED,
    SKIPPED,
    Candidate,
    Outcome,
    known_of,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.under_way import UnderWay
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.union import Union
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees
from ansible_collections.scaleout.ingest.tests.support.union import Pools

SHORT = Options(quiet=0.0, grace=0.01)


def candidate(pool: bytes, *paths: bytes) -> Candidate:
    """As an index would have it."""
    return Candidate(paths, known_of(os.lstat(pool + b"/" + paths[0])))


def move(pools: Pools, candidates: list[Candidate], back: bool = False) -> list[Outcome]:
    """Move files from the fast pool to the slow one, or back."""
    source, target = (pools.slow, pools.fast) if back else (pools.fast, pools.slow)
    ground = Union(pools.union, source, target)
    try:
        return Batch(ground, SHORT).run(candidates)
    finally:
        ground.close()


def write(path: bytes, data: bytes) -> None:
    """Make a file."""
    with open(path, "wb") as file:
        file.write(data)


def read(path: bytes) -> bytes:
    """All of a file."""
    with open(path, "rb") as file:
        return file.read()


def left(pools: Pools) -> list[bytes]:
    """What is in the folders of both pools besides the lock."""
    return [
        name
        for pool in (pools.fast, pools.slow)
        for name in os.listdir(pool + b"/.ingest-tier")
        if name != b"lock"
    ]


def one_file(pools: Pools, data: bytes = b"data") -> list[Candidate]:
    """A file in the fast pool."""
    os.makedirs(pools.fast + b"/a/b", exist_ok=True)
    write(pools.fast + b"/a/b/file", data)
    return [candidate(pools.fast, b"a/b/file")]


def test_everything_that_a_file_has_is_kept_both_ways(pools: Pools) -> None:
    top = pools.fast + b"/d\xff\n e"
    os.mkdir(top, 0o2750)
    os.chown(top, 1, 2)
    write(top + b"/\xfe\"'", b"x" * 5000)
    os.chown(top + b"/\xfe\"'", 12, 34)
    os.chmod(top + b"/\xfe\"'", 0o4751)
    os.setxattr(top + b"/\xfe\"'", "user.one", b"1\0")
    os.setxattr(top + b"/\xfe\"'", "trusted.two", b"2")
    acl = "u:7:rw,g:8:r"
    subprocess.run(["setfacl", "-m", acl, top + b"/\xfe\"'"], check=True)
    subprocess.run(["setfacl", "-d", "-m", acl, top], check=True)
    with open(top + b"/sparse", "wb") as file:
        file.seek(3 << 20)
        file.write(b"end")
        file.truncate(5 << 20)
    write(top + b"/large", os.urandom(3 << 20))
    write(top + b"/empty", b"")
    os.link(top + b"/large", pools.fast + b"/linked")
    for name in (b"sparse", b"large", b"empty"):
        os.utime(top + b"/" + name, ns=(10**18 + 1, 11 * 10**17 + 123456789))
    before = pools.fast + b".before"
    subprocess.run(["cp", "-a", pools.fast, before], check=True)
    names = [b"\xfe\"'", b"sparse", b"empty"]
    paths = [b"d\xff\n e/" + name for name in names]
    for back in (False, True):
        pool = pools.slow if back else pools.fast
        found = [candidate(pool, path) for path in paths]
        found.append(candidate(pool, b"d\xff\n e/large", b"linked"))
        outcomes = move(pools, found, back)
        assert {outcome.outcome for outcome in outcomes} == {MOVED}, outcomes
        assert {outcome.guarantee for outcome in outcomes} == {"lease"}
        where, empty = (pools.fast, pools.slow) if back else (pools.slow, pools.fast)
        assert len(pools.everything(where)) == 5 and not pools.everything(empty)
        os.chmod(where + b"/.ingest-tier", 0o700)
        differences = [
            line
            for line in compare_trees(before, where, ignore={"root"})
            if not line.startswith((".ingest-tier", "d\\xff\\n e: mtime", "lost+found"))
        ]
        assert not differences, differences
    assert os.stat(top + b"/sparse").st_blocks * 512 < 1 << 20
    assert not left(pools)


def _opened(path: bytes) -> Callable[[], object]:
    fd = os.open(path, os.O_RDONLY)
    return lambda: os.close(fd)


def _mapped(path: bytes) -> Callable[[], object]:
    fd = os.open(path, os.O_RDONLY)
    mapped = mmap.mmap(fd, 4, mmap.MAP_PRIVATE, mmap.PROT_READ)
    os.close(fd)
    return mapped.close


def _locked(path: bytes) -> Callable[[], object]:
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return lambda: os.close(fd)


@pytest.mark.parametrize("use", [_opened, _mapped, _locked])
def test_what_is_in_use_stays(pools: Pools, use: Callable[[bytes], Callable[[], object]]) -> None:
    found = one_file(pools)
    end = use(pools.union + b"/a/b/file")
    (outcome,) = move(pools, found)
    assert (outcome.outcome, outcome.bytes) == (HOT, 0)
    assert read(pools.fast + b"/a/b/file") == b"data"
    assert not pools.everything(pools.slow) and not left(pools)
    end()
    time.sleep(0.1)  # mergerfs is told a moment later
    (outcome,) = move(pools, found)
    assert (outcome.outcome, outcome.bytes) == (MOVED, 4)


def test_what_runs_stays_and_goes_on(pools: Pools) -> None:
    path = pools.fast + b"/sleep"
    subprocess.run(["cp", "/bin/sleep", path], check=True)
    process = subprocess.Popen([pools.union + b"/sleep", "30"])
    time.sleep(0.2)
    (outcome,) = move(pools, [candidate(pools.fast, b"sleep")])
    assert outcome.outcome == HOT and process.poll() is None
    process.kill()
    process.wait()


def test_what_changed_since_the_scan_stays(pools: Pools) -> None:
    found = one_file(pools)
    write(pools.union + b"/a/b/file", b"more")
    (outcome,) = move(pools, found)
    assert outcome.outcome == CHANGED
    os.unlink(pools.fast + b"/a/b/file")
    (outcome,) = move(pools, found)
    assert (outcome.outcome, outcome.why) == (CHANGED, "is not there any more")


def test_links_move_together_or_not_at_all(pools: Pools) -> None:
    one_file(pools)
    os.link(pools.fast + b"/a/b/file", pools.fast + b"/other")
    (outcome,) = move(pools, [candidate(pools.fast, b"a/b/file")])
    assert outcome.outcome == SKIPPED and "2 names, of which 1" in outcome.why
    (outcome,) = move(pools, [candidate(pools.fast, b"a/b/file", b"other")])
    assert outcome.outcome == MOVED
    assert os.stat(pools.slow + b"/other").st_nlink == 2 and not pools.everything(pools.fast)


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_is_no_file_stays(pools: Pools, kind: str) -> None:
    path = pools.fast + b"/it"
    {"link": lambda: os.symlink("x", path), "fifo": lambda: os.mkfifo(path)}.get(
        kind, lambda: os.mkdir(path)
    )()
    (outcome,) = move(pools, [Candidate((b"it",), None)])
    assert (outcome.outcome, outcome.why) == (SKIPPED, "is no regular file")


def test_a_link_in_the_way_is_not_followed(pools: Pools) -> None:
    outside = pools.folder.encode() + b"/outside"
    os.mkdir(outside)
    write(outside + b"/file", b"secret")
    os.symlink(outside, pools.fast + b"/a")
    (outcome,) = move(pools, [Candidate((b"a/file",), None)])
    assert outcome.outcome == FAILED
    os.unlink(pools.fast + b"/a")
    found = one_file(pools)
    os.symlink(outside, pools.slow + b"/a")
    (outcome,) = move(pools, found)
    assert outcome.outcome == FAILED
    assert os.listdir(outside) == [b"file"] and read(pools.fast + b"/a/b/file") == b"data"
    assert not left(pools)


def test_another_file_of_the_name_in_the_target_pool_stays(pools: Pools) -> None:
    found = one_file(pools)
    os.makedirs(pools.slow + b"/a/b")
    write(pools.slow + b"/a/b/file", b"another")
    (outcome,) = move(pools, found)
    assert outcome.outcome == FAILED and "another file of this name" in outcome.why
    assert read(pools.fast + b"/a/b/file") == b"data"
    assert read(pools.slow + b"/a/b/file") == b"another" and not left(pools)


def test_a_full_disk_is_said_and_nothing_is_left(pools: Pools) -> None:
    write(pools.slow + b"/filler", bytes(20 << 20))
    found = one_file(pools, os.urandom(9 << 20))
    write(pools.fast + b"/small", b"small")
    small = candidate(pools.fast, b"small")
    outcomes = {one.paths[0]: one for one in move(pools, [*found, small])}
    assert outcomes[b"a/b/file"].outcome == FAILED
    assert "No space left on device" in outcomes[b"a/b/file"].why
    assert outcomes[b"small"].outcome == MOVED
    assert not os.path.exists(pools.slow + b"/a") and not left(pools)
    assert os.stat(pools.fast + b"/a/b/file").st_size == 9 << 20


def test_what_the_target_can_not_hold_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    """Here a long attribute; a pool's blocks are the limit of ext4's."""
    with Pools(str(tmp_path), options="cache.files=off", block=1024) as pools:
        one_file(pools)
        path = pools.fast + b"/a/b/file"
        os.setxattr(path, b"user.long", b"x" * 3000)
        (outcome,) = move(pools, [candidate(pools.fast, b"a/b/file")])
        assert outcome.outcome == FAILED
        assert outcome.why == "give it its attributes: No space left on device"
        assert os.getxattr(path, b"user.long") == b"x" * 3000 and read(path) == b"data"
        assert not os.path.exists(pools.slow + b"/a") and not left(pools)


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_APPEND])
@pytest.mark.parametrize("step", ["copy", "verify"])
def test_who_opens_a_file_meanwhile_gets_it(
    pools: Pools, monkeypatch: pytest.MonkeyPatch, flags: int, step: str
) -> None:
    found = one_file(pools, os.urandom(3 << 20))
    waited: list[float] = []

    def use() -> None:
        began = time.monotonic()
        fd = os.open(pools.union + b"/a/b/file", flags)
        waited.append(time.monotonic() - began)
        if flags != os.O_RDONLY:
            os.write(fd, b"more")
        os.close(fd)

    user = threading.Thread(target=use)
    act = getattr(UnderWay, step)

    def interrupted(self: UnderWay, *arguments: object) -> None:
        user.start()
        while not leases.waited_for(self.source):
            time.sleep(0.001)
        act(self, *arguments)

    monkeypatch.setattr(UnderWay, step, interrupted)
    (outcome,) = move(pools, found)
    user.join()
    assert (outcome.outcome, outcome.why) == (HOT, "was opened meanwhile")
    size = os.stat(pools.fast + b"/a/b/file").st_size
    assert size == (3 << 20) + (4 if flags != os.O_RDONLY else 0)
    assert not pools.everything(pools.slow) and not left(pools)
    assert waited[0] < 20  # not the kernel's 45 s


def test_the_order_of_the_branches_is_as_it_was(pools: Pools) -> None:
    control = pools.union + b"/.mergerfs"
    before = os.getxattr(control, "user.mergerfs.branches")
    move(pools, one_file(pools))
    move(pools, [candidate(pools.slow, b"a/b/file")], back=True)
    assert os.getxattr(control, "user.mergerfs.branches") == before
    assert not list(recovery.recover(pools.fast)) and not list(recovery.recover(pools.slow))
