# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that copy at the same time: more and more of them, then fewer again.

Each copies without a pause from when it joins to when it leaves. So every number of clients is
measured twice, before and after the full number, and what drifts meanwhile cancels out.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple, Sequence

# Of a window: in which a client that has just joined gets going, and one that has left ends what
# it had begun; and by how much the first one begins earlier.
_SETTLE, _LEAD = 0.35, 0.6


class Window(NamedTuple):
    """A time (s) in which so many clients copied."""

    clients: int
    begin: float
    end: float


class Schedule(NamedTuple):
    """When each client copies (s, from the beginning), and the windows that come of it."""

    turns: list[tuple[float, float]]
    windows: list[Window]


def ladder(most: int) -> list[int]:
    """1, 2, 4, … and ``most``."""
    numbers = []
    number = 1
    while number < most:
        numbers.append(number)
        number *= 2
    return [*numbers, most]


def mounts_to_try(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, … and ``most``."""
    numbers = {most}
    number = 1
    while number < most:
        numbers.add(number)
        if number > 1 and number * 3 // 2 < most:
            numbers.add(number * 3 // 2)
        number *= 2
    return sorted(numbers)


def schedule(clients: int, width: float) -> Schedule:
    """Windows of ``width`` s for each step of the ladder, up and down."""
    steps = ladder(clients)
    lead = width * _LEAD
    windows = [
        Window(number, lead + at * width, lead + (at + 1) * width)
        for at, number in enumerate([*steps, *reversed(steps)])
    ]
    turns = []
    for client in range(clients):
        mine = [window for window in windows if window.clients > client]
        turns.append((mine[0].begin if client else 0.0, mine[-1].end))
    return Schedule(turns, windows)


def done_by(timeline: Sequence[Sequence[float]], at: float, column: int) -> float:
    """What of a timeline (of time, files, bytes) was done by a time; between two of its entries, in
    proportion."""
    if not timeline or at <= timeline[0][0]:
        return 0.0
    if at >= timeline[-1][0]:
        return timeline[-1][column]
    after = bisect_right([entry[0] for entry in timeline], at)
    first, last = timeline[after - 1], timeline[after]
    part = (at - first[0]) / max(last[0] - first[0], 1e-9)
    return first[column] + (last[column] - first[column]) * part


def rates(
    timelines: Sequence[Sequence[Sequence[float]]], windows: Sequence[Window], bound: str
) -> list[tuple[int, float]]:
    """For each window how many clients there were, and what they did together, files or bytes a
    second; none if one of them began too late. Timelines are in the order of joining, and have the
    time of the windows."""
    column = 1 if bound == "files" else 2
    found = []
    for window in windows:
        begin = window.begin + (window.end - window.begin) * _SETTLE
        mine = timelines[: window.clients]
        if any(not timeline or timeline[0][0] > begin for timeline in mine):
            continue  # one was late
        amount = sum(
            done_by(timeline, window.end, column) - done_by(timeline, begin, column)
            for timeline in mine
        )
        found.append((window.clients, amount / (window.end - begin)))
    return found
