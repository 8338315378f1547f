# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far all hosts are, as lines of text."""

from __future__ import annotations

from collections import deque
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.core import units
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.cost import FILE_COST, RATE

_WINDOW = 15.0  # seconds over which rates are taken,
_LONG = 60.0  # and that of which the time that is left is told: a large piece is no change of speed
_STATES = {"waiting": "waits for the others", "paused": "pauses", "done": "done", "dead": "lost"}


class _Host:
    """What one host said last, and how fast it was of late."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}
        self._history: deque[tuple[float, float, float, float]] = deque()

    def take(self, said: dict[str, Any], now: float) -> None:
        self.said = said
        self._history.append((now, self.number("files"), self.number("bytes"), self.cost[0]))
        while self._history[-1][0] - self._history[0][0] > _LONG and len(self._history) > 2:
            self._history.popleft()

    @property
    def rates(self) -> tuple[float, float, float]:
        """(files/s, bytes/s, estimated seconds of work done in a second)."""
        if self.said.get("state") in ("done", "dead"):
            return 0.0, 0.0, 0.0
        files, size, dummy = self._over(_WINDOW)
        return files, size, self._over(_LONG)[2]

    def _over(self, window: float) -> tuple[float, float, float]:
        last = self._history[-1]
        first = next(entry for entry in self._history if last[0] - entry[0] <= window)
        if first is last and len(self._history) > 1:
            first = self._history[-2]
        seconds = last[0] - first[0]
        if seconds < 0.1:
            return 0.0, 0.0, 0.0
        files, size, cost = ((last[n] - first[n]) / seconds for n in (1, 2, 3))
        return files, size, cost

    def number(self, name: str) -> int:
        return int(self.said.get(name) or 0)

    @property
    def cost(self) -> tuple[float, float]:
        """What is dealt with and what there is, as seconds by the plan's own estimate."""
        done, whole = (
            self.number(kind + "_files") * FILE_COST + self.number(kind + "_bytes") / RATE
            for kind in ("done", "total")
        )
        return done, whole


class State:
    """All hosts of the stage that is under way."""

    def __init__(self) -> None:
        self._stage = ""
        self._hosts: dict[str, _Host] = {}

    def take(self, said: dict[str, Any], now: float) -> None:
        """Hear one message (see :func:`.progress_sender.send`). Raises KeyError or TypeError for
        others."""
        stage, host = str(said["stage"]), str(said["host"])
        if stage != self._stage:
            self._stage, self._hosts = stage, {}
        self._hosts.setdefault(host, _Host()).take(said, now)

    @property
    def _active(self) -> bool:
        return any(h.said.get("state") not in ("done", "dead") for h in self._hosts.values())

    def line(self) -> str:
        """One line for a log; empty when nothing is under way."""
        if not self._active:
            return ""
        names = len(self._hosts)
        return "%s: %s, %d host%s" % (self._stage, self._total(), names, "s" if names > 1 else "")

    def block(self, width: int, height: int) -> list[str]:
        """The lines for a terminal: a host each, the slowest first if not all fit; the total."""
        if not self._active:
            return []
        hosts = sorted(self._hosts.items())
        room = height - 1
        hidden = ""
        if len(hosts) > room:
            slowest = sorted(hosts, key=lambda entry: _share(*entry[1].cost))[: max(0, room)]
            hidden = f" (the {len(slowest)} slowest of {len(hosts)} hosts)"
            hosts = sorted(slowest)
        longest = max([len(name) for name, _host in hosts] + [len(self._stage)])
        lines = ["%-*s  %s" % (longest, name, self._host(host)) for name, host in hosts]
        lines.append("%-*s  %s%s" % (longest, self._stage, self._total(), hidden))
        return [line[:width] for line in lines]

    @staticmethod
    def _host(host: _Host) -> str:
        state = _STATES.get(str(host.said.get("state")))
        files, size, dummy = host.rates
        parts = [units.percent(*host.cost).rjust(7)] if host.cost[1] else []
        if state:
            parts.append(state)
        else:
            parts.append(f"{units.count(files).rjust(7)} files/s")
            parts.append(f"{units.megabytes(size).rjust(6)} MB/s")
        if host.number("failed"):
            parts.append(f"{units.count(host.number('failed'))} failed")
        if host.number("retrying"):
            parts.append(f"{units.count(host.number('retrying'))} wait to be tried again")
        return "  ".join(parts)

    def _total(self) -> str:
        hosts = list(self._hosts.values())

        def total(name: str) -> int:
            return sum(host.number(name) for host in hosts)

        files, size, speed = (sum(rates) for rates in zip(*(host.rates for host in hosts)))
        done, whole = (sum(cost) for cost in zip(*(host.cost for host in hosts)))
        parts = [units.percent(done, whole).rjust(7)] if whole else []
        parts.append(
            f"{units.count(total('done_files'))} of {units.count(total('total_files'))} files"
            if whole
            else f"{units.count(total('files'))} entries"
        )
        parts += [
            units.size(total("done_bytes") if whole else total("bytes")),
            f"{units.count(files)} files/s",
            f"{units.megabytes(size)} MB/s",
        ]
        if whole > done and speed > 0:
            parts.append(f"ETA {_clock((whole - done) / speed)}")
        if total("failed"):
            parts.append(f"{units.count(total('failed'))} failed")
        if total("retrying"):
            parts.append(f"{units.count(total('retrying'))} wait to be tried again")
        return "  ".join(parts)


def _share(done: float, whole: float) -> float:
    return done / whole if whole else 1.0


def _clock(seconds: float) -> str:
    """``0:12``, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "%d:%02d:%02d" % (hours, minutes, rest) if hours else "%d:%02d" % (minutes, rest)
