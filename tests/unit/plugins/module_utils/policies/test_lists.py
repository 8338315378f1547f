# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would move, on real trees; and the module that says so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import to_bytes
from ansible_collections.scaleout.ingest.plugins.module_utils.policies import lists
from ansible_collections.scaleout.ingest.plugins.module_utils.policies.read import read
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import source_of
from ansible_collections.scaleout.ingest.tests.support.indexes import scan
from ansible_collections.scaleout.ingest.tests.support.modules import run as run_module

NOW = 1_900_000_000 * 10**9


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    fast = tmp_path / "fast"
    (fast / "a").mkdir(parents=True)
    (tmp_path / "slow").mkdir()
    for number in range(20):
        file = os.fsencode(fast) + b"/a/%d \n\xff" % number
        with open(file, "wb") as stream:
            stream.truncate(number << 18)
    os.link(os.fsencode(fast) + b"/a/4 \n\xff", os.fsencode(fast) + b"/four")
    (fast / "link").symlink_to("four")
    for pool in ("fast", "slow"):
        scan(str(tmp_path / pool), str(tmp_path / "index" / pool))
    os.chmod(tmp_path / "index", 0o700)
    (tmp_path / "lists").mkdir()
    return tmp_path


def options(place: Path, *policies: dict[str, Any], **pool: Any) -> dict[str, Any]:
    pools = {name: {"driver": "union", "path": str(place / name)} for name in ("fast", "slow")}
    pools["fast"].update(pool)
    return {"path": "/", "pools": pools, "policies": list(policies)}


def policy(name: str, when: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "from": "fast", "to": "slow", "when": when, **more}


def preview(place: Path, hosts: int, given: dict[str, Any]) -> lists.Preview:
    tiers = read(given["path"], given["pools"], given["policies"])
    sources = {pool: source_of(str(place / "index" / pool)) for pool in given["pools"]}
    return lists.preview(tiers, sources, hosts, str(place / "lists"), NOW)


def records(one: lists.Piece) -> list[dict[str, Any]]:
    with open(one.file, encoding="ascii") as file:
        return [json.loads(line) for line in file]


def test_the_work_is_cut_into_about_equal_pieces(place: Path) -> None:
    found = preview(place, 3, options(place, policy("all", "size >= 0")))
    (only,) = found.found
    assert (only.state, only.matches.files, only.chosen.files) == (lists.AT_WORK, 21, 20)
    assert len(found.pieces) == 3
    loads = [one.bytes + one.files * (1 << 20) for one in found.pieces]
    every = [record for one in found.pieces for record in records(one)]
    largest = max(record["known"][2] for record in every) + (1 << 20)
    assert max(loads) < sum(loads) / 3 + largest
    paths = [to_bytes(path) for record in every for path in record["paths"]]
    assert len(paths) == 21 == len(set(paths))
    assert [sorted(map(to_bytes, r["paths"])) for r in every if len(r["paths"]) > 1] == [
        [b"a/4 \n\xff", b"four"]
    ]
    for record in every:
        stat = os.lstat(os.fsencode(place / "fast") + b"/" + to_bytes(record["paths"][0]))
        known = [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        assert record["known"] == known


def test_what_finds_nothing_says_why(place: Path) -> None:
    given = options(
        place,
        policy("first", "size > 1M", priority=1),
        policy("hidden", "size > 2M", priority=2),
        policy("none", "size > 1G", priority=3),
        {**policy("back", "size > 0", priority=4), "from": "slow", "to": "fast"},
    )
    found = preview(place, 1, given)
    states = {one.policy.name: (one.state, one.why) for one in found.found}
    assert states["first"][0] == lists.AT_WORK
    assert states["hidden"] == (lists.SHADOWED, "policies before it take all 11 files that meet it")
    assert states["none"][0] == states["back"][0] == lists.NO_MATCH
    full = preview(place, 1, options(place, policy("x", "size > 0"), high=100, low=99))
    assert full.found[0].state == lists.IDLE and "begins above 100 %" in full.found[0].why
    assert os.listdir(place / "lists") == ["0-0.jsonl"]


def test_there_are_more_pieces_than_hosts_and_the_largest_file_comes_first(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "_ENOUGH", 1 << 20)
    found = preview(place, 2, options(place, policy("all", "size >= 0")))
    assert 4 < len(found.pieces) <= 9
    first = [max(record["known"][2] for record in records(one)) for one in found.pieces]
    assert first == sorted(first, reverse=True)
    assert sum(one.files for one in found.pieces) == 20


def test_a_list_is_never_written_over_another(place: Path) -> None:
    (place / "lists" / "0-0.jsonl").symlink_to(place / "elsewhere")
    with pytest.raises(IngestError, match=r"0-0\.jsonl can't be written: File exists"):
        preview(place, 1, options(place, policy("all", "size >= 0")))
    assert not (place / "elsewhere").exists()


def module(place: Path, **arguments: Any) -> dict[str, Any]:
    """The module's answer."""
    return run_module("tier_plan", index_dir=str(place / "index"), **arguments)


def test_the_module(place: Path) -> None:
    pytest.importorskip("ansible")
    given = options(place, policy("large", "size > 1M and size > 2M and size < 1M or links > 1"))
    answer = module(place, lists=str(place / "lists"), explain=True, hosts=1, **given)
    assert not answer["changed"]
    (only,) = answer["policies"]
    assert (only["state"], only["matching"], only["files"]) == ("at work", 2, 1)
    assert only["sql"][0].startswith("SELECT count(*)")
    assert [one["policy"] for one in answer["pieces"]] == ["large"]
    assert set(answer["use"]) == {"fast", "slow"}
    never = module(place, **options(place, policy("never", "size > 2M and size < 1M")))
    assert never["policies"][0]["state"] == "no match"
    assert "the policy 'never' can never match" in str(never["warnings"])
    wrong = module(place, **options(place, policy("wrong", "size > 2M and")))
    assert wrong["failed"] and "tier_policies: wrong: when: " in wrong["msg"]
    os.chmod(place / "index" / "fast", 0o777)
    refused = module(place, **given)
    assert refused["failed"] and "others may write to it" in refused["msg"]
