# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may pass is tried again, on this host and on another one; what may not is not."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Callable, Dict, Tuple

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client.runner import Runner
from ansible_collections.scaleout.ingest.plugins.module_utils.client.settings import Settings
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import HostState
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import queries, results
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, plan
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.tests.faults import mounts
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees
from ansible_collections.scaleout.ingest.tests.support.indexes import scan

MB = 1 << 20
ROUNDS = 4000  # a run that needs more hangs
Hosts = Dict[str, Tuple[bytes, bytes]]  # source and destination as each sees them


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Small files in two directories, a large one, two names of one file."""
    tree = tmp_path / "source"
    for number in range(60):
        folder = tree / f"d{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_bytes(b"%d" % number * 50)
    (tree / "large").write_bytes(os.urandom(3 * MB))
    os.link(tree / "d0" / "f0", tree / "d1" / "twin")
    (tmp_path / "target").mkdir()
    return tree


def ingest(
    source: Path,
    hosts: Hosts,
    retries: int = 2,
    meanwhile: Callable[[list[Runner]], object] = lambda runners: None,
    size: int = 1,
) -> PlanStore:
    """A run of these hosts, each with its own sight of both trees; ``size`` bytes are claimed at
    once. Returns its plan."""
    folder = source.parent
    scan(str(source), str(folder / "index"))
    limits = Limits(range_threshold=MB, range_size=MB, items=25)
    path = str(folder / "plan.db")
    plan(str(folder / "index"), path, list(hosts), "round_robin", limits=limits)
    store = PlanStore.open(path)
    players = {name: Dispatcher(store, name, 1e9) for name in hosts}
    runners = {
        name: Runner(Settings(where[0], where[1:], threads=2, chunk_files=10, retries=retries))
        for name, where in hosts.items()
    }
    for player in players.values():
        player.start()
    for _round in range(ROUNDS):
        for name, runner in runners.items():
            if not runner.busy:
                for header, payload in players[name].claim(size).claimed:
                    runner.add(header, payload)
            finished = runner.step(0.02)
            if finished:
                players[name].record(finished)
        meanwhile(list(runners.values()))
        if queries.is_done(store):
            break
    else:
        raise AssertionError("the run does not end")
    for name, player in players.items():
        player.end(HostState.DONE)
        runners[name].finish()
    return store


def failed(store: PlanStore) -> dict[bytes, set[int | None]]:
    """The errnos of what failed."""
    found: dict[bytes, set[int | None]] = {}
    for failure in results.failures(store, ()):
        found.setdefault(failure.path, set()).add(failure.errno)
    return found


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ETIMEDOUT])
def test_what_passes_is_no_failure(source: Path, tmp_path: Path, number: int) -> None:
    target = bytes(tmp_path / "target")
    with mounts.faultfs(bytes(source), bytes(tmp_path / "mount")) as faults:
        faults.rule(op="open", match="f7", errno=number, times=2)
        with ingest(source, {"one": (faults.path, target)}) as store:
            assert failed(store) == {}
            assert (
                1 <= results.retried(store) <= 2
            )  # the kernel itself opens once more after ESTALE
            assert results.done(store).files == 62
    assert compare_trees(bytes(source), target) == []


@pytest.mark.parametrize(
    "number, tries", [(errno.EIO, 3), (errno.EACCES, 1), (errno.ELOOP, 1), (errno.EMFILE, 1)]
)
def test_it_ends_and_nothing_else_is_tried(
    source: Path, tmp_path: Path, number: int, tries: int
) -> None:
    target = bytes(tmp_path / "target")
    with mounts.faultfs(bytes(source), bytes(tmp_path / "mount")) as faults:
        faults.rule(op="open", match="f7", errno=number)
        with ingest(source, {"one": (faults.path, target)}) as store:
            assert number in failed(store)[b"d1/f7"] and set(failed(store)) == {b"d1/f7"}
            copied = "SELECT sum(retried) FROM results r JOIN shards s ON s.id=r.shard "
            found = store.db.execute(copied + "WHERE s.kind='copy'").fetchone()
            assert found == (tries - 1,)


def test_space_that_is_made_is_used(source: Path, tmp_path: Path) -> None:
    with mounts.tiny(bytes(tmp_path / "small"), "6m") as target:
        blocker = os.path.join(os.path.dirname(target), b"small", b"blocker")
        with open(blocker, "wb") as file:
            file.write(bytes(5 * MB))
        seen: list[int] = []

        def make_room(runners: list[Runner]) -> None:
            waiting = sum(runner.waiting for runner in runners)
            if waiting and os.path.exists(blocker):
                seen.append(waiting)
                os.unlink(blocker)

        with ingest(source, {"one": (bytes(source), target)}, meanwhile=make_room) as store:
            assert failed(store) == {}
            assert seen and results.retried(store) >= 1
        assert compare_trees(bytes(source), target) == []


@pytest.mark.parametrize(
    "rule, kind",
    [({"op": "open", "match": "f*"}, "copy"), ({"op": "read", "match": "large"}, "range")],
)
def test_another_host_may_do_it(
    source: Path, tmp_path: Path, rule: dict[str, object], kind: str
) -> None:
    """What one host can't read, whatever it tries, the other one can. It does no more than that:
    what the first has copied is not looked at again."""
    target = bytes(tmp_path / "target")
    with mounts.faultfs(bytes(source), bytes(tmp_path / "mount")) as faults:
        faults.rule(errno=errno.EIO, **rule)
        hosts = {"one": (faults.path, target), "two": (bytes(source), target)}
        # Or the other one takes it over before this one has tried.
        size = 1 << 20 if kind == "copy" else 1
        with ingest(source, hosts, retries=1, size=size) as store:
            assert failed(store) == {}
            query = "SELECT kind, tries, lines FROM shards WHERE tries>0 AND kind<>'verify'"
            tried = store.db.execute(query).fetchall()
            assert {(each, tries) for each, tries, _lines in tried} == {(kind, 1)}
            assert all(set(lines) <= set("0123") for _kind, _tries, lines in tried)
            done = results.done(store)
            # Of a large file all that its worker was handed at once is copied again.
            assert done.files == 62 and done.bytes >= sum_of(source)
            assert results.checked(store).failed == 0
    assert compare_trees(bytes(source), target) == []


def test_a_second_pass_is_done_by_another_host(source: Path, tmp_path: Path) -> None:
    """The destination can't be looked at from one host, when the copy is done."""
    target = tmp_path / "target"
    with mounts.faultfs(bytes(target), bytes(tmp_path / "mount")) as faults:
        hosts = {"one": (bytes(source), faults.path), "two": (bytes(source), bytes(target))}
        told: list[bool] = []

        def fail(runners: list[Runner]) -> None:
            with PlanStore.open(str(tmp_path / "plan.db"), readonly=True) as seen:
                begun = "SELECT 1 FROM shards WHERE kind='verify' AND claimed LIMIT 1"
                if not told and seen.db.execute(begun).fetchone():
                    told.append(True)
                    faults.rule(op="opendir", match="d*", errno=errno.EIO)
                    faults.rule(op="getattr", match="f*", errno=errno.EIO)

        with ingest(source, hosts, retries=1, meanwhile=fail) as store:
            assert failed(store) == {}
            assert told
    assert compare_trees(bytes(source), bytes(target)) == []


def sum_of(tree: Path) -> int:
    """Bytes in it, of each file once."""
    found = {path.stat().st_ino: path.stat().st_size for path in tree.rglob("*") if path.is_file()}
    return sum(found.values())
