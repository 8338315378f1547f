# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of workers climbs to where the rate is best: simulated rates with noise, no clock."""

from __future__ import annotations

import random
from typing import Callable, NamedTuple

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client.climb import Climb, Pace

LEAST, MOST, START = 1, 128, 16
SEEDS = 20
Curve = Callable[[int], float]


def limit(most: float) -> Curve:
    """Each worker adds 30 until something is full."""
    return lambda number: min(number * 30.0, most)


def peak(best: int) -> Curve:
    """More than so many stand in each other's way."""
    return lambda number: 2000 / (number / best + best / number)


def flat(_number: int) -> float:
    return 1000.0


def bend(half: int) -> Curve:
    """Each further one adds less."""
    return lambda number: 1000.0 * number / (number + half)


class Path(NamedTuple):
    """What came of a run: the number and its part of the best possible rate, by second."""

    numbers: list[int]
    parts: list[float]

    def part(self, begin: int, end: int | None = None) -> float:
        chosen = self.parts[begin:end]
        return sum(chosen) / len(chosen)


def run(curve: Callable[[int, int], float], noise: float, seed: int, seconds: int = 120) -> Path:
    chance = random.Random(seed)
    pace = Pace(1, START, LEAST, MOST)
    path = Path([], [])
    for second in range(seconds):
        (number,) = pace.numbers
        best = max(curve(each, second) for each in range(LEAST, MOST + 1))
        path.numbers.append(number)
        path.parts.append(curve(number, second) / best)
        pace.tick([max(0.0, curve(number, second) * chance.gauss(1, noise))])
    return path


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.08])
@pytest.mark.parametrize(
    "curve",
    [limit(100), limit(300), limit(1000), limit(1e9), peak(4), peak(12), peak(50), bend(30), flat],
)
def test_within_a_tenth_of_the_best_after_half_a_minute(curve: Curve, noise: float) -> None:
    paths = [run(lambda number, _second: curve(number), noise, seed) for seed in range(SEEDS)]
    parts = sorted(path.part(30) for path in paths)
    assert sum(parts) / len(parts) > 0.93
    assert parts[SEEDS // 10] > 0.9  # nine of ten runs, with all that looking around costs


@pytest.mark.parametrize("seed", range(10))
def test_fewer_where_more_gain_nothing(seed: int) -> None:
    path = run(lambda number, _second: limit(300)(number), 0.02, seed)
    late = sorted(path.numbers[60:])
    assert late[len(late) // 2] <= 16


@pytest.mark.parametrize("seed", range(10))
def test_backs_off_when_the_cluster_slows_down(seed: int) -> None:
    path = run(lambda number, second: limit(2000 if second < 60 else 200)(number), 0.03, seed, 150)
    before, after = sorted(path.numbers[40:60]), sorted(path.numbers[100:])
    assert before[10] >= 45 and after[25] <= 16
    assert path.part(95) > 0.9


@pytest.mark.parametrize("seed", range(10))
def test_finds_what_the_cluster_gained(seed: int) -> None:
    path = run(lambda number, second: limit(300 if second < 60 else 2000)(number), 0.03, seed, 200)
    assert path.part(30, 60) > 0.9 and path.part(140) > 0.9


def test_where_nothing_varies_it_rests_on_the_best() -> None:
    climb = Climb(START, LEAST, MOST)
    for _measurement in range(40):
        climb.measured(peak(45)(climb.number))
    seen = [climb.number for _measurement in range(40) if climb.measured(peak(45)(climb.number))]
    assert seen.count(max(set(seen), key=seen.count)) > 30
    assert peak(45)(max(set(seen), key=seen.count)) > 0.95 * peak(45)(45)


@pytest.mark.parametrize("start, least, most", [(1, 1, 1), (5, 5, 5), (40, 1, 42), (9, 4, 10)])
def test_never_outside_the_bounds(start: int, least: int, most: int) -> None:
    chance = random.Random(7)
    pace = Pace(3, start, least, most)
    for _tick in range(300):
        assert all(least <= number <= most for number in pace.numbers)
        pace.tick([chance.uniform(0, 1000) for _mount in range(3)])


def mounts(caps: list[float], client: float, seconds: int, seed: int) -> tuple[list[int], float]:
    """Mounts with limits of their own, and one of the client that they share; the numbers at the
    end, and the part of the best rate from the 30th second on."""
    chance = random.Random(seed)
    pace = Pace(len(caps), 5, 1, 42)
    best = min(client, sum(min(42 * 30.0, cap) for cap in caps))
    done = 0.0
    for second in range(seconds):
        own = [limit(cap)(number) for number, cap in zip(pace.numbers, caps)]
        part = min(1.0, client / sum(own))
        done += part * sum(own) * (second >= 30)
        pace.tick([part * rate * chance.gauss(1, 0.03) for rate in own])
    return pace.numbers, done / best / (seconds - 30)


@pytest.mark.parametrize("seed", range(10))
def test_mounts_that_share_the_client_do_not_race(seed: int) -> None:
    numbers, part = mounts([1e9, 1e9, 1e9], 600, 200, seed)
    assert max(numbers) <= 10 and part > 0.93


def test_a_slow_mount_gets_fewer_than_the_others() -> None:
    slow = [mounts([300, 60, 300], 1e9, 300, seed) for seed in range(20)]
    assert all(part > 0.93 for _numbers, part in slow)
    assert sum(numbers[1] < max(numbers) for numbers, _part in slow) >= 15


def test_a_mount_that_does_nothing_is_no_reason_to_stop() -> None:
    pace = Pace(2, 4, 1, 64)
    for _tick in range(60):
        pace.tick([limit(900)(pace.numbers[0]), 0.0])
    assert pace.numbers[0] >= 23
    pace.tick([0.0, 0.0])
