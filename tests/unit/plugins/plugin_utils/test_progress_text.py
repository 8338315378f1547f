# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress as text, from messages played by hand."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ansible", reason="controller code needs ansible-core")

from ansible_collections.scaleout.ingest.plugins.plugin_utils.progress_text import State


def said(host: str = "a", **fields: Any) -> dict[str, Any]:
    done = {"done_" + name: fields.get(name, 0) for name in ("files", "bytes")}
    share = {"total_files": 1000, "total_bytes": 10**9}
    return {"stage": "copy", "host": host, "state": "running", **share, **done, **fields}


def test_nothing_is_shown_before_and_after() -> None:
    state = State()
    assert state.line() == "" and state.block(80, 24) == []
    state.take(said(), 0.0)
    assert state.line() and state.block(80, 24)
    state.take(said(state="done"), 1.0)
    assert state.line() == "" and state.block(80, 24) == []


def test_rates_percent_and_eta() -> None:
    state = State()
    for second in range(6):
        state.take(said("a", files=50 * second, bytes=50_000_000 * second), float(second))
        state.take(said("b", files=50 * second, bytes=50_000_000 * second), float(second))
    assert state.block(200, 24) == [
        "a      25.0 %       50 files/s    50.0 MB/s",
        "b      25.0 %       50 files/s    50.0 MB/s",
        "copy   25.0 %  500 of 2,000 files  500 MB  100 files/s  100 MB/s  ETA 0:15",
    ]
    assert state.line().endswith("ETA 0:15, 2 hosts")


def test_large_pieces_are_no_change_of_speed() -> None:
    """12 MB every four seconds, as a limit of 3 MB/s has it: the time left shrinks steadily."""
    state = State()
    left = []
    for second in range(200):
        state.take(said("a", bytes=12_000_000 * (second // 4)), float(second))
        if second > 60:
            minutes, seconds = state.line().split("ETA ")[1].split(",")[0].split(":")
            left.append(60 * int(minutes) + int(seconds))
    jumps = [abs(after - before) for before, after in zip(left, left[1:])]
    assert max(jumps) <= 0.1 * left[0]
    assert left[-1] < left[0]


def test_a_host_that_seldom_speaks_has_a_rate() -> None:
    state = State()
    for minute in range(3):
        state.take(said("a", files=6000 * minute), 60.0 * minute)
    assert "100 files/s" in state.line()


def test_a_new_stage_forgets_the_last_one() -> None:
    state = State()
    state.take({"stage": "scan", "host": "a", "state": "running", "files": 7}, 0.0)
    assert "7 entries" in state.line()
    state.take(said("b"), 1.0)
    assert len(state.block(80, 24)) == 2


def test_more_hosts_than_lines_shows_the_slowest() -> None:
    state = State()
    for number in range(100):
        state.take(said("host%03d" % number, files=number), 0.0)
    lines = state.block(200, 5)
    assert [line.split()[0] for line in lines] == [
        "host000",
        "host001",
        "host002",
        "host003",
        "copy",
    ]
    assert lines[-1].endswith("(the 4 slowest of 100 hosts)")
    assert all(len(line) <= 30 for line in state.block(30, 5))


def test_states_and_failures_are_said() -> None:
    state = State()
    state.take(said("a", state="waiting", failed=3), 0.0)
    state.take(said("b", state="dead"), 0.0)
    lines = state.block(200, 24)
    assert "waits for the others" in lines[0] and "3 failed" in lines[0]
    assert "lost" in lines[1] and "3 failed" in lines[2]


@pytest.mark.parametrize("message", [{}, {"stage": "copy"}, []])
def test_what_is_no_message_is_refused(message: Any) -> None:
    with pytest.raises((KeyError, TypeError)):
        State().take(message, 0.0)
