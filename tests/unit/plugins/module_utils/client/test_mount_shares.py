# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work over mounts of different rates, in simulated time."""

from __future__ import annotations

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client.mount_shares import Spread
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.cost import cost_of

MOUNTS = (b"a", b"b", b"c")


def simulate(
    rates: dict[bytes, float], pieces: list[float], workers: int = 6
) -> tuple[float, dict[bytes, int]]:
    """(when the last piece is done, pieces by mount) with so many workers on each mount, whose
    pieces share its rate."""
    now = 0.0
    spread = Spread(list(rates), lambda: now)
    for piece in pieces:
        spread.add(piece)
    queue = list(pieces)
    held: dict[bytes, list[list[float]]] = {mount: [] for mount in rates}
    done = dict.fromkeys(rates, 0)
    while queue or any(held.values()):
        given = True
        while queue and given:
            given = False
            for mount, mine in held.items():
                if queue and len(mine) < workers and spread.may(mount, list(rates)):
                    piece = queue.pop(0)
                    spread.take(mount, piece)
                    mine.append([piece, piece])
                    given = True
        ends = {
            mount: min(left for left, _whole in mine) * len(mine) / rates[mount]
            for mount, mine in held.items()
            if mine
        }
        assert ends, "nobody may take what is left"
        step = min(ends.values())
        now += step
        for mount, mine in held.items():
            for piece_left in mine:
                piece_left[0] -= step * rates[mount] / len(mine)
            for over in [entry for entry in mine if entry[0] < 1e-9]:
                mine.remove(over)
                spread.done(mount, over[1])
                done[mount] += 1
    return now, done


def test_a_slow_mount_gets_little() -> None:
    rates = {b"a": 0.1, b"b": 0.025, b"c": 0.1}
    end, done = simulate(rates, [cost_of(1, 4_000_000)] * 30)
    ideal = 30 * cost_of(1, 4_000_000) / sum(rates.values())
    assert end < 1.25 * ideal
    assert done[b"b"] < done[b"a"] / 2 and sum(done.values()) == 30


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_equal_mounts_get_equal_parts(count: int) -> None:
    end, done = simulate(dict.fromkeys(MOUNTS, 1.0), [0.2] * count)
    assert max(done.values()) - min(done.values()) <= 1
    assert end == pytest.approx(-(-count // 3) * 0.2)


def test_one_mount_takes_all() -> None:
    assert simulate({b"a": 1.0}, [0.1] * 10)[1] == {b"a": 10}


def test_what_was_given_back_is_left() -> None:
    spread = Spread(MOUNTS, lambda: 0.0)
    spread.add(1.0)
    for _number in range(2):
        spread.take(b"a", 0.5)
    assert not spread.may(b"a", MOUNTS)
    spread.give_back(b"a", 0.5)
    assert spread.may(b"a", MOUNTS)


def test_a_dead_mount_does_not_hold_the_others_up() -> None:
    now = 0.0
    spread = Spread(MOUNTS, lambda: now)
    spread.add(10.0)
    for mount in MOUNTS:
        spread.take(mount, 0.1)
    now = 1.0
    spread.done(b"b", 0.1)
    spread.done(b"c", 0.1)
    assert spread.may(b"b", (b"b", b"c")) and spread.may(b"c", (b"b", b"c"))
