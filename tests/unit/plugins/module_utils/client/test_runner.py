# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workers of one client: real processes, killed and stopped for real."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client.line_operations import (
    OPERATIONS,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.client.messages import Fewer
from ansible_collections.scaleout.ingest.plugins.module_utils.client.pacing import Pacing
from ansible_collections.scaleout.ingest.plugins.module_utils.client.runner import Runner
from ansible_collections.scaleout.ingest.plugins.module_utils.client.settings import Settings
from ansible_collections.scaleout.ingest.plugins.module_utils.core.allowance import Allowance
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import (
    Closing,
    Failure,
    ShardResult,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import want_of
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.shards import Header
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.module_utils.report.series import throughput
from ansible_collections.scaleout.ingest.tests.faults import mounts

FILES = 400


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """A source of many files, and an empty destination."""
    source, target = tmp_path / "source", tmp_path / "target"
    for number in range(FILES):
        folder = source / ("folder%d" % (number % 7))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ("file%d" % number)).write_bytes(b"%d" % number * 100)
    target.mkdir()
    return source, target


def shard(
    source: Path, number: int = 1, mount: int = 0, names: list[str] | None = None
) -> tuple[Header, bytes]:
    lines = []
    for folder in sorted(os.listdir(source)):
        rows = []
        for name in sorted(names or os.listdir(source / folder)):
            found = os.lstat(source / folder / name)
            rows.append(shards.CopyRow(os.fsencode(name), want_of(found)).encode())
        lines.append(shards.line(os.fsencode(folder), rows, 0))
    return Header(number, "copy", "", mount), shards.pack(lines)


def run(runner: Runner, between: Callable[[], Any] = lambda: None) -> list[ShardResult]:
    finished: list[ShardResult] = []
    for _round in range(2000):
        finished += runner.step(0.05)
        if not runner.busy:
            return finished
        between()
    raise AssertionError("the runner does not end")


def total(finished: list[ShardResult], name: str) -> int:
    return sum(getattr(counts, name) for entry in finished for counts, _s in entry.mounts.values())


@pytest.mark.parametrize("processes, threads", [(1, 1), (2, 1), (1, 4), (3, 2)])
def test_every_entry_once(trees: tuple[Path, Path], processes: int, threads: int) -> None:
    source, target = trees
    runner = Runner(Settings(bytes(source), (bytes(target),), processes=processes, threads=threads))
    runner.add(*shard(source))
    finished = run(runner)
    runner.finish()
    assert [entry.shard for entry in finished] == [1]
    assert total(finished, "files") == FILES == runner.ledger.files
    assert finished[0].failures == []
    for folder in os.listdir(source):
        for name in os.listdir(source / folder):
            assert (target / folder / name).read_bytes() == (source / folder / name).read_bytes()


@pytest.mark.parametrize("threads, listings", [(4, 7), (1, 0)])
def test_a_server_is_asked_once_where_all_of_a_directory_is(
    trees: tuple[Path, Path], tmp_path: Path, threads: int, listings: int
) -> None:
    """By the first who copies from it, for all of this host, however many shards have some of it;
    but not for a few entries."""
    source, target = trees
    (source / "few").mkdir()
    for number in range(3):
        (source / "few" / str(number)).write_bytes(b"few")
    with mounts.faultfs(bytes(source), bytes(tmp_path / "mount"), remember=60) as faults:
        runner = Runner(Settings(faults.path, (bytes(target),), processes=2, threads=threads))
        header, data = shard(source)
        faults.clear()
        runner.add(header, data)
        finished = run(runner)
        runner.add(header._replace(id=2), data)
        finished += run(runner)
        runner.finish()
        assert faults.calls()["opendir"] == listings
    assert sum(len(entry.failures) for entry in finished) == 0
    assert total(finished, "files") == FILES + 3


def test_the_work_of_a_killed_worker_is_done_by_another(trees: tuple[Path, Path]) -> None:
    source, target = trees
    runner = Runner(Settings(bytes(source), (bytes(target),), processes=2))
    runner.add(*shard(source))
    killed: list[int] = []

    def kill() -> None:
        if not killed:
            victim = runner._workers[0].member.pid
            assert victim
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    runner.step(0.0)
    kill()
    finished = run(runner)
    runner.finish()
    assert killed and not finished[0].failures
    assert sum(len(os.listdir(target / folder)) for folder in os.listdir(target)) == FILES


def test_a_mount_that_does_not_answer_is_left_out(trees: tuple[Path, Path], tmp_path: Path) -> None:
    """A stopped process stands for one that hangs in a dead mount: it says nothing either."""
    source, target = trees
    other = tmp_path / "other"
    other.symlink_to(target)
    runner = Runner(Settings(bytes(source), (bytes(target), bytes(other)), processes=2), stall=0.5)
    hanging = [worker.member.pid for worker in runner._workers if worker.mount == bytes(other)]
    for pid in hanging:
        os.kill(pid or 0, signal.SIGSTOP)
    runner.add(*shard(source, 1, 0))
    runner.add(*shard(source, 2, 1))
    finished = run(runner)
    runner.finish()
    assert list(runner.left_out) == [bytes(other)]
    assert runner.left_out[bytes(other)].mount == str(other)
    assert sorted(entry.shard for entry in finished) == [1, 2]
    assert not any(entry.failures for entry in finished)
    assert sum(len(os.listdir(target / folder)) for folder in os.listdir(target)) == FILES


