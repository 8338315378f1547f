# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files move to and fro between two disks under the hands of those who use them: not a byte that
was acknowledged is lost, and every path is always there. `make attack-tier` goes on."""

from __future__ import annotations

import os
import tempfile
import time

import pytest
from ansible_collections.scaleout.ingest.tests.attack_tier.storm import Storm
from ansible_collections.scaleout.ingest.tests.support import trees
from ansible_collections.scaleout.ingest.tests.support.union import Pools, why_not


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.parametrize("kills", [False, True], ids=["quiet", "kills"])
def test_nothing_is_lost(kills: bool) -> None:
    seed = int(os.environ.get("SEED", time.time()))
    print("seed", seed)
    folder = tempfile.mkdtemp(prefix="scaleout-tier-", dir="/var/tmp")
    try:
        with Pools(folder, options="cache.files=off") as pools:
            storm = Storm(pools, seed, kills=kills)
            wrong = storm.run(12.0)
            assert not wrong, "\n".join([f"seed {seed}", *wrong])
            print(dict(storm.outcomes), "killed", storm.killed, dict(storm.mended))
            assert storm.outcomes["moved"] > 20 and storm.outcomes["hot"] > 0
            assert not kills or storm.killed > 3
    finally:
        trees.remove(os.fsencode(folder))
