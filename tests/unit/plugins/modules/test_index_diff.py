# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module index_diff as Ansible runs it: a process that reads arguments and prints JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.tests.support import indexes
from ansible_collections.scaleout.ingest.tests.support.modules import run as run_module

pytest.importorskip("ansible", reason="tests of modules need ansible-core")


def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
    """The module's answer."""
    return run_module("index_diff", check, **arguments)


@pytest.fixture(name="changed")
def _changed(tmp_path: Path) -> Path:
    """A folder with indexes of a tree before and after a change."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "{{ a }}").write_text("x")
    indexes.scan(str(tmp_path / "tree"), str(tmp_path / "old"), workers=1)
    (tmp_path / "tree" / "{{ a }}").write_text("longer")
    indexes.scan(str(tmp_path / "tree"), str(tmp_path / "new"), workers=1)
    return tmp_path


@pytest.mark.parametrize("check", [False, True])
def test_result_and_file(changed: Path, check: bool) -> None:
    dest = changed / "changes"
    answer = run(check, old=str(changed / "old"), new=str(changed / "new"), dest=str(dest))
    assert answer["changed"] is not check and dest.exists() is not check
    assert answer["counts"]["changed"]["files"] == answer["listed"] == 1
    assert answer["rows"][0]["path"] == "{{ a }}" and answer["followed"]
    assert answer["rows"][0]["fields"] == ["size", "mtime", "ctime"]
    if not check:
        assert json.loads(dest.read_text())["new"]["size"] == 6


def test_what_is_wrong_is_a_sentence(changed: Path) -> None:
    new = str(changed / "new")
    assert "no earlier generation" in run(new=new)["msg"]
    assert "there is no index in" in run(old=str(changed / "tree"), new=new)["msg"]
    assert run(old=new, new=new, rows=-1)["msg"] == "rows: -1 is negative"
    assert "fields: an empty list" in run(old=new, new=new, fields=[])["msg"]
