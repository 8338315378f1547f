# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules of several clients, and what their timelines come to."""

from __future__ import annotations

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.together import (
    Window,
    done_by,
    ladder,
    mounts_to_try,
    rates,
    schedule,
)


def test_what_is_tried() -> None:
    assert [ladder(most) for most in (1, 2, 3, 5, 8)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 4, 5],
        [1, 2, 4, 8],
    ]
    assert [mounts_to_try(most) for most in (1, 2, 3, 4, 6, 12)] == [
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 3, 4],
        [1, 2, 3, 4, 6],
        [1, 2, 3, 4, 6, 8, 12],
    ]


def test_each_number_of_clients_is_there_twice() -> None:
    plan = schedule(3, 2.0)
    assert [window.clients for window in plan.windows] == [1, 2, 3, 3, 2, 1]
    assert plan.turns == [(0.0, 13.2), (3.2, 11.2), (5.2, 9.2)]
    assert plan.windows[0].begin == 1.2, "the first has some time to get going"
    for window in plan.windows:
        middle = (window.begin + window.end) / 2
        assert sum(begin <= middle < end for begin, end in plan.turns) == window.clients


def test_between_two_entries_in_proportion() -> None:
    timeline = [[10.0, 0, 0], [12.0, 20, 4000], [13.0, 20, 4000], [14.0, 40, 8000]]
    found = [done_by(timeline, at, 1) for at in (9.0, 10.0, 11.0, 12.5, 13.5, 20.0)]
    assert found == [0.0, 0.0, 10.0, 20.0, 30.0, 40.0]
    assert done_by([], 3.0, 1) == 0.0


@pytest.mark.parametrize("bound", ["files", "bytes"])
def test_rates_are_those_of_all_who_were_at_work(bound: str) -> None:
    """Two clients; a file, or a byte, a millisecond for each; the second comes later."""
    plan = schedule(2, 1.0)
    timelines = [
        [
            [at / 10, (at / 10 - begin) * 1000, (at / 10 - begin) * 1000]
            for at in range(int(begin * 10), int(end * 10) + 1)
        ]
        for begin, end in plan.turns
    ]
    found = rates(timelines, plan.windows, bound)
    assert [number for number, _rate in found] == [1, 2, 2, 1]
    assert [round(rate) for _number, rate in found] == [1000, 2000, 2000, 1000]


def test_the_beginning_of_a_window_does_not_count() -> None:
    """Who has just joined opens its trees first."""
    timeline = [[0.0, 0, 0], [0.35, 0, 0], [1.0, 65, 0]]
    assert rates([timeline], [Window(1, 0.0, 1.0)], "files") == [(1, pytest.approx(100))]


def test_what_a_client_ends_after_its_turn_does_not_count() -> None:
    long = [[0.0, 0, 0], [1.0, 100, 0], [2.0, 200, 0]]
    windows = [Window(2, 0.0, 1.0), Window(1, 1.0, 2.0)]
    assert rates([long, long], windows, "files") == [
        (2, pytest.approx(200)),
        (1, pytest.approx(100)),
    ]


def test_a_window_in_which_one_was_late_says_nothing() -> None:
    early, late = [[0.0, 0, 0], [3.0, 300, 0]], [[1.4, 0, 0], [3.0, 160, 0]]
    windows = [Window(2, 0.0, 1.0), Window(2, 1.0, 2.0), Window(2, 2.0, 3.0), Window(1, 2.0, 3.0)]
    found = rates([early, late], windows, "files")
    assert found == [(2, pytest.approx(200)), (1, pytest.approx(100))]
