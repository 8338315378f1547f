# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ended runs left is found and read; what is no run's is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.report.stored import runs_at, stats_of


def run(folder: Path, text: str) -> str:
    folder.mkdir(parents=True)
    (folder / "stats.json").write_text(text)
    return str(folder)


def test_a_run_or_the_runs_in_a_folder(tmp_path: Path) -> None:
    stats = json.dumps({"hosts": {}, "parameters": {}, "files": 3})
    second, first = run(tmp_path / "b", stats), run(tmp_path / "a", stats)
    (tmp_path / "c").mkdir()
    assert runs_at(str(tmp_path)) == [first, second]
    assert runs_at(first) == [first]
    assert stats_of(first)["files"] == 3
    with pytest.raises(IngestError, match=r"/nowhere can't be read: No such file"):
        runs_at("/nowhere")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hosts": [], "parameters": {}}', '"hosts"'])
def test_what_is_no_run(tmp_path: Path, text: str) -> None:
    with pytest.raises(IngestError, match=r"run/stats\.json can't be used"):
        stats_of(run(tmp_path / "run", text))
