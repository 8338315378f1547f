# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files policies take: of a real index, and the same asked of each file in Python."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.policies import choose
from ansible_collections.scaleout.ingest.plugins.module_utils.policies.read import Tiers, read
from ansible_collections.scaleout.ingest.plugins.module_utils.search.condition import Facts, meets
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import Source, source_of
from ansible_collections.scaleout.ingest.tests.support.indexes import scan

DAY = 86_400 * 10**9
POOLS: dict[str, Any] = {
    "fast": {"driver": "union", "path": "/mnt/fast", "high": 80, "low": 50},
    "slow": {"driver": "union", "path": "/mnt/slow"},
}


def policy(name: str, when: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "from": "fast", "to": "slow", "when": when, **more}


@pytest.fixture(name="tree", scope="module")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("pool")
    chance = random.Random(7)
    now = time.time_ns()
    for number in range(300):
        folder = top / f"d{number % 7}" / f"e{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        file = os.fsencode(folder) + b"/f%d \xff" % number
        with open(file, "wb") as stream:
            stream.truncate(chance.choice([0, 1, 1000, 5000, 1 << 20]))
        age = chance.randrange(60) * DAY
        os.utime(file, ns=(now - age, now - age))
        if number % 20 == 0:
            os.link(file, file + b".link")
        if number % 25 == 0:
            os.symlink("x", file + b".symlink")
    return top


@pytest.fixture(name="source", scope="module")
def _source(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Source:
    index = tmp_path_factory.mktemp("index")
    scan(str(tree), str(index), workers=2)
    return source_of(str(index))


def tiers(*policies: dict[str, Any]) -> Tiers:
    return read("/srv", POOLS, list(policies))


def entries(tree: Path) -> list[Facts]:
    found = []
    for folder, dummy, names in os.walk(os.fsencode(tree)):
        for name in names:
            path = os.path.join(folder, name)
            inner = os.path.relpath(path, os.fsencode(tree))
            found.append(Facts.of(inner, os.lstat(path), pool="fast"))
    return found


@pytest.mark.parametrize(
    "conditions",
    [
        ["age(mtime) > 30d and size >= 1000"],
        ["size > 100K", "age(mtime) > 10d", "path ~ 'd1/**'"],
        ["name ~ '*1*' or links > 1", "size < 2000"],
        ["size < 0"],
    ],
)
def test_each_file_belongs_to_the_first_policy_that_takes_it(
    tree: Path, source: Source, conditions: list[str]
) -> None:
    found = tiers(*(policy(f"p{n}", when, priority=n) for n, when in enumerate(conditions)))
    now = time.time_ns()
    uses = {"fast": choose.Use(100, 90)}
    working, idle = choose.at_work(found, uses, {"fast": source}, now)
    assert [wanted.policy.name for wanted in working] == [p.name for p in found.policies]
    assert not idle
    taken: set[bytes] = set()
    for wanted in working:
        others = choose.before(working, wanted.policy)
        chosen = list(choose.files(source, wanted.policy, others, now))
        expected = {
            facts.path
            for facts in entries(tree)
            if meets(choose.condition_of(wanted.policy), facts, now) and facts.path not in taken
        }
        assert {file.path for file in chosen} == expected
        sizes = [file.size for file in chosen]
        assert sizes == sorted(sizes, reverse=True)
        total = choose.total(source, choose.condition_of(wanted.policy), others, now)
        assert total == (len(expected), sum(sizes))
        for file in chosen:
            stat = os.lstat(os.path.join(os.fsencode(tree), file.path))
            assert (file.device, file.inode, file.mtime, file.links) == (
                stat.st_dev,
                stat.st_ino,
                stat.st_mtime_ns,
                stat.st_nlink,
            )
        taken |= expected
    for facts in entries(tree):
        verdicts = choose.which(found, facts, now)
        first = next((v.policy.name for v in verdicts if v.meets), None)
        assert all(v.earlier == (first or "") for v in verdicts if v.earlier)
        assert (first is not None) == (facts.path in taken)


def test_limits_and_hard_links(source: Source) -> None:
    now = time.time_ns()
    found = tiers(policy("p", "size >= 0", limit={"files": 50, "bytes": "10M"}))
    one = found.policies[0]
    names = choose.Names(source, now)
    chosen = list(choose.within(choose.files(source, one, (), now), one, None, names))
    assert len(chosen) == 50 and sum(file.size for file, dummy in chosen) <= 10 << 20
    assert all(len(paths) == file.links for file, paths in chosen)
    every = [path for dummy, paths in chosen for path in paths]
    assert len(set(every)) == len(every)
    enough = list(choose.within(choose.files(source, one, (), now), one, 3 << 20, names))
    assert sum(file.size for file, dummy in enough[:-1]) < 3 << 20
    assert sum(file.size for file, dummy in enough) >= 3 << 20
    names.close()


def test_pools_and_users_trigger(source: Source) -> None:
    now = time.time_ns()
    mine = choose.total(
        source, choose.condition_of(tiers(policy("p", "size >= 0")).policies[0]), (), now
    )
    user = {"user": str(os.geteuid()), "above": mine.bytes - 1, "below": 5}
    found = tiers(
        policy("full", "size >= 0", priority=1),
        policy("user", "size >= 0", priority=2, trigger=user),
        {"name": "other", "from": "slow", "to": "fast", "when": "size >= 0", "priority": 3},
    )
    sources = {"fast": source, "slow": source}
    working, idle = choose.at_work(found, {"fast": choose.Use(1000, 900)}, sources, now)
    assert [(w.policy.name, w.bytes) for w in working] == [
        ("full", 400),
        ("user", 400),
        ("other", None),
    ]
    working, idle = choose.at_work(found, {"fast": choose.Use(1000, 800)}, sources, now)
    assert [w.policy.name for w in working] == ["other"]
    assert "begins above 80 %" in idle["full"]
    user.update(above=mine.bytes)
    found = tiers(policy("user", "size >= 0", trigger=user))
    assert (
        "begins above"
        in choose.at_work(found, {"fast": choose.Use(10, 9)}, sources, now)[1]["user"]
    )
    with pytest.raises(IngestError, match="how full the pool 'fast' is"):
        choose.at_work(found, {}, sources, now)
    with pytest.raises(IngestError, match="no index of the pool 'fast'"):
        choose.at_work(found, {"fast": choose.Use(10, 9)}, {}, now)


def test_the_sql_is_shown(source: Source) -> None:
    one = tiers(policy("p", "size > 1M and name ~ '*.bam'")).policies[0]
    statement, *steps = choose.plan_of(source, one, (), time.time_ns())
    assert statement.startswith("SELECT count(*)") and "1048576" in statement and steps
