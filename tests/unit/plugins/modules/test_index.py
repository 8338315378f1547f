# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index module as Ansible runs it: a process that reads arguments and prints JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.tests.support.modules import run as run_module

pytest.importorskip("ansible", reason="tests of modules need ansible-core")


def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
    """The module's answer."""
    return run_module("index", check, **arguments)


@pytest.fixture(name="source")
def make_source(tmp_path: Path) -> Path:
    """A small tree."""
    root = tmp_path / "source"
    for n in range(6):
        (root / f"dir{n % 3}" / f"sub{n}").mkdir(parents=True)
        (root / f"dir{n % 3}" / f"sub{n}" / "file").write_bytes(b"x" * 1000 * n)
    (root / "link").symlink_to("nowhere")
    return root


def test_a_generation(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    answer = run(
        source=str(source), index_dir=str(folder), policies=[{"name": "large", "when": "size > 2k"}]
    )
    assert answer["changed"] and answer["generation"] == os.path.realpath(folder / "current")
    assert (answer["files"], answer["links"], answer["directories"]) == (6, 1, 10)
    assert answer["bytes"] == 15000 and answer["errors"] == 0 and answer["failures"] == []
    assert answer["listed"] == 10 and answer["policies"]["large"]["entries"] == 3
    assert folder.stat().st_mode & 0o777 == 0o700
    again = run(source=str(source), index_dir=str(folder), subtrees=["dir1"])
    assert again["listed"] == 3 and again["files"] == 6


def test_check_mode_writes_nothing(source: Path, tmp_path: Path) -> None:
    answer = run(True, source=str(source), index_dir=str(tmp_path / "index"))
    assert answer["changed"] and not (tmp_path / "index").exists()
    answer = run(True, source=str(tmp_path / "nowhere"), index_dir=str(tmp_path / "index"))
    assert "does not exist" in answer["msg"]


def test_what_is_wrong_is_one_sentence(source: Path, tmp_path: Path) -> None:
    for options, message in (
        ({"settled": "soon"}, "settled: 'soon' is not a period such as 90d"),
        ({"generations": 0}, "generations: 0 is less than 1"),
        ({"subtrees": ["dir0"]}, "subtrees: all has to be scanned first, as there is no earlier"),
        ({"policies": [{"name": "x", "when": "siz > 1"}]}, "policies: x: "),
    ):
        answer = run(source=str(source), index_dir=str(tmp_path / "index"), **options)
        assert answer["failed"] and message in answer["msg"], answer
    assert not (tmp_path / "index" / "current").exists()
