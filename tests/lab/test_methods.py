# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every method over real NFS, on a tree with many directories. Not among `make test`'s: run
``pytest tests/lab``."""

from __future__ import annotations

import pytest
from ansible_collections.scaleout.ingest.tests.lab import cluster
from ansible_collections.scaleout.ingest.tests.lab.session import Driven, warnings

SHAPE = cluster.Shape(clients=2, nodes=2)


@pytest.mark.parametrize("method", ["copy", "rsync", "msrsync"])
def test_a_wide_tree(lab: Driven, method: str) -> None:
    lab.fill(4000, large=2, folders=2000)
    play = lab.ingest(ingest_method=method).good()
    lab.same()
    assert warnings(play.output) == []
    stats = play.stats()
    assert stats["failed"] == 0 and stats["verify"]["files"] >= 4002, stats
    assert all(host["files"] for host in stats["hosts"].values()), stats["hosts"]
    assert lab.ingest(ingest_method=method).good().changed() == 0
    lab.same()
