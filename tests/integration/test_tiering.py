# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/tier.yml: two disks under a mergerfs, real policies, real moves."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Iterator

import pytest
from ansible_collections.scaleout.ingest.tests.support.modules import run as run_module
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT, Run, ansible, words
from ansible_collections.scaleout.ingest.tests.support.union import Pools, why_not

TIER = os.path.join(ROOT, "playbooks", "tier.yml")
DAY = 86_400
INVENTORY = {
    "ingestors": {
        "hosts": {
            name: {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
            for name in ("mover1", "mover2")
        }
    }
}


@pytest.fixture(name="pools")
def _pools(folder: str) -> Iterator[Pools]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Pools(folder + "/pools", options="cache.files=off") as pools:
        yield pools


def tier(folder: str, pools: Pools, *arguments: str, **variables: Any) -> Run:
    with open(folder + "/inventory.json", "w", encoding="utf-8") as file:
        json.dump(INVENTORY, file)
    given: dict[str, Any] = {
        "tier_path": os.fsdecode(pools.union),
        "tier_dir": folder + "/tier",
        "tier_run_dir": folder + "/run",
        "tier_pools": {
            "fast": {"driver": "union", "path": os.fsdecode(pools.fast)},
            "slow": {"driver": "union", "path": os.fsdecode(pools.slow)},
        },
        "tier_policies": [
            {"name": "cold", "from": "fast", "to": "slow", "when": "age(mtime) > 30d"},
            {"name": "back", "from": "slow", "to": "fast", "when": "age(mtime) < 1d"},
        ],
    }
    with open(folder + "/tiers.json", "w", encoding="utf-8") as file:
        json.dump({**given, **variables}, file)
    more = ["-i", folder + "/inventory.json", "-e", "@" + folder + "/tiers.json"]
    return ansible("playbook", *more, *arguments, TIER)


def fill(pools: Pools) -> dict[bytes, bytes]:
    """Files in the fast pool, every other one old; their contents by name."""
    contents = {}
    for number in range(40):
        path = b"d%d/file %d \n\xff" % (number % 3, number)
        place = os.path.join(pools.fast, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        contents[path] = os.urandom(1000 * number)
        with open(place, "wb") as stream:
            stream.write(contents[path])
        if number % 2:
            old = time.time() - 100 * DAY
            os.utime(place, (old, old))
    return contents


def read(pools: Pools, path: bytes) -> bytes:
    with open(os.path.join(pools.union, path), "rb") as stream:
        return stream.read()


def numbers(folder: str) -> dict[str, Any]:
    with open(folder + "/run/tier.json", encoding="utf-8") as file:
        return json.load(file)


def test_cold_files_go_and_come_back(folder: str, pools: Pools) -> None:
    contents = fill(pools)
    looked = tier(folder, pools, "--check")
    assert looked.status == 0, looked.output
    assert "20 files" in looked.output and "would be moved" in words(looked)
    assert not pools.everything(pools.slow)

    run = tier(folder, pools)
    assert run.status == 0, run.output
    stats = numbers(folder)
    assert stats["totals"]["moved"] == 20 and stats["totals"]["failed"] == 0
    assert stats["guarantee"] == "lease" and set(stats["hosts"]) == {"mover1", "mover2"}
    assert len(pools.everything(pools.slow)) == len(pools.everything(pools.fast)) == 20
    for path, data in contents.items():
        assert read(pools, path) == data
    for name in ("tier.html", "metrics.prom", "results/0-0.jsonl.results"):
        assert os.path.getsize(f"{folder}/run/{name}")
    assert not [name for name in os.listdir("/var/tmp") if name == "scaleout-run"]

    again = tier(folder, pools)
    assert again.status == 0 and again.changed == 0, again.output
    states = {one["name"]: one["state"] for one in numbers(folder)["policies"]}
    assert states == {"cold": "no match", "back": "no match"}

    for path in pools.everything(pools.slow):
        os.utime(os.path.join(pools.union, path))
    back = tier(folder, pools)
    assert back.status == 0, back.output
    assert not pools.everything(pools.slow) and len(pools.everything(pools.fast)) == 40
    for path, data in contents.items():
        assert read(pools, path) == data


def test_a_difference_knows_our_own_moves(folder: str, pools: Pools) -> None:
    """What users did meanwhile is told, what the policies did is not; unless it is asked for."""
    fill(pools)
    assert tier(folder, pools).status == 0
    os.unlink(os.path.join(pools.union, b"d1/file 4 \n\xff"))
    with open(os.path.join(pools.union, b"d2/file 14 \n\xff"), "ab") as stream:
        stream.write(b"more")
    grown = os.path.join(pools.union, b"d0/file 15 \n\xff")
    with open(grown, "ab") as stream:
        stream.write(b"more")
    old = time.time() - 90 * DAY
    os.utime(grown, (old, old))  # it stays where it is
    assert tier(folder, pools).status == 0
    fast = run_module("index_diff", new=folder + "/tier/index/fast")
    assert [(row["change"], row["path"]) for row in fast["rows"]] == [
        ("changed", "d1"),
        ("removed", "d1/file 4 \\n\\xff"),
        ("changed", "d2/file 14 \\n\\xff"),
    ]
    assert fast["own_moves"] == 20
    slow = run_module("index_diff", new=folder + "/tier/index/slow")
    assert [(row["change"], row["path"]) for row in slow["rows"]] == [
        ("added", "d0/file 15 \\n\\xff")
    ]
    assert slow["own_moves"] == 19
    every = run_module("index_diff", new=folder + "/tier/index/slow", own_moves=True)
    assert every["counts"]["added"]["files"] == 20 and every["own_moves"] == 0


def test_a_file_that_is_open_is_hot_and_stays(folder: str, pools: Pools) -> None:
    contents = fill(pools)
    one = sorted(contents)[1]
    old = time.time() - 100 * DAY
    os.utime(os.path.join(pools.fast, one), (old, old))
    os.link(os.path.join(pools.fast, one), os.path.join(pools.fast, b"linked"))
    path = sorted(pools.everything(pools.fast))[0]
    old = time.time() - 100 * DAY
    os.utime(os.path.join(pools.fast, path), (old, old))
    with open(os.path.join(pools.union, path), "rb"):
        run = tier(folder, pools, tier_lists=folder)
    assert run.status == 0, run.output
    assert numbers(folder)["totals"]["hot"] == 1
    assert path in pools.everything(pools.fast)
    assert read(pools, path) == contents[path]
    slow = pools.everything(pools.slow)
    assert slow[one].st_ino == slow[b"linked"].st_ino


def test_a_pool_that_is_not_mounted_fails_the_run_and_nothing_moves(
    folder: str, pools: Pools
) -> None:
    fill(pools)
    pools.unmount_lazily(pools.slow)
    run = tier(folder, pools)
    assert run.status == 2
    assert "not mounted" in words(run) or "are on one file system" in words(run), run.output
    assert len(pools.everything(pools.fast)) == 40


@pytest.mark.parametrize(
    "change, said",
    [
        (
            {"tier_policies": [{"name": "x", "from": "fsat", "to": "slow", "when": "size > 1"}]},
            "fsat",
        ),
        ({"tier_polices": []}, "did you mean tier_policies"),
        ({"tier_path": ""}, "tier_path is not set"),
        (
            {"tier_policies": [{"name": "x", "from": "fast", "to": "slow", "when": "sise > 1"}]},
            "tier_policies: x: when: there is no field 'sise'",
        ),
    ],
)
def test_what_is_wrong_is_said(
    folder: str, pools: Pools, change: dict[str, Any], said: str
) -> None:
    run = tier(folder, pools, **change)
    assert run.status == 2 and said in words(run), run.output
