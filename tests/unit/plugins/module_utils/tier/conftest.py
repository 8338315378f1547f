# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real pools for the tests of this room."""

from __future__ import annotations

import os
import signal
import tempfile
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.tier import leases
from ansible_collections.scaleout.ingest.tests.support import trees
from ansible_collections.scaleout.ingest.tests.support.union import Pools, why_not


@pytest.fixture
def pools() -> Iterator[Pools]:
    """Two disks under mergerfs."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    folder = tempfile.mkdtemp(prefix="scaleout-tier-", dir="/var/tmp")
    before = signal.getsignal(signal.SIGIO)
    leases.listen()
    umask = os.umask(0)
    try:
        with Pools(folder, megabytes=32) as running:
            yield running
    finally:
        os.umask(umask)
        signal.signal(signal.SIGIO, before)
        trees.remove(os.fsencode(folder))
