# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller can't do is said."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError

pytest.importorskip("ansible")

from ansible_collections.scaleout.ingest.plugins.plugin_utils import controller
from ansible_collections.scaleout.ingest.plugins.plugin_utils.controller import Controller


def test_this_controller_is_known() -> None:
    found = controller.this_one(7)
    assert found.forks == 7
    assert found.files in (-1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < found.memory <= pages


@pytest.mark.parametrize(
    "found, hosts, count",
    [
        (Controller(74, 1024, -1), 1000, 1),
        (Controller(64, 1024, -1), 1000, 0),
        (Controller(1000, 1024, -1), 16, 0),
        (Controller(1000, 65536, -1), 1000, 0),
        (Controller(1000, -1, -1), 1000, 0),
    ],
)
def test_open_files(found: Controller, hosts: int, count: int) -> None:
    said = list(controller.problems(found, hosts))
    assert len(said) == count
    assert all("ulimit -n" in sentence for sentence in said)


def test_forks_and_memory() -> None:
    assert list(controller.warnings(Controller(16, -1, -1), 16)) == []
    forks, memory = controller.warnings(Controller(8, -1, 100 << 20), 16)
    assert "--forks 16" in forks and "105 MB of free memory" in memory


def test_room_for_index_and_plan(tmp_path: Path) -> None:
    controller.check_room(str(tmp_path), 1000)
    with pytest.raises(IngestError, match="have no room|need about 200 EB"):
        controller.check_room(str(tmp_path), 10**18)
