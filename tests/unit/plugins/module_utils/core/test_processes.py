# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes: they end when they should, say why, and nothing waits for what never comes."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.processes import (
    Crew,
    Ended,
    Line,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.task_pool import TaskPool


@pytest.fixture(name="crew")
def _crew() -> Iterator[Crew]:
    crew = Crew()
    yield crew
    crew.close()


def serving(act: Callable[[Any], object], threads: int = 1) -> Callable[[Line], None]:
    """What a process does that answers each message with what ``act`` makes of it."""

    def main(line: Line) -> None:
        def serve() -> None:
            while True:
                line.tell(act(line.receive()))

        line.listen()
        line.share(serve, threads)

    return main


def gone(pid: int, seconds: float = 20.0) -> bool:
    """Whether a process ends within some seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
                if stream.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_each_member_has_its_own_arguments(crew: Crew) -> None:
    members = {crew.add(serving(lambda number, n=n: n * number)): n for n in range(1, 4)}
    for member in members:
        assert member.send(7)
    assert {member.receive(): n for member, n in members.items()} == {7: 1, 14: 2, 21: 3}


@pytest.mark.parametrize("threads", [1, 3])
def test_messages_larger_than_any_pipe_pass_each_other(crew: Crew, threads: int) -> None:
    member = crew.add(serving(lambda data: data[::-1], threads))
    sent = [bytes([n]) * 3_000_000 for n in range(20)]
    for data in sent:  # nothing is received meanwhile
        member.send(data)
    assert sorted(member.receive() for dummy in sent) == sent


def test_threads_work_at_the_same_time_and_share_what_one_gets(crew: Crew) -> None:
    def main(line: Line) -> None:
        together = threading.Barrier(2)

        def serve() -> None:
            while True:
                message = line.receive()
                if isinstance(message, list):
                    for part in message:
                        line.pass_on(part)
                else:
                    together.wait(20)
                    line.tell(message)

        line.share(serve, 2)

    member = crew.add(main)
    member.send([1, 2, 3, 4])
    assert sorted(member.receive() for dummy in range(4)) == [1, 2, 3, 4]


def test_a_member_that_is_killed_is_seen_by_its_end(crew: Crew) -> None:
    members = [crew.add(serving(lambda message: message)) for dummy in range(3)]
    os.kill(members[1].pid, signal.SIGKILL)
    assert crew.wait(20) == [members[1]]
    with pytest.raises(Ended, match=r"a worker process died \(signal 9\) before its work was done"):
        members[1].receive()
    crew.remove(members[1])
    assert crew.members == [members[0], members[2]]
    new = crew.add(serving(lambda message: message))
    assert new.send("there") and new.receive() == "there"


@pytest.mark.parametrize("threads", [1, 3])
def test_what_is_raised_ends_the_process_and_is_told(crew: Crew, threads: int) -> None:
    member = crew.add(serving(lambda number: 1 // number, threads))
    member.send(0)
    with pytest.raises(Ended, match=r"failed: ZeroDivisionError: .* \(test_processes.py, line \d+"):
        member.receive()
    assert gone(member.pid)
    for dummy in range(100):  # sooner or later the pipe has no reader
        member.send(b"x" * 100_000)
    with pytest.raises(Ended):
        member.receive()


def test_a_clear_sentence_of_a_worker_stays_as_it_is(crew: Crew) -> None:
    def main(line: Line) -> None:
        raise IngestError("the disk is full")

    with pytest.raises(IngestError) as caught:
        crew.add(main).receive()
    assert str(caught.value) == "the disk is full"


def test_a_stopped_member_does_not_hold_up_the_end(crew: Crew) -> None:
    stopped = crew.add(serving(lambda message: message))
    os.kill(stopped.pid, signal.SIGSTOP)
    crew.add(serving(lambda message: message))
    crew.finish(0.1)
    assert not crew.members
    assert gone(stopped.pid)


def test_workers_end_with_their_parent() -> None:
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            crew = Crew()
            pids = []
            for n in range(3):
                member = crew.add(serving(time.sleep, n + 1))
                member.send(1000)  # busy, and will not look at its pipe
                pids.append(member.pid)
            os.write(writer, " ".join(map(str, pids)).encode())
            time.sleep(1000)
        finally:
            os._exit(0)
    workers = [int(pid) for pid in os.read(reader, 100).split()]
    os.close(reader)
    os.close(writer)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert len(workers) == 3
    assert all(gone(pid) for pid in workers)


def test_a_worker_leaves_the_terminal_alone_and_obeys_only_its_parent(crew: Crew) -> None:
    def state(_message: object) -> tuple[object, ...]:
        return (
            os.readlink("/proc/self/fd/0"),
            signal.getsignal(signal.SIGINT),
            signal.getsignal(signal.SIGTERM),
        )

    old = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        member = crew.add(serving(state))
    finally:
        signal.signal(signal.SIGTERM, old)
    member.send(None)
    assert member.receive() == ("/dev/null", signal.SIG_IGN, signal.SIG_DFL)


@pytest.mark.parametrize("crew_size", [(1, 1), (3, 1), (2, 4)])
def test_a_pool_does_every_task_once(crew_size: tuple[int, int]) -> None:
    """A tree of numbers: each has two below it."""

    def batch(tasks: list[tuple[Any, ...]]) -> list[tuple[int, list[tuple[int]]]]:
        return [(n, [(2 * n,), (2 * n + 1,)] if n < 500 else []) for (n,) in tasks]

    waiting: list[tuple[Any, ...]] = [(1,)]
    done: list[int] = []

    def take(report: list[tuple[int, list[tuple[int]]]]) -> None:
        for number, more in report:
            done.append(number)
            waiting.extend(more)

    pool = TaskPool(crew_size, lambda: batch)
    try:
        pool.drain(lambda: [waiting.pop() for dummy in range(min(3, len(waiting)))], take)
    finally:
        pool.close()
    assert sorted(done) == list(range(1, 1000))


def test_a_pool_says_that_a_worker_died() -> None:
    pool = TaskPool((2, 1), lambda: lambda tasks: os.kill(os.getpid(), signal.SIGKILL))
    try:
        with pytest.raises(IngestError, match=r"worker process died \(signal 9\)"):
            pool.drain(lambda: [(1,)], lambda report: None)
    finally:
        pool.close()
