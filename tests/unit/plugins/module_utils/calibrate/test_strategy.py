# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one client tries, and what comes of it, with simulated clients and a clock of their own."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate import advice
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.advice import Clients, Whole
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.orders import (
    COPY,
    READ,
    WRITE,
    Order,
    Outcome,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.search import (
    Trials,
    conclude,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.strategy import (
    Allowance,
    Failing,
    One,
    calibrate_one,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import Limit

INFINITE = 1e12
ALLOWED = Allowance(180.0, 10**15, 128)


class Client:
    """A client with limits, each in files/s."""

    def __init__(
        self,
        worker: float = 50.0,
        address: float = INFINITE,
        link: float = INFINITE,
        source: float = INFINITE,
        cluster: float = INFINITE,
        processor: float = 20_000.0,
        noise: float = 0.03,
        size: int = 10_000,
    ) -> None:
        self.worker, self.address, self.link = worker, address, link
        self.source, self.cluster, self.processor = source, cluster, processor
        self.random = random.Random(1)
        self.noise = noise
        self.size = size
        self.now = 100.0
        self.orders: list[Order] = []
        self.failing = False

    def rate(self, order: Order) -> float:
        limits = [order.workers * self.worker, self.processor, self.link]
        if order.kind != READ:
            limits += [order.mounts * self.address, self.cluster]
        if order.kind != WRITE:
            limits.append(self.source)
        return min(limits) * math.exp(self.random.gauss(0, self.noise))

    def ask(self, order: Order) -> Outcome:
        self.orders.append(order)
        self.now += order.seconds + 0.7
        rate = self.rate(order)
        files = max(1, int(rate * order.seconds))
        size = files * self.size
        share = [[files // order.mounts, size // order.mounts]] * order.mounts
        busy = min(1.0, rate / self.processor)
        failed = files if self.failing else 0
        return Outcome(
            order.number,
            files,
            size,
            files / rate,
            failed,
            "'f': open: gone",
            busy,
            busy,
            share,
            [],
        )

    def clock(self) -> float:
        return self.now


def calibrated(client: Client, mounts: int = 3, **more: Any) -> One:
    return calibrate_one(client.ask, "files", mounts, ALLOWED, clock=client.clock, **more)[0]


def found(one: One, clients: Clients = Clients(None, 0.0, ("a",))) -> dict[str, Any]:
    destinations = [f"/mnt/{number}" for number in range(1, 4)]
    return advice.result(one, clients, Whole(10**6, 10**10), destinations, 170.0)


def test_addresses_are_the_limit() -> None:
    one = calibrated(Client(address=1000))
    assert 16 <= one.workers.number <= 64
    assert one.mounts.number == 3 and 2500 < one.rate < 3500
    answer = found(one)
    assert answer["limit"] == Limit.ADDRESS and answer["variables"] == {
        "ingest_workers": 3 * one.workers.number
    }
    assert 10**6 / 3600 < answer["estimate"]["low"] < 10**6 / 3000 < answer["estimate"]["high"]


def test_the_source_is_the_limit() -> None:
    answer = found(calibrated(Client(source=900)))
    assert answer["limit"] == Limit.SOURCE and answer["mounts"] == 1
    assert answer["variables"]["ingest_destinations"] == ["/mnt/1"]


def test_the_link_is_the_limit() -> None:
    answer = found(calibrated(Client(link=900)))
    assert answer["limit"] == Limit.LINK
    assert (answer["mounts"], answer["mounts_tried"]) == (1, 3)


def test_the_cluster_is_the_limit() -> None:
    assert found(calibrated(Client(cluster=900)))["limit"] == Limit.CLUSTER


def test_the_processor_is_the_limit() -> None:
    assert found(calibrated(Client(processor=900)))["limit"] == Limit.PROCESSOR


def test_workers_that_wait_are_the_limit() -> None:
    answer = found(calibrated(Client(worker=3)))
    assert answer["limit"] == Limit.LATENCY and answer["growing"]
    assert answer["workers_per_mount"] == 128


def test_it_ends_in_time_and_within_what_may_be_written() -> None:
    for seconds in (10, 30, 180):
        client = Client(address=1000)
        allowance = Allowance(float(seconds), 10**15, 128)
        calibrate_one(client.ask, "files", 3, allowance, clock=client.clock)
        assert client.now - 100 <= seconds
    client = Client(address=1000)
    one, bench = calibrate_one(
        client.ask, "files", 3, Allowance(180.0, 300_000_000, 128), clock=client.clock
    )
    assert one.written == bench.written <= 300_000_000 + 10_000 * 3_500 * 3
    assert all(order.most_bytes <= 300_000_000 for order in client.orders)


def test_a_little_time_still_says_something() -> None:
    client = Client(address=1000)
    one, _bench = calibrate_one(
        client.ask, "files", 3, Allowance(1.0, 10**15, 128), clock=client.clock
    )
    answer = found(one)
    assert answer["rate"] > 0 and not answer["complete"] and answer["workers"] >= 1


def test_over_threading_has_its_price() -> None:
    class Crowded(Client):
        """Beyond 24 workers each costs the others something."""

        def rate(self, order: Order) -> float:
            return super().rate(order) * min(1.0, 24 / order.workers) ** 1.5

    answer = found(calibrated(Crowded(worker=50)))
    assert answer["workers_per_mount"] <= 40
    assert answer["over"]["workers"] > answer["workers_per_mount"]
    assert answer["over"]["rate"] < answer["best_on_one_mount"] * 0.95
    assert any("instead" in line and "-" in line for line in advice.sentences(answer))


def test_files_that_fail_end_it() -> None:
    client = Client()
    client.failing = True
    with pytest.raises(Failing, match="open: gone"):
        calibrated(client)


def test_a_source_that_is_made_is_not_read() -> None:
    client = Client(address=1000)
    calibrated(client, reads=False)
    assert not [order for order in client.orders if order.kind == READ]
    assert [order for order in client.orders if order.kind == COPY]


def test_ranges_of_large_files() -> None:
    class Large(Client):
        """Short ranges cost more."""

        def rate(self, order: Order) -> float:
            rate = 2e9 * math.exp(self.random.gauss(0, 0.01))
            return rate * (0.7 if order.range_size == 4 << 20 else 1.0)

        def ask(self, order: Order) -> Outcome:
            outcome = super().ask(order)
            return outcome._replace(bytes=outcome.files, files=outcome.files >> 25)

    client = Large(size=1)
    one, _bench = calibrate_one(client.ask, "bytes", 1, ALLOWED, large_files=5, clock=client.clock)
    assert dict(one.ranges).keys() == {4 << 20, 16 << 20, 64 << 20}
    assert advice.best_range(one) == 16 << 20
    none, _bench = calibrate_one(client.ask, "bytes", 1, ALLOWED, clock=client.clock)
    assert not none.ranges and "large enough" in none.why_no_ranges


def test_what_is_said_of_several_clients() -> None:
    one = calibrated(Client(link=1000))
    trials = Trials(lambda _number: 0.0)
    for number, rate in ((1, 1000), (2, 1980), (4, 3900), (4, 3950), (2, 2000), (1, 1010)):
        trials.add(number, rate)
    clients = Clients(conclude(trials, 4), 90_000.0, ("a", "b", "c", "d"))
    answer = found(one, clients)
    assert answer["clients"] == 4 and answer["limit"] == Limit.LINK
    assert 3000 < answer["rate_low"] < 3925 < answer["rate_high"] < 5000
    fewer = Trials(lambda _number: 0.0)
    for number, rate in ((1, 1000), (2, 1980), (4, 1990), (4, 2010), (2, 2000), (1, 1010)):
        fewer.add(number, rate)
    answer = found(one, Clients(conclude(fewer, 4), 90_000.0, ("a", "b", "c", "d")))
    assert answer["clients"] == 2 and answer["limit"] == Limit.CLUSTER
    text = advice.file_text(answer, 0.0)
    assert '# These clients are enough: --limit "a:b"' in text


def test_the_file_of_variables_holds_only_comments_and_variables() -> None:
    answer = found(calibrated(Client(address=1000)))
    answer["notes"] = ["a name\nof: two lines", "\x1b[1m"]
    lines = advice.file_text(answer, 0.0).splitlines()
    assert lines[0] == "---" and lines[1].endswith("1970-01-01 00:00 UTC.")
    rest = [line for line in lines[1:] if not line.startswith("# ")]
    assert [line.partition(":")[0] for line in rest] == list(answer["variables"])
