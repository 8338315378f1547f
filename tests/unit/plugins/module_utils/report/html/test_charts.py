# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of the report's charts."""

from __future__ import annotations

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.report.html.charts import (
    chart_data,
    smooth,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.report.series import Series


def test_a_limit_of_3_mb_a_second_has_no_peak_of_12() -> None:
    """What is counted when a piece is complete, 12 MB every four seconds, is no peak."""
    steps = [12e6 if step % 4 == 3 else 0.0 for step in range(120)]
    stats = {"bound": "bytes", "hosts": {}, "destinations": []}
    found = chart_data(stats, (), 1.0, [Series("a", steps, steps, [4] * 120)])["throughput"]
    rates = found["series"][0]["bytes"]
    assert len(rates) == 120 and found["workers"] == [4] * 120
    assert max(rates) <= 4.5 and max(rates[10:-10]) <= 3.6


def test_an_even_rate_stays() -> None:
    assert smooth([5.0] * 9, 4) == [5.0] * 9
    assert smooth([1.0, 3.0], 1) == [1.0, 3.0]
    assert smooth([], 3) == []
    assert sum(smooth([0.0, 0.0, 9.0, 0.0, 0.0], 3)) == pytest.approx(9.0)