def test_no_mount_answers(trees: tuple[Path, Path]) -> None:
    source, target = trees
    runner = Runner(Settings(bytes(source), (bytes(target),)), stall=0.2)
    os.kill(runner._workers[0].member.pid or 0, signal.SIGSTOP)
    runner.add(*shard(source))
    with pytest.raises(
        IngestError, match="no mount can be used: .*target .nothing was done over it for 1 s"
    ):
        run(runner)
    runner.close()


def test_a_destination_that_can_t_be_opened(trees: tuple[Path, Path]) -> None:
    source, target = trees
    runner = Runner(Settings(bytes(source), (bytes(target) + b"/missing",)))
    runner.add(*shard(source))
    with pytest.raises(IngestError, match="no mount can be used: .*missing"):
        run(runner)
    runner.close()


def test_many_long_names_and_many_failures_go_through_the_pipes(tmp_path: Path) -> None:
    """More text both ways than a pipe holds: nobody may wait for the other."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "folder").mkdir(parents=True)
    target.mkdir()
    names = ["\udcff" * 240 + "%04d" % number for number in range(600)]
    for name in names:
        (source / "folder" / name).touch()
    data = [shard(source, number) for number in range(1, 5)]
    for name in names:
        (source / "folder" / name).unlink()
    runner = Runner(Settings(bytes(source), (bytes(target),)))
    for entry in data:
        runner.add(*entry)
    finished = run(runner)
    runner.finish()
    assert len(finished) == 4
    assert total(finished, "failed") == 2400 == sum(len(entry.failures) for entry in finished)


def test_live_bytes_never_run_backwards(tmp_path: Path) -> None:
    """One worker in a large file, the other in many small ones."""
    source, target = tmp_path / "source", tmp_path / "target"
    for folder, count, size in (("large", 1, 64 << 20), ("small", 500, 64 << 10)):
        (source / folder).mkdir(parents=True)
        for number in range(count):
            (source / folder / f"file{number}").write_bytes(os.urandom(1024) * (size >> 10))
    target.mkdir()
    settings = Settings(
        bytes(source), (bytes(target),), processes=2, allowance=Allowance(64e6), chunk_files=32
    )
    runner = Runner(settings)
    runner.add(*shard(source))
    samples: list[list[float]] = []

    def note() -> None:
        samples.append([time.time(), runner.ledger.files, runner.ledger.live_bytes, 2])

    run(runner, note)
    note()
    runner.finish()
    live = [sample[2] for sample in samples]
    assert live == sorted(live) and len(set(live)) > 3
    assert live[-1] == runner.ledger.bytes == (64 << 20) + 500 * (64 << 10)
    with PlanStore.create(str(tmp_path / "plan.db")) as store:
        Dispatcher(store, "host", 60.0).record_run(Closing(samples, [], {}))
        _width, series = throughput(store)
    assert sum(series[0].bytes) == pytest.approx(runner.ledger.bytes)


def threads_of(pid: int) -> int:
    """How many of a worker's threads take chunks; one more only receives."""
    return len(os.listdir(f"/proc/{pid}/task")) - 1


