# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that grows comes to what a plan that is made at once comes to, whoever dies on the way."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Iterator, Sequence

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client.runner import Runner
from ansible_collections.scaleout.ingest.plugins.module_utils.client.settings import Settings
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.overlap import piece_work
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import queries
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.growing import FOLDER, Scans
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, plan
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.module_utils.provision.alone import serve
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.options import Comparing
from ansible_collections.scaleout.ingest.tests.support import growing, plans, trees
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees
from ansible_collections.scaleout.ingest.tests.support.indexes import all_rows, noted, scan

HOSTS = ("a", "b")
LIMITS = Limits(items=7, range_threshold=1 << 16, range_size=1 << 16)


@pytest.fixture(autouse=True)
def _stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """What compares works in the directories that it looks at."""
    monkeypatch.chdir(os.getcwd())


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "destination").mkdir()
    yield tmp_path
    trees.remove(os.fsencode(tmp_path / "source"))
    trees.remove(os.fsencode(tmp_path / "destination"))


@pytest.fixture(name="small", autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a few directories."""
    monkeypatch.setattr(piece_work, "ENTRIES", 5)


def hostile(place: Path) -> bytes:
    source = os.fsencode(place / "source")
    trees.build(source, trees.hostile() + trees.flat(50))
    (place / "source" / "big").write_bytes(b"large" * 60_000)
    return source


def staged(place: Path, source: bytes, **options: Any) -> str:
    """The index of a scan by one host."""
    folder = str(place / "staged" / "index")
    scan(source, folder, workers=1, **options)
    return folder


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"exclude": [b"*1*", b"/hard*/"], "include": [b"*11*"]},
        {"globs": [b"[a-h]*", b"s*/*", b"nothing*/x"]},
        {"one_file_system": True, "threads": 3},
    ],
)
def test_index_is_that_of_one_scan(place: Path, options: dict[str, Any]) -> None:
    source = hostile(place)
    run = str(place / "run")
    path = growing.start(run, source, os.fsencode(place / "destination"), **options)
    growing.scan_all(run, path)
    with PlanStore.open(path) as store:
        pieces = store.db.execute("SELECT count(*) FROM shards WHERE kind='scan'").fetchone()[0]
    assert pieces > 3
    expected = staged(place, source, **options)
    assert all_rows(os.path.join(run, "index")) == all_rows(expected)
    assert noted(os.path.join(run, "index")) == noted(expected)
    assert not os.path.exists(os.path.join(run, FOLDER))


@pytest.mark.parametrize("split", ["round_robin", "dynamic"])
@pytest.mark.parametrize("depths", [(None, None), (1, 2)])
def test_everything_is_planned_once(place: Path, split: str, depths: tuple[Any, Any]) -> None:
    if split == "round_robin" and depths[0]:
        depths = (None, None)
    source = hostile(place)
    run = str(place / "run")
    path = growing.start(
        run,
        source,
        os.fsencode(place / "destination"),
        split=split,
        limits=LIMITS,
        min_depth=depths[0],
        max_depth=depths[1],
    )
    growing.scan_all(run, path)
    other = str(place / "other.db")
    destinations = [os.fsdecode(place / "destination")]
    done = plan(
        staged(place, source), other, HOSTS, split, *depths, LIMITS, destinations=destinations
    )
    assert plans.paths(path) == plans.paths(other)
    with PlanStore.open(path) as store:
        known = store.meta()
        assert (known["files"], known["bytes"]) == (done.files, done.bytes)
        assert (known["directories"], known["items"]) == (done.directories, done.items)
        assert known["right"] == done.right
        assert not known["grows"]


def copy(place: Path, path: str, **options: Any) -> None:
    """Do what the plan has by now."""
    destination = os.fsencode(place / "destination")
    settings = Settings(os.fsencode(place / "source"), (destination,), processes=1, **options)
    with PlanStore.open(path) as store:
        serve(Dispatcher(store, "a", 60.0), Runner(settings))


def overlapped(place: Path, source: bytes, **options: Any) -> tuple[str, str]:
    """A run that copies between pieces; its folder and its plan."""
    run = str(place / ("run%d" % len(os.listdir(place))))
    path = growing.start(run, source, os.fsencode(place / "destination"), limits=LIMITS, **options)
    with PlanStore.open(path) as store:
        for host in HOSTS * 3:
            growing.scanned(store, host, run)
    copy(place, path)
    growing.scan_all(run, path)
    copy(place, path)
    return run, path


def test_copy_is_as_the_source(place: Path) -> None:
    source = hostile(place)
    dummy, path = overlapped(place, source)
    with PlanStore.open(path) as store:
        assert queries.is_done(store)
        assert store.db.execute("SELECT path, message FROM failures").fetchall() == []
    assert compare_trees(source, os.fsencode(place / "destination")) == []


@pytest.mark.parametrize("verify", ["none", "metadata", "checksum"])
def test_what_is_equal_is_not_planned(place: Path, verify: str) -> None:
    source = hostile(place)
    overlapped(place, source)
    (place / "source" / "new").mkdir()
    (place / "source" / "new" / "one").write_text("new")
    os.link(place / "source" / "new" / "one", place / "source" / "another")
    changed = next(place.joinpath("source").glob("big"))
    changed.write_bytes(b"other" * 60_000)
    destination = os.fsencode(place / "destination")
    run = str(place / "again")
    path = growing.start(run, source, destination, compare=True, verify=verify, limits=LIMITS)
    growing.scan_all(run, path)
    expected = staged(place, source, compare=Comparing(destination))
    assert all_rows(os.path.join(run, "index")) == all_rows(expected)
    assert noted(os.path.join(run, "index")) == noted(expected)
    other = str(place / "other.db")
    done = plan(
        expected,
        other,
        HOSTS,
        "dynamic",
        limits=LIMITS,
        verify=verify,
        destinations=[os.fsdecode(destination)],
    )
    assert plans.paths(path) == plans.paths(other)
    with PlanStore.open(path) as store:
        assert store.meta()["right"] == done.right
        assert store.meta()["compared"]
    copy(place, path, digests=verify == "checksum")
    assert compare_trees(source, destination) == []


def test_nothing_is_compared_with_what_this_run_has_copied(place: Path) -> None:
    source = hostile(place)
    dummy, path = overlapped(place, source, compare=True)
    with PlanStore.open(path) as store:
        assert not store.meta()["compared"]
        right = store.meta()["right"]
        assert (right["files"], right["directories"]) == (0, 0)
    assert compare_trees(source, os.fsencode(place / "destination")) == []


def test_globs_that_match_nothing_are_named(place: Path) -> None:
    source = hostile(place)
    run = str(place / "run")
    path = growing.start(run, source, os.fsencode(place / "destination"), globs=[b"x*y", b"z/*"])
    with pytest.raises(IngestError, match=r"nothing in '.*source' matches 'x\*y', 'z/\*'"):
        growing.scan_all(run, path)


def dump(path: str) -> list[str]:
    db = sqlite3.connect(path)
    lines = list(db.iterdump())
    db.close()
    return lines


def packed(place: Path, host: str, run: str, store: PlanStore) -> tuple[Scans, int, str]:
    """A host has scanned, and nothing is recorded yet."""
    known = store.meta()
    folder = str(place / ("of-" + host))
    os.makedirs(folder, exist_ok=True)
    work = piece_work.ScanWork.of(known, known["source"], known["destinations"][0], folder)
    scans = Scans(store, host)
    ((header, data),) = scans.claim(1)
    found = piece_work.do(piece_work.Task(header.id, data), work)
    return scans, header.id, os.path.join(folder, found.name)


def test_what_was_taken_away_counts_for_nothing(place: Path) -> None:
    source = hostile(place)
    run = str(place / "run")
    path = growing.start(run, source, os.fsencode(place / "destination"))
    with PlanStore.open(path) as store:
        late, shard, pack = packed(place, "a", run, store)
        Dispatcher(store, "a", 60.0).end("dead")
        assert growing.scanned(store, "b", run) == 1
        before = dump(path)
        assert not growing.bring(late, shard, pack, run)
        assert dump(path) == before
    growing.scan_all(run, path)
    assert all_rows(os.path.join(run, "index")) == all_rows(staged(place, source))


def test_half_a_result_leaves_nothing(place: Path) -> None:
    source = hostile(place)
    run = str(place / "run")
    path = growing.start(run, source, os.fsencode(place / "destination"))
    with PlanStore.open(path) as store:
        scans, shard, pack = packed(place, "a", run, store)
        found = str(place / "of-a" / "half.db")
        shutil.unpack_archive(pack, str(place / "of-a"), "gztar")
        shutil.copy(place / "of-a" / "plan.db", found)
        half = sqlite3.connect(found)
        half.execute("DROP TABLE vanished")  # the last one
        half.execute("CREATE TABLE vanished(other)")
        half.commit()
        half.close()
        before = dump(path)
        with pytest.raises(sqlite3.Error):
            scans.record(shard, found, "half.db")
        assert dump(path) == before
        assert growing.bring(scans, shard, pack, run)


@pytest.mark.parametrize("seed", range(12))
def test_hosts_that_die_lose_nothing(place: Path, seed: int) -> None:
    """Hosts claim, finish, die before they have said what they found, and come again."""
    chance = random.Random(seed)
    source = os.fsencode(place / "source")
    trees.build(source, trees.flat(40))
    (place / "source" / "big").write_text("many names")
    for number in range(12):
        folder = place / "source" / ("d%d" % chance.randrange(4)) / ("e%d" % number)
        folder.mkdir(parents=True)
        for name in range(chance.randrange(6)):
            (folder / str(name)).write_text(str(name))
    for number in range(3):
        os.link(place / "source" / "big", folder / ("name%d" % number))
    run = str(place / "run")
    hosts: Sequence[str] = ("a", "b", "c")
    path = growing.start(run, source, os.fsencode(place / "destination"), hosts=hosts)
    with PlanStore.open(path) as store:
        under_way: dict[str, tuple[Scans, int, str]] = {}
        for _step in range(400):
            host = chance.choice(hosts)
            if host in under_way:
                held = [shard for _scans, shard, _pack in under_way.values()]
                assert len(set(held)) == len(held)
                scans, shard, pack = under_way.pop(host)
                if chance.random() < 0.3:
                    Dispatcher(store, host, 60.0).start()  # it was killed, and begins again
                    if chance.random() < 0.5:  # a word from before comes late
                        assert not growing.bring(scans, shard, pack, run)
                else:
                    assert growing.bring(scans, shard, pack, run)
            elif Scans(store, host).left():
                if store.db.execute(
                    "SELECT 1 FROM shards WHERE kind='scan' AND state='pending'"
                ).fetchone():
                    under_way[host] = packed(place, host, run, store)
                elif Scans(store, host).claim_gathering():
                    Dispatcher(store, host, 60.0).start()
                    break
        else:
            pytest.fail("it does not end")
    growing.scan_all(run, path, hosts)
    assert all_rows(os.path.join(run, "index")) == all_rows(staged(place, source))
    other = str(place / "other.db")
    plan(os.path.join(run, "index"), other, hosts, "dynamic", destinations=["x"])
    assert plans.paths(path) == plans.paths(other)
