# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets by weekday and time of day."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.windows import (
    Budget,
    budget_at,
    read_windows,
)

OFFICE = {"days": "mon-fri", "hours": "08:00-18:00", "bandwidth_limit": "1M"}
NIGHT = {"days": ["fri"], "hours": "22:00-06:00", "pause": True}
WEEKEND = {"days": "sat,sun", "file_rate_limit": 500}


def at(windows: list[dict[str, Any]], moment: str) -> Budget:
    """What holds then, where outside there are 10 bytes and 20 files a second."""
    read = read_windows(windows)
    return budget_at(Budget(10, 20), read, time.strptime(moment, "%Y-%m-%d %H:%M"))


@pytest.mark.parametrize(
    "moment, expected",
    [
        ("2026-11-16 07:59", Budget(10, 20)),  # a Monday
        ("2026-11-16 08:00", Budget(1 << 20, 20)),
        ("2026-11-16 17:59", Budget(1 << 20, 20)),
        ("2026-11-16 18:00", Budget(10, 20)),
        ("2026-11-20 22:00", Budget(10, 20, True)),  # a Friday
        ("2026-11-21 05:59", Budget(10, 20, True)),  # what began on Friday, before the weekend
        ("2026-11-21 06:00", Budget(10, 500)),
        ("2026-11-22 23:59", Budget(10, 500)),
        ("2026-11-23 00:00", Budget(10, 20)),
        ("2026-11-19 23:00", Budget(10, 20)),
    ],
)
def test_the_first_that_holds(moment: str, expected: Budget) -> None:
    assert at([OFFICE, NIGHT, WEEKEND], moment) == expected


def test_days_over_the_end_of_a_week_and_no_limit_at_all() -> None:
    windows = [{"days": "sat-mon", "bandwidth_limit": 0}]
    found = [at(windows, f"2026-11-{day} 12:00").bytes for day in range(16, 23)]
    assert found == [0, 10, 10, 10, 10, 0, 0]


@pytest.mark.parametrize(
    "given, said",
    [
        ("mon", "windows: it is no list of windows, each a mapping of days, hours"),
        (["mon"], "windows[0]: 'mon' is no mapping"),
        ([OFFICE, {"day": "mon"}], "windows[1]: there is no 'day' in a window, only days, hours"),
        ([{"days": "mon"}], "windows[0]: it says neither bandwidth_limit, file_rate_limit nor"),
        ([{**OFFICE, "days": "mon-fry"}], "windows[0].days: 'fry' is not one of mon, tue"),
        ([{**OFFICE, "days": []}], "windows[0].days: '[]' names no days such as mon-fri"),
        ([{**OFFICE, "days": 1}], "windows[0].days: '1' names no days"),
        ([{**OFFICE, "hours": "8-18"}], "windows[0].hours: '8-18' are no hours such as 08:00"),
        ([{**OFFICE, "hours": "08:60-18:00"}], "windows[0].hours: '08:60-18:00' are no hours"),
        ([{**OFFICE, "hours": "24:00-08:00"}], "windows[0].hours: '24:00-08:00' are no hours"),
        ([{**OFFICE, "hours": "08:00-08:00"}], "windows[0].hours: '08:00-08:00' are no hours"),
        (
            [{**OFFICE, "bandwidth_limit": "fast"}],
            "windows[0].bandwidth_limit: 'fast' is not a number of bytes a second",
        ),
        (
            [{**OFFICE, "file_rate_limit": -1}],
            "windows[0].file_rate_limit: '-1' is not a number of files a second",
        ),
        ([{"pause": "perhaps"}], "windows[0].pause: 'perhaps' is not true or false"),
    ],
)
def test_what_is_wrong_is_named(given: Any, said: str) -> None:
    with pytest.raises(IngestError) as error:
        read_windows(given)
    assert str(error.value).startswith(said)


def test_a_part_of_a_limit_is_never_none() -> None:
    assert Budget(10, 2).of(4) == Budget(2, 1)
    assert Budget(0, 0, True).of(4) == Budget(0, 0, True)
