# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a destination: who may enter, who is dead, and that no trace is left."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client.destination_lock import (
    NAME,
    Lock,
    Member,
    Patience,
    take,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.client.lock_keeper import Keeper
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError

LONGEST = 60.0  # s that a test waits before it fails
LOCK = os.fsdecode(NAME)


def member(run: str, host: str = "1", lease: float = 60.0) -> Member:
    return Member(run * 32, host * 16, "client" + host, f"/runs/{run}", lease)


def lock(path: Path, run: str, host: str = "1", lease: float = 60.0) -> Lock:
    return Lock(os.fsencode(path), member(run, host, lease))


def never(reason: str) -> None:
    raise AssertionError("nobody is to be waited for: " + reason)


def until(true: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + LONGEST
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_hosts_of_one_run_share_it_and_the_last_one_leaves_no_trace(tmp_path: Path) -> None:
    os.utime(tmp_path, ns=(1_000_000_007, 2_000_000_009))
    before = os.stat(tmp_path)
    hosts = [lock(tmp_path, "a", host) for host in "123"]
    for host in hosts:
        take(host, never)
    assert len(hosts[0].entries()) == 3
    for host in hosts[:2]:
        host.leave()
        assert lock(tmp_path, "b").enter(), "somebody is still at work"
    hosts[2].leave()
    after = os.stat(tmp_path)
    assert os.listdir(tmp_path) == []
    assert (after.st_atime_ns, after.st_mtime_ns) == (before.st_atime_ns, before.st_mtime_ns)
    assert lock(tmp_path, "b").enter() == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root is kept out of no directory")
def test_a_directory_that_is_closed_to_its_owner(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    held = lock(tmp_path, "a")
    take(held, never)
    assert tmp_path.stat().st_mode & 0o777 == 0o500
    held.leave()
    assert os.listdir(tmp_path) == [] and tmp_path.stat().st_mode & 0o777 == 0o500


def test_another_run_waits_and_goes_on_when_it_is_free(tmp_path: Path) -> None:
    first, second = lock(tmp_path, "a"), lock(tmp_path, "b")
    take(first, never)
    said = []

    def wait(reason: str) -> None:
        said.append(reason)
        first.leave()

    take(second, wait)
    assert f"'{tmp_path}' is locked by another run, /runs/a on host client1 since " in said[0]
    assert list(second.entries()) == [second.member.name]


def test_another_run_that_is_at_work_is_an_error(tmp_path: Path) -> None:
    first = lock(tmp_path, "a", lease=0.5)
    take(first, never)
    with pytest.raises(IngestError, match="is being written by another run, /runs/a on host"):
        take(lock(tmp_path, "b", lease=0.5), lambda reason: first.renew())
    assert list(first.entries()) == [first.member.name]


def test_what_a_dead_run_left_is_taken_over(tmp_path: Path) -> None:
    dead = [lock(tmp_path, "a", host, lease=0.5) for host in "12"]
    for host in dead:
        take(host, never)
    long = time.time() + 1e6  # a clock that is ahead
    os.utime(tmp_path / LOCK / dead[0].member.name, (long, long))
    heir = lock(tmp_path, "b", lease=0.5)
    take(heir, lambda reason: None)
    assert list(heir.entries()) == [heir.member.name]
    with pytest.raises(FileNotFoundError):
        dead[0].renew()
    dead[0].leave()  # it comes back to life, and must not take the heir's
    assert list(heir.entries()) == [heir.member.name]


def test_an_entry_of_a_host_that_was_lost_goes_with_the_last(tmp_path: Path) -> None:
    hosts = [lock(tmp_path, "a", host) for host in "12"]
    for host in hosts:
        take(host, never)
    hosts[0].leave(["2" * 16])
    assert os.listdir(tmp_path) == []


def test_the_dead_and_the_living() -> None:
    now = [0.0]
    patience = Patience(10.0, lambda: now[0])
    assert patience.judge({"a": 1, "b": 1}) == ([], "")
    now[0] = 6.0
    assert patience.judge({"a": 1, "b": 2}) == ([], ""), "may be a job about to end"
    now[0] = 10.5
    assert patience.judge({"a": 1, "b": 2, "c": 9}) == (["a"], "")
    now[0] = 16.5
    assert patience.judge({"b": 2, "c": 9}) == (["b"], "")
    now[0] = 17.0
    assert patience.judge({"c": 8}) == ([], "c"), "whatever its clock says"


def test_only_one_of_many_that_enter_at_once(tmp_path: Path) -> None:
    """Runs of three hosts race; a host that is in writes its run's name and looks who else did."""
    context = multiprocessing.get_context("fork")
    inside = tmp_path / "inside"
    place = tmp_path / "destination"
    inside.mkdir()
    place.mkdir()

    def race(run: str, host: str) -> None:
        random.seed(run + host)
        for _round in range(4):
            mine = lock(place, run, host, lease=1000.0)
            take(mine, lambda reason: None)
            mark = inside / (run + host)
            mark.touch()
            time.sleep(random.uniform(0, 0.01))
            others = {name[0] for name in os.listdir(inside)} - {run}
            mark.unlink()
            mine.leave()
            if others:
                os._exit(1)
            time.sleep(random.uniform(0, 0.02))
        os._exit(0)

    racers = [context.Process(target=race, args=(run, host)) for run in "abc" for host in "123"]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(LONGEST)
    assert [racer.exitcode for racer in racers] == [0] * len(racers)
    assert os.listdir(place) == []


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_lock_is_an_error_and_stays(tmp_path: Path, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    if kind == "file":
        (tmp_path / LOCK).write_text("mine")
    else:
        (tmp_path / LOCK).symlink_to(victim)
    with pytest.raises(IngestError, match="can't be locked .*ingest_destination_lock: false"):
        take(lock(tmp_path, "a"), never)
    assert os.listdir(victim) == [] and os.path.lexists(tmp_path / LOCK)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"host": "\\u001b[31m", "lease": "x"}', "9" * 9000]
)
def test_an_entry_that_says_nonsense(tmp_path: Path, text: str) -> None:
    first = lock(tmp_path, "a")
    take(first, never)
    (tmp_path / LOCK / first.member.name).write_text(text)
    (tmp_path / LOCK / "something else").write_text(text)
    said = []

    def wait(reason: str) -> None:
        said.append(reason)
        first.leave()

    take(lock(tmp_path, "b"), wait)
    assert "is locked by another run" in said[0] and said[0].isprintable()


# ------------------------------------------------------------------------------- the keeper


def age_of(held: Lock) -> int:
    return held.entries()[held.member.name]


def test_the_keeper_shows_life_and_leaves(tmp_path: Path) -> None:
    held = lock(tmp_path, "a", lease=0.5)
    take(held, never)
    keeper = Keeper([held.destination], held.member)
    begun = age_of(held)
    until(lambda: age_of(held) != begun, "no sign of life")
    keeper.check()
    keeper.leave()
    assert os.listdir(tmp_path) == []


def test_a_keeper_that_is_silent_is_replaced_over_another_mount(tmp_path: Path) -> None:
    mounts = [tmp_path / name for name in ("1", "2", "3")]
    (tmp_path / "directory").mkdir()
    for mount in mounts:
        mount.symlink_to("directory")
    held = lock(mounts[0], "a", lease=1.0)
    take(held, never)
    keeper = Keeper([os.fsencode(mount) for mount in mounts], held.member)
    first = keeper._process.pid or 0
    os.kill(first, signal.SIGSTOP)
    until(lambda: keeper.check({os.fsencode(mounts[1])}) or keeper._process.pid != first, "silent")
    begun = age_of(held)
    until(lambda: keeper.check() or age_of(held) != begun, "no sign of life over another mount")
    assert keeper._number == 2, "a mount that is left out is not used"
    keeper.leave()
    assert os.listdir(tmp_path / "directory") == []


def test_a_keeper_whose_entry_is_gone_says_so(tmp_path: Path) -> None:
    held = lock(tmp_path, "a", lease=0.5)
    take(held, never)
    keeper = Keeper([held.destination], held.member)
    held.remove([held.member.name])
    with pytest.raises(IngestError, match="another run has taken the lock of"):
        until(keeper.check, "it does not notice")
    keeper.leave()


def test_the_keeper_ends_with_its_parent_and_stays_in(tmp_path: Path) -> None:
    """What the parent's workers still write is not free to others."""
    held = lock(tmp_path, "a", lease=0.5)
    take(held, never)
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        keeper = Keeper([held.destination], held.member)
        os.write(writer, b"%d" % (keeper._process.pid or 0))
        os.kill(os.getpid(), signal.SIGKILL)
    keeper_pid = int(os.read(reader, 20))
    os.waitpid(parent, 0)
    os.close(reader)
    os.close(writer)

    def gone() -> bool:
        try:
            with open(f"/proc/{keeper_pid}/stat", "rb") as stream:
                return stream.read().rpartition(b")")[2].split()[0] == b"Z"
        except OSError:
            return True

    until(gone, "the keeper outlives its parent")
    assert list(held.entries()) == [held.member.name]
