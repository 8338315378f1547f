# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small fleet on the real dispatch, with a clock that is set: what takes time there is drawn from
a seed, and the same everywhere."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.scaleout.ingest.tests.simulation.run import simulate


def test_nobody_waits(tmp_path: Path) -> None:
    """Hosts of which some are eight times as fast as others, and one dies: all are done at nearly
    the same moment, and no shard is two hosts'."""
    done = simulate(str(tmp_path), 12, 1_000_000, 500, "round_robin", 1, 0.1)
    assert done.dead == 1
    assert done.cut
    assert done.bound <= done.seconds <= 1.1 * done.bound
