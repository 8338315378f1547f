# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers that may be named are those that there are."""

from __future__ import annotations

from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import TIER_DRIVERS
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.registry import DRIVERS


def test_each_name_has_its_driver() -> None:
    assert tuple(DRIVERS) == TIER_DRIVERS
