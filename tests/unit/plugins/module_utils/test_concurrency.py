# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many workers."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.concurrency import workers_for
from ansible_collections.scaleout.ingest.plugins.module_utils.errors import IngestError


@pytest.mark.parametrize("workers", ["many", 0, -1, 1.5, True, None])
def test_workers_that_are_no_number(tmp_path: Path, workers: object) -> None:
    with pytest.raises(IngestError, match="workers"):
        workers_for((bytes(tmp_path),), workers)


def test_as_many_workers_as_asked_and_one_for_each_mount(tmp_path: Path) -> None:
    here = (bytes(tmp_path),)
    assert workers_for(here, 5, cpus=2) == (5, 1)
    assert workers_for(here, "auto", cpus=2) == (2, 1)
    assert workers_for(here, 1, 6, cpus=2) == (6, 1)
    processes, threads = workers_for(here, 64, cpus=4)
    assert processes * threads >= 64
