# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mover that is killed at any step leaves what the next run finishes or undoes, whatever users
did in between."""

from __future__ import annotations

import os
import signal
from typing import Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.tier import recovery, renames
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.batch import Batch, Options
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.exchange import Exchange
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.order import Order
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.outcome import Candidate
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.stub import Stub
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.union import Union
from ansible_collections.scaleout.ingest.tests.support.union import Pools

SHORT = Options(quiet=0.0, grace=0.005)
DATA = b"data" * 2000
MOST = 60  # steps that a move of three names may take


class Killer:
    """Kills its process at the n-th step that changes what is there."""

    def __init__(self, step: int) -> None:
        self._left = step

    def before(self, act: Callable) -> Callable:
        """The same call, counted."""

        def call(*arguments: object, **more: object) -> object:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(*arguments, **more)

        return call

    def set_up(self) -> None:
        """Count all steps of this process from now on."""
        for module, name in (
            (renames, "move"),
            (renames, "exchange"),
            (renames, "sync_file_system"),
            (os, "unlink"),
            (os, "rename"),
            (os, "link"),
            (os, "symlink"),
            (os, "fsync"),
            (Order, "put_first"),
        ):
            setattr(module, name, self.before(getattr(module, name)))


def killed(step: int, act: Callable[[], object]) -> bool:
    """Do something in a process that is killed at a step; False if it ended before."""
    pid = os.fork()
    if pid == 0:
        try:
            Killer(step).set_up()
            act()
        finally:
            os._exit(0)
    dummy, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def write(path: bytes, data: bytes) -> None:
    """Make a file."""
    with open(path, "wb") as file:
        file.write(data)


def read(path: bytes) -> bytes:
    """All of a file."""
    with open(path, "rb") as file:
        return file.read()


def _nothing(root: bytes) -> None:
    pass


def _append(root: bytes) -> None:
    with open(root + b"/d/one", "ab") as file:
        file.write(b"more")


def _rename(root: bytes) -> None:
    os.rename(root + b"/d/one", root + b"/renamed")


def _link(root: bytes) -> None:
    os.link(root + b"/d/one", root + b"/d/linked")


def _remove(root: bytes) -> None:
    os.unlink(root + b"/d/one")


def _replace(root: bytes) -> None:
    write(root + b"/new", b"replaced")
    os.rename(root + b"/new", root + b"/d/one")


def _mode(root: bytes) -> None:
    os.chmod(root + b"/d/one", 0o640)


# What users do between the kill and the next run, and what must be there then.
DEEDS: dict[Callable[[bytes], None], dict[bytes, bytes]] = {
    _nothing: {b"d/one": DATA},
    _append: {b"d/one": DATA + b"more"},
    _rename: {b"renamed": DATA},
    _link: {b"d/one": DATA, b"d/linked": DATA},
    _remove: {},
    _replace: {b"d/one": b"replaced"},
    _mode: {b"d/one": DATA},
}


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("back", [False, True], ids=["down", "up"])
def test_between_branches(pools: Pools, deed: Callable[[bytes], None], back: bool) -> None:
    source, target = (pools.slow, pools.fast) if back else (pools.fast, pools.slow)
    order = os.getxattr(pools.union + b"/.mergerfs", "user.mergerfs.branches")
    files = [Candidate((b"d/one",), None), Candidate((b"two", b"d/e/three"), None)]

    def move() -> None:
        Batch(Union(pools.union, source, target), SHORT).run(files)

    whats = set()
    for step in range(1, MOST):
        for pool in (pools.fast, pools.slow):
            for path in pools.everything(pool):
                os.unlink(pool + b"/" + path)
        os.makedirs(source + b"/d/e", exist_ok=True)
        write(source + b"/d/one", DATA)
        os.chmod(source + b"/d/one", 0o600)
        write(source + b"/two", b"two")
        os.link(source + b"/two", source + b"/d/e/three")
        going_on = killed(step, move)
        deed(pools.union)
        for pool in (pools.fast, pools.slow):
            whats |= {one.what for one in recovery.recover(pool)}
        expected = {**DEEDS[deed], b"two": b"two", b"d/e/three": b"two"}
        fast, slow = pools.everything(pools.fast), pools.everything(pools.slow)
        assert not set(fast) & set(slow), f"step {step}: in both pools"
        assert {path: read(pools.union + b"/" + path) for path in {**fast, **slow}} == expected, (
            f"step {step}"
        )
        if deed is _mode:
            assert os.stat(pools.union + b"/d/one").st_mode & 0o777 == 0o640
        if deed is _link:
            assert {**fast, **slow}[b"d/one"].st_ino == {**fast, **slow}[b"d/linked"].st_ino
        assert {**fast, **slow}[b"two"].st_nlink == 2
        for pool in (pools.fast, pools.slow):
            assert set(os.listdir(pool + b"/.ingest-tier")) <= {b"lock"}, f"step {step}"
        assert os.getxattr(pools.union + b"/.mergerfs", "user.mergerfs.branches") == order
        if not going_on:
            break
    else:
        pytest.fail("the move takes more steps than this test looks at")
    assert {recovery.FINISHED, recovery.UNDONE} <= whats <= {"finished", "undone"}


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_in_one_file_system(pools: Pools, deed: Callable[[bytes], None]) -> None:
    root = pools.fast
    files = [Candidate((b"d/one",), None), Candidate((b"two", b"d/e/three"), None)]

    def move() -> None:
        Batch(Exchange(root), SHORT).run(files)

    whats = set()
    for step in range(1, MOST):
        for path in pools.everything(root):
            os.unlink(root + b"/" + path)
        os.makedirs(root + b"/d/e", exist_ok=True)
        write(root + b"/d/one", DATA)
        write(root + b"/two", b"two")
        os.link(root + b"/two", root + b"/d/e/three")
        going_on = killed(step, move)
        deed(root)
        whats |= {one.what for one in recovery.recover(root)}
        there = pools.everything(root)
        expected = {**DEEDS[deed], b"two": b"two", b"d/e/three": b"two"}
        assert {path: read(root + b"/" + path) for path in there} == expected, f"step {step}"
        assert there[b"two"].st_nlink == 2 and there[b"two"].st_ino == there[b"d/e/three"].st_ino
        assert set(os.listdir(root + b"/.ingest-tier")) <= {b"lock"}, f"step {step}"
        if not going_on:
            break
    else:
        pytest.fail("the move takes more steps than this test looks at")
    assert {recovery.FINISHED, recovery.UNDONE} <= whats <= {"finished", "undone"}


@pytest.mark.parametrize("deed", [d for d in DEEDS if d is not _link], ids=lambda d: d.__name__)
def test_behind_a_link(pools: Pools, deed: Callable[[bytes], None]) -> None:
    root = pools.fast
    files = [Candidate((b"d/one",), None), Candidate((b"two",), None)]

    def move() -> None:
        Batch(Stub(root, pools.slow), SHORT).run(files)

    whats = set()
    for step in range(1, MOST):
        for pool in (root, pools.slow):
            for path in pools.everything(pool):
                os.unlink(pool + b"/" + path)
        os.makedirs(root + b"/d", exist_ok=True)
        write(root + b"/d/one", DATA)
        write(root + b"/two", b"two")
        going_on = killed(step, move)
        deed(root)
        whats |= {one.what for one in recovery.recover(pools.slow)}
        there = pools.everything(root)
        expected = {**DEEDS[deed], b"two": b"two"}
        assert {path: read(root + b"/" + path) for path in there} == expected, f"step {step}"
        assert set(os.listdir(pools.slow + b"/.ingest-tier")) <= {b"lock"}, f"step {step}"
        if not going_on:
            break
    else:
        pytest.fail("the move takes more steps than this test looks at")
    assert os.path.islink(root + b"/two") and read(pools.slow + b"/two") == b"two"
    assert {recovery.FINISHED, recovery.UNDONE} <= whats <= {"finished", "undone"}


def test_files_in_use_wait_for_the_next_run(pools: Pools) -> None:
    write(pools.fast + b"/one", DATA)

    def move() -> None:
        Batch(Union(pools.union, pools.fast, pools.slow), SHORT).run([Candidate((b"one",), None)])

    for step in range(1, MOST):
        assert killed(step, move)
        if os.path.exists(pools.slow + b"/one"):
            break
        assert not [one for one in recovery.recover(pools.slow) if one.what != "undone"]
    with open(pools.slow + b"/one", "rb"):
        (mended,) = recovery.recover(pools.slow)
        assert (mended.what, mended.path) == (recovery.IN_USE, b"one")
    (mended,) = recovery.recover(pools.slow)
    assert mended.what == recovery.UNDONE and read(pools.union + b"/one") == DATA


def test_what_both_were_written_to_is_kept_and_said(pools: Pools) -> None:
    write(pools.fast + b"/one", DATA)

    def move() -> None:
        Batch(Union(pools.union, pools.fast, pools.slow), SHORT).run([Candidate((b"one",), None)])

    for step in range(1, MOST):
        assert killed(step, move)
        if os.path.exists(pools.slow + b"/one"):
            break
        assert not [one for one in recovery.recover(pools.slow) if one.what != "undone"]
    for pool in (pools.fast, pools.slow):
        with open(pool + b"/one", "ab") as file:
            file.write(pool)
    for dummy in range(2):
        (mended,) = recovery.recover(pools.slow)
        assert mended.what == recovery.KEPT and "is kept under a name" in mended.why
        assert read(pools.union + b"/one") == DATA + pools.fast
    (kept,) = [
        name
        for name in os.listdir(pools.slow + b"/.ingest-tier")
        if name != b"lock" and not name.endswith(b".journal")
    ]
    assert read(pools.slow + b"/.ingest-tier/" + kept) == DATA + pools.slow
