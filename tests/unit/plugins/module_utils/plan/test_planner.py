# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of real trees against the article's own commands and against arithmetic."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE, Phase
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import shards
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import (
    Limits,
    plan,
    range_length,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.options import Comparing
from ansible_collections.scaleout.ingest.tests.support import plans
from ansible_collections.scaleout.ingest.tests.support.indexes import scan

SMALL = Limits(items=5, range_threshold=0)


def tree(folder: Path, seed: int = 1) -> Path:
    """Some hundred files of sizes that differ widely, five levels deep."""
    source = folder / "source"
    rng = random.Random(seed)
    for number in range(300):
        parts = ["d%d" % rng.randrange(3) for _level in range(rng.randrange(5))]
        where = source.joinpath(*parts)
        where.mkdir(parents=True, exist_ok=True)
        size = int(10 ** rng.uniform(0, 6))
        with open(where / ("file%03d" % number), "wb") as file:
            file.truncate(size)
    return source


def make(
    folder: Path,
    source: Path,
    hosts: list[str],
    split: str = "round_robin",
    limits: Limits = SMALL,
    **more: Any,
) -> Any:
    scan(str(source), str(folder / "index"))
    path = str(folder / "plan.db")
    return plan(str(folder / "index"), path, hosts, split, limits=limits, **more), PlanStore.open(
        path
    ).db


def rows(db: Any, where: str) -> list[tuple[Any, ...]]:
    """(host, path, row) of the shards that match, in the order of the plan."""
    found = []
    query = (
        "SELECT host, kind, payload FROM shards JOIN payloads ON shard=id "
        f"WHERE {where} ORDER BY id"
    )
    for host, kind, data in db.execute(query):
        for _files, _bytes, body in shards.unpack(data):
            directory, entries = shards.read_line(kind, body)
            found += [(host, shards.path_of(directory, entry), entry) for entry in entries]
    return found


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_round_robin_is_sed(tmp_path: Path, count: int) -> None:
    source = tree(tmp_path)
    hosts = ["host%d" % number for number in range(1, count + 1)]
    _done, everything = make(tmp_path, source, ["all"])
    order = [path for _host, path, _row in rows(everything, "kind='copy'")]
    manifest = tmp_path / "manifest"
    manifest.write_bytes(b"".join(path + b"\n" for path in order))
    done, db = make(tmp_path, source, hosts)
    assert done.items == len(order) == 300
    for number, host in enumerate(hosts, 1):
        wanted = subprocess.run(
            ["sed", "-n", "%d~%dp" % (number, count), str(manifest)],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout.splitlines()
        assert [path for _host, path, _row in rows(db, f"kind='copy' AND host='{host}'")] == wanted


@pytest.mark.parametrize("depths", [(None, None), (4, 4), (2, 2), (1, 3), (3, None)])
@pytest.mark.parametrize("split", ["round_robin", "balanced", "dynamic"])
def test_nothing_is_lost_or_planned_twice(
    tmp_path: Path, depths: tuple[int | None, int | None], split: str
) -> None:
    source = tree(tmp_path)
    (source / "empty" / "below").mkdir(parents=True)
    os.symlink("nowhere", source / "link")
    _done, db = make(tmp_path, source, ["a", "b"], split, min_depth=depths[0], max_depth=depths[1])
    listed = subprocess.run(
        ["find", ".", "-mindepth", "1", "!", "-type", "d", "-print0"],
        cwd=source,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.split(b"\0")[:-1]
    planned = [path for _host, path, _row in rows(db, "kind='copy'") if path != b"empty/below"]
    assert sorted(planned) == sorted(path[2:] for path in listed)
    directories = subprocess.run(
        ["find", ".", "-type", "d", "-print0"], cwd=source, stdout=subprocess.PIPE, check=True
    ).stdout.split(b"\0")[:-1]
    assert sorted(path for _host, path, _row in rows(db, "kind='directories'")) == sorted(
        path[2:] for path in directories
    )


@pytest.mark.parametrize("count", [2, 3, 5, 16])
def test_balanced_shares_are_equal(tmp_path: Path, count: int) -> None:
    done, _db = make(
        tmp_path, tree(tmp_path), ["host%d" % number for number in range(count)], "balanced"
    )
    costs = [share["cost"] for share in done.hosts.values()]
    assert len(costs) == count
    assert max(costs) <= 1.05 * sum(costs) / count


def test_one_large_item_prevents_balance_but_nothing_joins_it(tmp_path: Path) -> None:
    source = tree(tmp_path)
    with open(source / "giant", "wb") as file:
        file.truncate(1 << 40)
    done, db = make(tmp_path, source, ["a", "b", "c"], "balanced")
    giant = [host for host, path, _row in rows(db, "kind='copy'") if path == b"giant"]
    assert len([1 for host, _path, _row in rows(db, "kind='copy'") if host == giant[0]]) == 1
    assert done.bytes > 1 << 40


def test_shards_are_bounded(tmp_path: Path) -> None:
    limit = 200_000
    _done, db = make(
        tmp_path, tree(tmp_path), ["a", "b"], limits=Limits(items=7, bytes=limit, range_threshold=0)
    )
    for items, size, files in db.execute(
        "SELECT items, bytes, files FROM shards WHERE kind='copy'"
    ):
        assert items <= 7 and (size <= limit or items == 1) and files == items


def test_a_large_file_becomes_ranges(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "large", "wb") as file:
        file.truncate((10 << 20) + 5)
    done, db = make(
        tmp_path, source, ["a", "b"], limits=Limits(range_threshold=1 << 20, range_size=3 << 20)
    )
    ranges = sorted((row.offset, row.length, host) for host, _path, row in rows(db, "kind='range'"))
    assert [(offset, length) for offset, length, _host in ranges] == [
        (0, 3 << 20), (3 << 20, 3 << 20), (6 << 20, 3 << 20), (9 << 20, (1 << 20) + 5),
    ]  # fmt: skip
    assert {host for _offset, _length, host in ranges} == {"a", "b"}
    assert [path for _host, path, _row in rows(db, "kind IN ('prepare', 'finish')")] == [
        b"large"
    ] * 2
    assert (done.files, done.bytes) == (1, (10 << 20) + 5)
    assert db.execute("SELECT sum(files), sum(bytes) FROM shards WHERE phase<4").fetchone() == (
        1,
        (10 << 20) + 5,
    )


def test_a_sparse_file_is_cut_by_what_it_holds(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "disk", "wb") as file:
        file.truncate(15 << 40)  # the largest that ext4 holds is 16 TiB
        file.write(b"x" * 4096)
    done, db = make(tmp_path, source, ["a", "b"], limits=Limits())
    assert done.bytes == 15 << 40 and done.shards < 1000
    ranges = sorted((row.offset, row.length) for _host, _path, row in rows(db, "kind='range'"))
    assert len(ranges) == 64
    assert sum(length for _offset, length in ranges) == 15 << 40
    assert all(
        at + length == following for (at, length), (following, _l) in zip(ranges, ranges[1:])
    )


def test_range_lengths() -> None:
    mib, tib = 1 << 20, 1 << 40
    assert range_length(1 << 30, 1 << 30, 16 * mib) == 16 * mib
    assert range_length(1 << 30, 0, 16 * mib) == 16 * mib  # 64 of them
    assert 24 * tib / range_length(24 * tib, 0, 16 * mib) == 64
    # Half a million for 8 TiB of data, as many as the data would be on its own if there is less.
    assert range_length(8 * tib, 8 * tib, 16 * mib) == 16 * mib
    assert 8 * tib / range_length(8 * tib, 1 << 40, 16 * mib) == tib / (16 * mib)


def test_hard_links_follow_their_leader(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in ("a", "b", "c"):
        (source / folder).mkdir(parents=True)
    (source / "a" / "one").write_bytes(b"1")
    groups: dict[bytes, list[bytes]] = defaultdict(list)
    for name in ("b/two", "c/three"):
        os.link(source / "a" / "one", source / name)
    _done, db = make(tmp_path, source, ["x", "y", "z"])
    for _host, path, row in rows(db, "kind='link'"):
        groups[row.leader].append(path)
    assert [path for _host, path, _row in rows(db, "kind='copy'")] == [b"a/one"]
    assert groups == {b"a/one": [b"b/two", b"c/three"]}
    _done, db = make(tmp_path, source, ["x"], preserve=("times",))
    assert len(rows(db, "kind='copy'")) == 3 and not rows(db, "kind='link'")


def test_directories_come_deepest_first_and_unsearchable_ones_last(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a" / "b" / "c").mkdir(parents=True)
    (source / "closed" / "below").mkdir(parents=True)
    (source / "closed").chmod(0o600)
    _done, db = make(tmp_path, source, ["x"])
    if os.geteuid() == 0:
        assert [path for _host, path, _row in rows(db, "phase=4")] == [
            b"closed/below",
            b"a/b/c",
            b"a/b",
            b"a",
            b"",
        ]
    assert [path for _host, path, _row in rows(db, "phase=5")] == [b"closed"]
    (source / "closed").chmod(0o700)


def test_each_shard_is_checked_by_another_host_over_another_mount(tmp_path: Path) -> None:
    _done, db = make(tmp_path, tree(tmp_path), ["a", "b", "c"], mounts=2)
    pairs = db.execute(
        "SELECT s.host, s.mount, v.host, v.mount FROM shards v JOIN shards s ON s.id=v.of "
        "WHERE v.kind='verify'"
    ).fetchall()
    assert pairs and all(host != other and mount != over for host, mount, other, over in pairs)
    assert Counter(host for host, _mount, _other, _over in pairs).keys() == {"a", "b", "c"}
    _done, db = make(tmp_path, tmp_path / "source", ["a"], verify="none")
    assert not db.execute("SELECT 1 FROM shards WHERE kind='verify'").fetchone()


def test_bad_input(tmp_path: Path) -> None:
    scan(str(tree(tmp_path)), str(tmp_path / "index"))
    index, path = str(tmp_path / "index"), str(tmp_path / "plan.db")
    for hosts, split, message in (
        ([], "balanced", "ingestors"),
        (["a", "a"], "balanced", "twice: a, a"),
        (["a"], "fair", "split: 'fair'"),
    ):
        with pytest.raises(IngestError, match=message):
            plan(index, path, hosts, split)
    with pytest.raises(IngestError, match="index"):
        plan(str(tmp_path / "nothing"), path, ["a"])
    with pytest.raises(IngestError, match="plan.db"):
        plan(index, str(tmp_path / "no" / "plan.db"), ["a"])
    with pytest.raises(IngestError, match="there is no run in"):
        PlanStore.open(str(tmp_path / "none"))
    (tmp_path / "text").write_text("no database at all, but long enough to look like one" * 30)
    with pytest.raises(IngestError, match="is not a plan"):
        PlanStore.open(str(tmp_path / "text"))


def test_a_plan_of_another_version_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "plan.db")
    PlanStore.create(path).close()
    for version, said in ((0, 1), (4, 4), (6, 6)):
        db = sqlite3.connect(path)
        db.execute(f"PRAGMA user_version={version}")
        db.close()
        with pytest.raises(IngestError, match=f"schema {said}, this one reads 5.*another run_dir"):
            PlanStore.open(path)


class Compared:
    """A tree, its copy, and what a plan makes of a scan that compared both."""

    def __init__(self, folder: Path) -> None:
        self.source, self.there = folder / "source", folder / "destination"
        self._folder = folder
        for name in ("a", "b", "c/below", "d"):
            for number in range(4):
                where = self.source / name / ("file%d" % number)
                where.parent.mkdir(parents=True, exist_ok=True)
                where.write_bytes(b"x" * 100)
        subprocess.run(["cp", "-a", self.source, self.there], check=True)

    def plan(self, hosts: int = 1, preserve: tuple[str, ...] = PRESERVE, **more: Any) -> Any:
        """What was planned, and plan.db."""
        index, path = str(self._folder / "index"), str(self._folder / "plan.db")
        compare = Comparing(os.fsencode(self.there), preserve)
        scan(str(self.source), index, compare=compare)
        more.setdefault("destinations", [str(self.there)])
        names = ["host%d" % number for number in range(hosts)]
        return plan(index, path, names, **more), PlanStore.open(path).db


@pytest.fixture
def compared(tmp_path: Path) -> Compared:
    """A tree that was copied."""
    return Compared(tmp_path)


def test_nothing_is_planned_of_what_is_right(compared: Compared) -> None:
    done, db = compared.plan(3)
    assert done[:4] == (0, 0, 0, 0) and done.shards == 0
    assert done.right == {"files": 16, "directories": 6, "bytes": 1600}
    assert not plans.paths(str(db.execute("PRAGMA database_list").fetchone()[2]))


def test_only_what_differs_is_planned_and_the_directories_it_is_made_in(compared: Compared) -> None:
    (compared.there / "a/file1").unlink()
    (compared.there / "b/file2").chmod(0o600)
    subprocess.run(["rm", "-r", str(compared.there / "c/below")], check=True)
    (compared.source / "new").mkdir()
    done, db = compared.plan()
    found = {path for _host, path, _row in rows(db, "kind='copy'")}
    assert found == {b"a/file1", b"b/file2", b"new"} | {b"c/below/file%d" % n for n in range(4)}
    # Of the second only the mode is set: that is no byte.
    assert done.bytes == 500 and done.files == 6 and done.items == 7
    assert done.right["files"] == 10 and done.right["bytes"] == 1100
    folders = {path for _host, path, _row in rows(db, "kind='directories'")}
    assert folders == {b"", b"a", b"b", b"c", b"c/below", b"new"}
    checked = db.execute("SELECT sum(items) FROM shards WHERE kind='verify'").fetchone()[0]
    assert checked == 7 + 6


@pytest.mark.parametrize("count", [2, 3])
def test_round_robin_is_sed_of_what_is_left(compared: Compared, count: int) -> None:
    for number in (0, 1, 3):
        (compared.there / "b" / ("file%d" % number)).unlink()
        (compared.there / "d" / ("file%d" % number)).unlink()
    _done, everything = compared.plan()
    order = [path for _host, path, _row in rows(everything, "kind='copy'")]
    assert len(order) == 6
    _done, db = compared.plan(count)
    for number in range(count):
        mine = [path for host, path, _row in rows(db, f"kind='copy' AND host='host{number}'")]
        assert mine == order[number::count]


def test_directories_as_items_are_dealt_out_by_what_is_left(compared: Compared) -> None:
    for name in ("b", "d"):
        (compared.there / name / "file1").unlink()
    done, db = compared.plan(2, max_depth=1)
    assert done.items == 2
    assert [(host, path) for host, path, _row in rows(db, "kind='copy'")] == [
        ("host0", b"b/file1"),
        ("host1", b"d/file1"),
    ]


def test_a_checksum_reads_back_what_is_right_too(compared: Compared) -> None:
    os.link(compared.source / "a/file0", compared.source / "d/link")
    os.link(compared.there / "a/file0", compared.there / "d/link")
    subprocess.run(["touch", "-r", compared.source / "d", compared.there / "d"], check=True)
    done, db = compared.plan(2, verify="checksum")
    assert done.items == 0 and done.right["files"] == 17
    phases = db.execute("SELECT DISTINCT phase, state FROM shards ORDER BY phase").fetchall()
    assert phases == [
        (Phase.CHECK, "pending"),
        (Phase.RIGHT, "done"),
        (Phase.CHECK_DIRECTORIES, "pending"),
    ]
    query = "SELECT sum(items) FROM shards WHERE kind='verify'"
    assert db.execute(query).fetchone()[0] == 17 + 6
    links = {path for _host, path, _row in rows(db, "kind='link'")}
    assert links == {b"d/link"}


def test_a_comparison_of_something_else_says_nothing(compared: Compared) -> None:
    everything = 16
    assert compared.plan(destinations=["/another"])[0].items == everything
    assert compared.plan(leave_out=False)[0].items == everything
    less = ("mode", "times", "links")
    # Compared without owners, so nothing is known of them: but with them, all is known.
    assert compared.plan(preserve=less)[0].items == everything
    index, path = (str(compared.source.parent / name) for name in ("index", "plan.db"))
    scan(str(compared.source), index, compare=Comparing(os.fsencode(compared.there)))
    where = {"destinations": [str(compared.there)]}
    assert plan(index, path, ["one"], preserve=less, **where).items == 0


def test_a_directory_that_its_owner_may_not_search_is_always_planned(compared: Compared) -> None:
    for root in (compared.source, compared.there):
        (root / "c").chmod(0o600)
    done, db = compared.plan()
    if os.geteuid() == 0:
        assert [path for _host, path, _row in rows(db, "kind='directories'")] == [b"c"]
        assert done.directories == 1
