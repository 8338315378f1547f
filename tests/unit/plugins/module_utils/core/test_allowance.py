# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes share: real ones, and a clock that the test sets."""

from __future__ import annotations

import os
import signal
import threading
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core import allowance as room
from ansible_collections.scaleout.ingest.plugins.module_utils.core.allowance import Allowance


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 1e-6)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(room, "elapsed", lambda: made.now)
    monkeypatch.setattr(room.time, "sleep", made.sleep)
    yield made


def test_a_budget_is_kept_and_nobody_else_s(clock: Clock) -> None:
    allowance = Allowance(1000, 10)
    waited: list[float] = []
    for _block in range(20):
        allowance.spend_bytes(500, lambda: waited.append(clock.now))
    assert clock.now == pytest.approx(1010 - 0.2, abs=0.3)
    assert waited and max(b - a for a, b in zip(waited, waited[1:])) < 0.6
    allowance.spend_files(20, lambda: None)
    assert clock.now == pytest.approx(1012 - 0.2, abs=0.5)


def test_without_a_limit_nobody_waits(clock: Clock) -> None:
    allowance = Allowance()
    allowance.spend_bytes(1 << 40, pytest.fail)
    allowance.spend_files(1 << 40, pytest.fail)
    assert clock.now == 1000


def test_a_change_is_heard_by_those_who_wait(clock: Clock) -> None:
    """A thousand seconds of waiting are ten with a hundred times the rate, for those who wait and
    those who come."""
    allowance = Allowance(1)

    def change() -> None:
        if clock.now > 1001 and allowance.bytes == 1:
            allowance.change(100, 0, False)

    allowance.spend_bytes(1000, change)
    assert clock.now == pytest.approx(1011, abs=1)
    allowance.spend_bytes(100, lambda: None)
    assert clock.now == pytest.approx(1012, abs=1)


def test_no_limit_ends_all_waiting(clock: Clock) -> None:
    allowance = Allowance(1)
    allowance.spend_bytes(10_000, lambda: clock.now > 1001 and allowance.change(0, 0, False))
    assert clock.now < 1003
    allowance.spend_bytes(10_000, pytest.fail)


def test_a_pause_holds_up_what_has_no_limit(clock: Clock) -> None:
    allowance = Allowance(paused=True)
    assert allowance.paused

    def go_on() -> None:
        if clock.now > 1100:
            allowance.change(0, 0, False)

    allowance.spend_files(1, go_on)
    assert 1100 < clock.now < 1102
    assert not allowance.paused


def test_processes_share_it_and_one_that_is_killed_holds_up_nobody() -> None:
    allowance = Allowance(1 << 30)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # dies in the middle of a booking
        with allowance._locked():
            os.write(writer, b"x")
            threading.Event().wait()
    os.read(reader, 1)
    booked = threading.Thread(target=allowance.spend_bytes, args=(1, lambda: None), daemon=True)
    booked.start()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    booked.join(60)
    assert not booked.is_alive()
    other = os.fork()
    if other == 0:
        allowance.change(7, 8, True)
        os._exit(0)
    os.waitpid(other, 0)
    assert (allowance.bytes, allowance.paused) == (7, True)
    os.close(reader)
    os.close(writer)
