# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search, on simulated curves with noise. Nothing here takes time."""

from __future__ import annotations

import math
import random
from typing import Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.search import (
    Enough,
    conclude,
    search,
    steps,
)

Curve = Callable[[float], float]
SEEDS = range(20)
MOST = 128


class Simulated:
    """Trials of a curve, each off by some part of its rate."""

    def __init__(self, curve: Curve, noise: float, seed: int, limit: int = 1000) -> None:
        self.curve = curve
        self.noise = noise
        self.random = random.Random(seed)
        self.limit = limit
        self.asked: list[int] = []

    def __call__(self, number: int) -> float:
        if len(self.asked) >= self.limit:
            raise Enough
        self.asked.append(number)
        return self.curve(number) * math.exp(self.random.gauss(0, self.noise))


def flat(_number: float) -> float:
    return 100.0


def saturating(number: float) -> float:
    """Each worker adds as much as the first, until a limit is reached."""
    return min(40.0 * number, 1000.0)


def soft(number: float) -> float:
    """As where workers wait for each other."""
    return 1000 * number / (number + 6)


def peaked(number: float) -> float:
    """Too many cost something."""
    return 1000 * (number / 20) * math.exp(1 - number / 20)


def two_limits(number: float) -> float:
    """Growing fast to 8, slowly to 48, and then less and less."""
    fast, slow = min(number, 8) * 100, max(0.0, min(number, 48) - 8) * 8
    return fast + slow - max(0.0, number - 48) * 4


def best_of(curve: Curve, most: int = MOST) -> float:
    return max(map(curve, range(1, most + 1)))


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("curve", [flat, saturating, soft, peaked, two_limits])
def test_what_is_found_is_nearly_the_best(curve: Curve, noise: float) -> None:
    for seed in SEEDS:
        found = search(Simulated(curve, noise, seed), MOST)
        assert curve(found.number) >= best_of(curve) * (0.9 - 1.5 * noise), (seed, found)
        assert found.complete and found.low <= found.rate <= found.high


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_it_is_the_fewest_that_will_do(noise: float) -> None:
    for seed in SEEDS:
        assert search(Simulated(flat, noise, seed), MOST).number <= 4
        assert 18 <= search(Simulated(saturating, noise, seed), MOST).number <= 40
        assert 12 <= search(Simulated(peaked, noise, seed), MOST).number <= 24


@pytest.mark.parametrize("noise", [0.0, 0.03, 0.1, 0.3])
def test_the_number_of_trials_is_bounded(noise: float) -> None:
    for curve in (flat, saturating, soft, peaked, two_limits):
        for seed in SEEDS:
            trials = Simulated(curve, noise, seed)
            search(trials, MOST)
            assert len(trials.asked) <= 90, (curve, seed)


def test_more_noise_than_gain_ends_the_comparison_not_the_search() -> None:
    quiet, loud = Simulated(soft, 0.01, 1), Simulated(soft, 0.4, 1)
    precise, rough = search(quiet, MOST), search(loud, MOST)
    assert rough.noise > 0.2 > 0.05 > precise.noise
    assert rough.complete and rough.high / rough.low > precise.high / precise.low


def test_a_rate_that_still_grows_says_so() -> None:
    assert search(Simulated(lambda number: 10.0 * number, 0.03, 1), 32).growing
    assert search(Simulated(lambda number: 10.0 * number, 0.03, 1), 32).number == 32
    assert not search(Simulated(saturating, 0.03, 1), MOST).growing
    assert not search(Simulated(flat, 0.03, 1), 1).growing


def test_a_cluster_that_slows_down_meanwhile_is_noticed() -> None:
    """From some trial on everything takes three times as long, and the best is elsewhere."""
    for seed in SEEDS:
        trials = Simulated(flat, 0.03, seed)

        def curve(number: float, trials: Simulated = trials) -> float:
            return saturating(number) if len(trials.asked) < 11 else soft(number) / 3

        trials.curve = curve
        found = search(trials, MOST)
        assert not found.steady, seed
        # What is said of it holds for both times.
        assert found.low <= soft(found.number) / 3 * 1.1 and found.high >= found.rate


def test_what_drifts_is_not_taken_for_a_gain() -> None:
    """All rates fall by two percent a trial: the later a number was tried, the worse it looks."""
    for seed in SEEDS:
        trials = Simulated(flat, 0.02, seed)

        def curve(number: float, trials: Simulated = trials) -> float:
            return saturating(number) * 0.98 ** len(trials.asked)

        trials.curve = curve
        found = search(trials, MOST)
        assert saturating(found.number) >= 0.7 * best_of(saturating), (seed, found)


def test_the_trials_may_end_at_any_time() -> None:
    for limit in range(40):
        found = search(Simulated(saturating, 0.03, 1, limit), MOST)
        assert found.complete == (found.number > 0 and limit > 25) or limit > 10
        if limit:
            assert found.number >= 1 and found.rate > 0
        else:
            assert found.number == 0 and not found.complete


def test_steps_go_up_and_down() -> None:
    trials = Simulated(saturating, 0.0, 1)
    made = steps(trials, [1, 2, 3])
    assert trials.asked == [1, 2, 3, 3, 2, 1]
    assert [point.number for point in made.points()] == [1, 2, 3]
    found = conclude(made, 3)
    assert found.number == 3 and found.growing
    fewer = conclude(steps(Simulated(flat, 0.02, 2), [1, 2, 4]), 4)
    assert fewer.number == 1 and not fewer.growing
    cut = conclude(steps(Simulated(flat, 0.0, 2, 2), [1, 2, 4]), 4)
    assert cut.number == 1 and len(cut.points) == 2
