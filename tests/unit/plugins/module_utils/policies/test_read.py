# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and policies as they are written, and the sentences for those that can't be used."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import TIER_DRIVERS
from ansible_collections.scaleout.ingest.plugins.module_utils.policies.read import (
    Limit,
    Trigger,
    read,
)

POOLS: dict[str, Any] = {
    "fast": {"driver": "union", "path": "/mnt/fast/", "high": 85, "low": 70},
    "slow": {"driver": "union", "path": "/mnt/slow"},
}
COLD: dict[str, Any] = {
    "name": "cold",
    "priority": 10,
    "from": "fast",
    "to": "slow",
    "when": "age(atime) > 30d and size >= 1M",
    "order": "size desc, atime",
    "limit": {"files": 100000, "bytes": "10T", "errors": "5%"},
    "rate": "200M",
}
BACK: dict[str, Any] = {
    "name": "back",
    "priority": 5,
    "from": "slow",
    "to": "fast",
    "when": "age(atime) < 1d",
}


def test_what_is_written_is_read() -> None:
    tiers = read("/srv/data", POOLS, [COLD, BACK])
    assert [policy.name for policy in tiers.policies] == ["back", "cold"]
    assert tiers.pools["fast"][:5] == ("fast", "union", "/mnt/fast", 85.0, 70.0)
    cold = tiers.policy("cold")
    assert cold.order == (("size", True), ("atime", False))
    assert cold.limit == Limit(100000, 10 << 40, 0.05) and cold.rate == 200 << 20
    assert tiers.policy("back").limit == Limit() and not tiers.warnings


def test_a_trigger() -> None:
    trigger = {"user": "root", "above": "10T", "below": "8T"}
    tiers = read("/srv/data", POOLS, [{**COLD, "trigger": trigger}])
    assert tiers.policies[0].trigger == Trigger("uid", "root", 0, 10 << 40, 8 << 40)


def test_classes() -> None:
    policy = {**COLD, "when": "bam and size > 1G"}
    tiers = read("/srv", POOLS, [policy], {"bam": "extension in (bam, cram)"})
    assert tiers.policies[0].text == "bam and size > 1G"


@pytest.mark.parametrize(
    "when, why",
    [
        ("size > 1G and size < 1M", "no size"),
        ("age(atime) > 30d and (name ~ 'a*' and age(atime) < 1d)", "no age(atime)"),
        ("size > 1G and (size = 5 or size < 3)", ""),
        ("(size > 2 and size < 2) or (links > 3 and links <= 3)", "no size"),
        ("size >= 5 and size <= 5 and size != 6", ""),
    ],
)
def test_what_can_never_match_is_said(when: str, why: str) -> None:
    warnings = read("/srv", POOLS, [{**COLD, "when": when}]).warnings
    assert bool(warnings) == bool(why)
    assert all(said.startswith(f"the policy 'cold' can never match: {why}") for said in warnings)


@pytest.mark.parametrize(
    "change, said",
    [
        (
            {"whem": "size > 1"},
            "tier_policies: number 1: there is no key 'whem': did you mean 'when'",
        ),
        ({"name": ""}, "tier_policies: number 1: name"),
        (
            {"from": "fats"},
            "tier_policies: cold: from: there is no pool 'fats': did you mean 'fast'",
        ),
        ({"to": "fast"}, "tier_policies: cold: from and to are the same pool"),
        ({"when": None}, "tier_policies: cold: when: a condition is missing"),
        ({"when": "size > 1X"}, "tier_policies: cold: when: '1X' is not a size"),
        ({"order": "colour"}, "tier_policies: cold: order: 'colour' is not one of size"),
        ({"limit": {"byte": 1}}, "tier_policies: cold: limit: there is no key 'byte'"),
        ({"limit": {"bytes": "many"}}, "tier_policies: cold: limit: bytes: 'many' is not a number"),
        ({"limit": {"files": -1}}, "tier_policies: cold: limit: files"),
        ({"limit": {"errors": "200%"}}, "tier_policies: cold: limit: errors: 200%"),
        ({"priority": "high"}, "tier_policies: cold: priority: 'high' is not a number"),
        ({"rate": "fast"}, "tier_policies: cold: rate"),
        ({"trigger": {"above": 1, "below": 1}}, "tier_policies: cold: trigger: either"),
        ({"trigger": {"user": "nobody-here", "above": 1, "below": 1}}, "trigger: user"),
        ({"trigger": {"user": "root", "above": 1, "below": 2}}, "below is more than above"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(IngestError) as error:
        read("/srv", POOLS, [{**COLD, **change}])
    assert said in str(error.value)


@pytest.mark.parametrize(
    "pools, said",
    [
        ({}, "tier_pools: is to name two pools"),
        (
            {**POOLS, "slow": {"driver": "onion"}},
            "slow: driver: 'onion' is none: did you mean 'union'",
        ),
        ({**POOLS, "slow": {"driver": "union"}}, "slow: path"),
        ({**POOLS, "fast": {**POOLS["fast"], "low": 90}}, "fast: low: 90 is not below high, 85"),
        ({**POOLS, "fast": {"driver": "union", "path": "/a", "high": 5}}, "belong together"),
        ({**POOLS, "fast": {"driver": "union", "path": "/a", "hihg": 5}}, "did you mean 'high'"),
    ],
)
def test_a_pool_that_can_not_be_used(pools: dict[str, Any], said: str) -> None:
    with pytest.raises(IngestError) as error:
        read("/srv", pools, [COLD])
    assert said in str(error.value)


def test_names_and_paths() -> None:
    with pytest.raises(IngestError, match="twice"):
        read("/srv", POOLS, [COLD, COLD])
    with pytest.raises(IngestError, match="tier_path: 'srv' is not an absolute path"):
        read("srv", POOLS, [COLD])
    with pytest.raises(IngestError, match="there is no policy 'cild': did you mean 'cold'"):
        read("/srv", POOLS, [COLD]).policy("cild")
    with pytest.raises(IngestError, match="tier_classes: bam: "):
        read("/srv", POOLS, [COLD], {"bam": "size >"})
    assert set(TIER_DRIVERS) >= {"union", "stub"}
