# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ingest-find --tiers, as installed, on real trees and indexes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import executables
from ansible_collections.scaleout.ingest.tests.support.indexes import scan


@pytest.fixture(name="command", scope="module")
def _command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bin") / "ingest-find"
    path.write_bytes(executables.build("ingest-find", sys.executable))
    path.chmod(0o755)
    return path


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Path:
    for pool in ("fast", "slow"):
        (tmp_path / pool).mkdir()
    for number in range(10):
        with open(tmp_path / "fast" / f"file {number}", "wb") as stream:
            stream.truncate(number << 20)
    for pool in ("fast", "slow"):
        scan(str(tmp_path / pool), str(tmp_path / "index" / pool))
    (tmp_path / "tiers.json").write_text(json.dumps(tiers(tmp_path)))
    return tmp_path


def tiers(place: Path) -> dict[str, Any]:
    return {
        "tier_path": str(place / "fast"),
        "tier_pools": {
            pool: {"driver": "union", "path": str(place / pool)} for pool in ("fast", "slow")
        },
        "tier_policies": [
            {"name": "large", "priority": 1, "from": "fast", "to": "slow", "when": "size > 7M"},
            {"name": "old", "priority": 2, "from": "fast", "to": "slow", "when": "size > 5M"},
            {"name": "none", "priority": 3, "from": "fast", "to": "slow", "when": "size > 1T"},
        ],
        "tier_dir": str(place),
    }


def run(command: Path, *words: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [os.fsencode(str(word)) for word in (command, "--tiers", *words)],
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_what_would_be_moved(command: Path, place: Path) -> None:
    done = run(command, place / "tiers.json")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "pool fast: " in text
    assert "large (fast to slow): at work" in text and "2 files of 17.8 MB would be moved" in text
    assert "old (fast to slow): at work" in text and "2 files of 13.6 MB would be moved" in text
    assert "none (fast to slow): no match" in text


def test_a_policy_is_explained(command: Path, place: Path) -> None:
    done = run(command, place / "tiers.json", "--explain", "old")
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    for part in ("when: size > 5M", "taken before it, by 1", "SELECT count(*)", "Found: 2 files, "):
        assert part in text
    assert (
        "Found: no match" in run(command, place / "tiers.json", "--explain", "none").stdout.decode()
    )
    wrong = run(command, place / "tiers.json", "--explain", "odl")
    assert wrong.returncode == 1 and b"did you mean 'old'" in wrong.stderr


def test_which_policy_takes_a_path(command: Path, place: Path) -> None:
    for name in (place / "fast" / "file 8", "file 8"):
        text = run(command, place / "tiers.json", "--which", name).stdout.decode()
        assert "large: takes it, to slow (size > 7M)" in text
        assert "old: would take it, but 'large' comes first" in text
        assert "none: does not take it" in text
    assert b"stays where it is" in run(command, place / "tiers.json", "--which", "file 1").stdout
    gone = run(command, place / "tiers.json", "--which", "nothing")
    assert gone.returncode == 1 and b"is not there" in gone.stderr
    out = run(command, place / "tiers.json", "--which", "/etc/passwd")
    assert out.returncode == 1 and b"is not below tier_path" in out.stderr


@pytest.mark.parametrize(
    "change, said",
    [
        ({"tier_path": "x"}, b"tier_path: 'x' is not an absolute path"),
        ({"tier_dir": "/nowhere"}, b"there is no index in /nowhere/index/fast"),
        ({"tier_policies": [{"name": "x"}]}, b"tier_policies: x: from"),
    ],
)
def test_what_is_wrong_is_said(
    command: Path, place: Path, change: dict[str, Any], said: bytes
) -> None:
    (place / "tiers.json").write_text(json.dumps({**tiers(place), **change}))
    done = run(command, place / "tiers.json")
    assert done.returncode == 1 and said in done.stderr and b"Traceback" not in done.stderr


def test_a_file_that_is_none(command: Path, place: Path) -> None:
    for text, said in (("{", b"can't be read|neither|yaml"), ("[]", b"has not all of tier_path")):
        (place / "tiers.json").write_text(text)
        done = run(command, place / "tiers.json")
        assert done.returncode == 1 and b"Traceback" not in done.stderr
        assert any(word in done.stderr for word in said.split(b"|"))
