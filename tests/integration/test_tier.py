# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that moves cold files to the slow pool, on two real disks under mergerfs."""

from __future__ import annotations

import json
import os
import time

import pytest
from ansible_collections.scaleout.ingest.tests.support.playbook import ALONE, ROOT, ansible, words
from ansible_collections.scaleout.ingest.tests.support.union import Pools, why_not

TIER = os.path.join(ROOT, "playbooks", "tier.yml")
pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def variables(pools: Pools, folder: str) -> str:
    """A file of variables: what has not changed for a day is cold, what has is warm."""
    given = {
        "tier_path": os.fsdecode(pools.union),
        "tier_pools": {
            "fast": {"driver": "union", "path": os.fsdecode(pools.fast)},
            "slow": {"driver": "union", "path": os.fsdecode(pools.slow), "file_system": "ext4"},
        },
        "tier_policies": [
            {
                "name": "cold",
                "priority": 10,
                "from": "fast",
                "to": "slow",
                "when": "type = f and age(mtime) > 1d",
                "order": "size desc",
                "limit": {"errors": "5%"},
                "rate": "1G",
            },
            {
                "name": "warm",
                "priority": 20,
                "from": "slow",
                "to": "fast",
                "when": "type = f and age(mtime) < 1d",
            },
        ],
        "tier_dir": os.path.join(folder, "tier"),
    }
    path = os.path.join(folder, "tiers.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump(given, file)
    return path


def build(pools: Pools) -> None:
    """Cold and warm files in both pools."""
    cold = time.time() - 10 * 86400
    for pool, name in ((pools.fast, b"f"), (pools.slow, b"s")):
        os.makedirs(pool + b"/d\xc3\xa9/e", exist_ok=True)
        for number in range(20):
            path = pool + b"/d\xc3\xa9/e/%s%d" % (name, number)
            with open(path, "wb") as file:
                file.write(b"%d" % number * 1000)
            if number < 15:
                os.utime(path, (cold, cold))
    os.link(pools.fast + b"/d\xc3\xa9/e/f0", pools.fast + b"/linked")


def test_cold_files_go_and_warm_ones_come(folder: str) -> None:
    with Pools(os.path.join(folder, "pools"), options="cache.files=off") as pools:
        build(pools)
        given = variables(pools, folder)
        before = {path: found.st_size for path, found in pools.everything(pools.union).items()}
        held = os.open(pools.union + b"/d\xc3\xa9/e/f3", os.O_RDONLY)
        run = ansible("playbook", "-i", ALONE, "-e", "@" + given, "-v", TIER)
        assert run.status == 0, run.output
        assert "cold: 15 moved" in words(run) and "1 hot" in words(run), run.output
        assert "warm: 5 moved" in words(run), run.output
        fast, slow = pools.everything(pools.fast), pools.everything(pools.slow)
        assert set(fast) == {b"d\xc3\xa9/e/f%d" % n for n in (3, *range(15, 20))} | {
            b"d\xc3\xa9/e/s%d" % n for n in range(15, 20)
        }
        assert slow[b"linked"].st_ino == slow[b"d\xc3\xa9/e/f0"].st_ino
        after = {path: found.st_size for path, found in pools.everything(pools.union).items()}
        assert after == before
        os.close(held)
        time.sleep(0.2)
        # Nothing but that one is left to do, and then nothing.
        run = ansible("playbook", "-i", ALONE, "-e", "@" + given, "--check", TIER)
        assert run.status == 0 and "cold: at work" in words(run), run.output
        assert "1 of 1 files" in words(run), run.output
        for moved in ("cold: 1 moved", ""):
            run = ansible("playbook", "-i", ALONE, "-e", "@" + given, TIER)
            assert run.status == 0 and moved in words(run), run.output
        assert " moved (" not in words(run)


def test_a_pool_that_is_not_mounted_stops_the_run(folder: str) -> None:
    with Pools(os.path.join(folder, "pools"), options="cache.files=off") as pools:
        build(pools)
        given = variables(pools, folder)
        os.sync()
        run = ansible("playbook", "-i", ALONE, "-e", "@" + given, "--check", TIER)
        pools.unmount_lazily(pools.slow)
        run = ansible("playbook", "-i", ALONE, "-e", "@" + given, TIER)
        assert run.status != 0
        assert "the pool is not mounted" in words(run), run.output
        assert len(pools.everything(pools.fast)) == 21
