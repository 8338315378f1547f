# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the trials say of the limit."""

from __future__ import annotations

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.limits import (
    Evidence,
    Steps,
    diagnose,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import REMEDIES, Limit

ONE_TWO = (1, 2)
THREE = (1, 2, 3)
UP = Steps(THREE, (100, 198, 290))  # each gives as much as the first
FLAT = Steps(THREE, (100, 102, 101))
MORE_CLIENTS = Steps(ONE_TWO, (100, 197))
NO_MORE_CLIENTS = Steps(ONE_TWO, (100, 104))
ALONE = Evidence(100, latency=False, busy=0.3)


@pytest.mark.parametrize(
    ("evidence", "limit"),
    [
        # The lab's: nodes with a cap, clients with a cap, a delay.
        (ALONE._replace(rate=290, mounts=UP, clients=NO_MORE_CLIENTS), Limit.ADDRESS),
        (ALONE._replace(mounts=FLAT, clients=MORE_CLIENTS, read=101, write=101), Limit.LINK),
        (ALONE._replace(latency=True, mounts=UP, clients=MORE_CLIENTS), Limit.LATENCY),
        # All clients together.
        (ALONE._replace(clients=NO_MORE_CLIENTS, mounts=FLAT, read_together=900), Limit.CLUSTER),
        (ALONE._replace(clients=NO_MORE_CLIENTS, mounts=FLAT, read_together=108), Limit.SOURCE),
        (ALONE._replace(clients=NO_MORE_CLIENTS, mounts=UP, read_together=108), Limit.SOURCE),
        (ALONE._replace(clients=NO_MORE_CLIENTS, mounts=FLAT, busy=0.99), Limit.CLUSTER),
        # More clients help: each is at its own end.
        (ALONE._replace(clients=MORE_CLIENTS, mounts=FLAT, busy=0.97), Limit.PROCESSOR),
        (ALONE._replace(clients=MORE_CLIENTS, mounts=UP), Limit.ADDRESS),
        # One client.
        (ALONE._replace(busy=0.9, latency=True), Limit.PROCESSOR),
        (ALONE._replace(read=105, write=110), Limit.LINK),
        (ALONE._replace(read=105, write=400), Limit.SOURCE),
        (ALONE._replace(read=400, write=105), Limit.ADDRESS),
        (ALONE._replace(read=400, write=105, mounts=FLAT), Limit.CLUSTER),
        (ALONE._replace(read=400, write=105, mounts=UP), Limit.ADDRESS),
        (ALONE._replace(read=400, write=300), Limit.UNCLEAR),
        (ALONE, Limit.UNCLEAR),
    ],
)
def test_the_limit(evidence: Evidence, limit: str) -> None:
    found = diagnose(evidence)
    assert found.limit == limit, found
    assert found.because and limit in REMEDIES


def test_a_step_helps_if_it_gives_much_of_what_it_could() -> None:
    assert UP.helps and MORE_CLIENTS.helps
    assert not FLAT.helps and not NO_MORE_CLIENTS.helps
    assert Steps(THREE, (9.2, 17.4, 22.0)).helps
    assert not Steps(THREE, (9.2, 17.4, 18.0)).helps
    assert not Steps((1, 2, 4, 8), (10, 12, 14, 18)).helps
    assert not Steps().helps and not Steps((1,), (5,)).helps and not Steps(ONE_TWO, (0, 5)).helps


def test_what_says_so_has_the_numbers() -> None:
    found = diagnose(ALONE._replace(rate=290, mounts=UP, clients=NO_MORE_CLIENTS))
    assert found.because == (
        "2 clients are 1.04 times as fast as 1",
        "3 mounts are 1.46 times as fast as 2",
    )