def test_workers_come_and_go_between_two_chunks(
    trees: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = trees
    for number in range(150):
        (source / f"more{number}").mkdir()
        (source / f"more{number}" / "file").write_bytes(b"x" * number)
    wanted = [9, 1, 12, 2, 5]
    monkeypatch.setattr(
        Pacing,
        "numbers",
        lambda _pacing: (
            {bytes(target): wanted.pop(0)} if wanted and chance.random() < 0.3 else None
        ),
    )
    chance = random.Random(3)
    settings = Settings(
        bytes(source), (bytes(target),), processes=2, threads=2, chunk_files=3, most=16
    )
    runner = Runner(settings)
    assert runner.workers == 4
    runner.add(*shard(source))
    finished = run(runner)
    while wanted:
        runner.step(0.01)
    assert runner.workers == 5
    # All chunks once, whoever came and went; and none was killed.
    assert total(finished, "files") == FILES + 150 and total(finished, "skipped") == 0
    assert not [failure for entry in finished for failure in entry.failures]
    until = time.monotonic() + 20
    pids = [worker.member.pid for worker in runner._workers]
    # The last one that ends stays, and takes no chunk.
    while sum(map(threads_of, pids)) > 7 and time.monotonic() < until:
        time.sleep(0.01)
    assert 5 <= sum(map(threads_of, pids)) <= 7
    runner.finish()


def test_a_worker_that_dies_is_replaced_by_one_of_as_many_threads(
    trees: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = trees
    wanted = [6]
    monkeypatch.setattr(
        Pacing, "numbers", lambda _pacing: {bytes(target): wanted.pop()} if wanted else None
    )
    runner = Runner(
        Settings(bytes(source), (bytes(target),), processes=1, threads=2, chunk_files=3, most=8)
    )
    runner.add(*shard(source))
    runner.step(0.0)
    assert runner.workers == 6
    os.kill(runner._workers[0].member.pid, signal.SIGKILL)
    assert total(run(runner), "files") == FILES
    assert runner.workers == 6
    runner.finish()


def test_no_fewer_than_one_thread(trees: tuple[Path, Path]) -> None:
    source, target = trees
    runner = Runner(Settings(bytes(source), (bytes(target),), threads=2, most=8))
    member = runner._workers[0].member
    for _message in range(5):
        member.send(Fewer())
    runner.add(*shard(source))
    assert total(run(runner), "files") == FILES
    runner.finish()


def test_nothing_of_a_crashed_chunk_reaches_the_next(
    trees: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = trees
    real = OPERATIONS["copy"]

    def crashing(session: Any, directory: bytes, rows: list[Any]) -> None:
        real(session, directory, rows)
        if directory == b"folder0":
            session.losses.add("owner", directory, "not his")
            session.failures.append(Failure(directory, "copy", 1, "not its"))
            raise KeyError("a defect")

    monkeypatch.setitem(OPERATIONS, "copy", crashing)
    runner = Runner(Settings(bytes(source), (bytes(target),), chunk_files=1))
    runner.add(*shard(source))
    (result,) = run(runner)
    runner.finish()
    there = len(os.listdir(source / "folder0"))
    assert {failure.message for _mount, failure in result.failures} == {"KeyError: 'a defect'"}
    assert total([result], "failed") == len(result.failures) == there
    assert total([result], "files") == FILES - there
    assert not runner.ledger.losses.kinds


def test_a_second_pass_that_may_not_repair_sees_to_it_that_the_next_run_does(
    trees: tuple[Path, Path],
) -> None:
    source, target = trees
    one, count = shard(source), total
    header, data = one
    check = header._replace(id=2, kind="verify", of="copy")
    name = Path("folder0") / "file0"

    def go(*pieces: tuple[Header, bytes], **more: Any) -> list[ShardResult]:
        runner = Runner(Settings(bytes(source), (bytes(target),), digests=True, **more))
        for piece in pieces:
            runner.add(*piece)
        finished = run(runner)
        runner.finish()
        return finished

    def corrupt() -> None:
        found = os.stat(target / name)
        (target / name).write_bytes(b"X" * found.st_size)
        os.utime(target / name, ns=(found.st_atime_ns, found.st_mtime_ns))

    assert count(go(one), "files") == FILES
    corrupt()
    assert count(go(one), "changed") == 0  # it looks complete
    (found,) = go((check, data))
    ((_mount, failure),) = found.failures
    assert failure.path == bytes(name) and "has other contents, and was marked" in failure.message
    assert count(go(one), "files") == 1
    assert (target / name).read_bytes() == (source / name).read_bytes()
    assert not go((check, data))[0].failures

    os.link(target / name, target / "further name")
    corrupt()
    assert len(go((check, data), repair=True)[0].failures) == 1  # the other name would stay wrong
    (target / "further name").unlink()
    corrupt()
    (target / "folder1" / "file1").unlink()
    for folder in ("folder0", "folder1", ""):
        os.utime(target / folder, ns=(0, os.stat(source / folder).st_mtime_ns))
    repaired = go((check, data), repair=True)
    assert not repaired[0].failures
    assert (count(repaired, "repaired"), count(repaired, "files")) == (2, 0)
    assert (target / name).read_bytes() == (source / name).read_bytes()
    assert (target / "folder1" / "file1").exists()
    for folder in ("folder0", "folder1", ""):
        # Their times may have been checked already.
        assert os.stat(target / folder).st_mtime_ns == os.stat(source / folder).st_mtime_ns


def test_what_is_there_is_listed_ahead_unless_the_scan_has_compared(
    trees: tuple[Path, Path], tmp_path: Path
) -> None:
    source, target = trees
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
    listings = {}
    for compared in (False, True):
        place = tmp_path / f"mount{compared}"
        with mounts.faultfs(bytes(target), bytes(place), remember=60) as faults:
            settings = Settings(bytes(source), (bytes(place),), threads=2, compared=compared)
            runner = Runner(settings)
            runner.add(*shard(source))
            faults.clear()
            assert total(run(runner), "skipped") == FILES
            runner.finish()
            listings[compared] = faults.calls().get("opendir", 0)
    # Each folder once, by one of the threads; each of these lists the root as it starts.
    assert listings[False] >= 7 > 2 >= listings[True]
