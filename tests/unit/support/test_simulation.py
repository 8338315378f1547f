# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fleet on the real dispatch, with a clock that is set: what takes time there is drawn from
a seed, and the same everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.tests.simulation.run import simulate


@pytest.mark.parametrize("split, seed", [("round_robin", 1), ("balanced", 2), ("dynamic", 3)])
def test_nobody_waits(tmp_path: Path, split: str, seed: int) -> None:
    """Hosts of which some are eight times as fast as others, and one dies: all are done at nearly
    the same moment, and no shard is two hosts'."""
    done = simulate(str(tmp_path), 12, 1_000_000, 500, split, seed, 0.1)
    assert done.dead == 1
    assert done.cut or split != "round_robin"  # others have small shards
    assert done.bound <= done.seconds <= 1.1 * done.bound
