# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How busy this host's processors are while there is work."""

from __future__ import annotations

_BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal
_IDLE = (3, 4)  # idle, iowait


class Processors:
    """Sums up the times that the kernel has counted between two looks."""

    def __init__(self, path: str = "/proc/stat") -> None:
        self._path = path
        self._last = self._read()
        self._busy = self._all = 0

    def look(self, working: bool) -> None:
        """Whether the time since the last look was one of work."""
        now = self._read()
        if working:
            self._busy += now[0] - self._last[0]
            self._all += now[1] - self._last[1]
        self._last = now

    @property
    def part(self) -> float | None:
        """The part of all their time that they were busy, 0 to 1; None if nobody knows."""
        return round(self._busy / self._all, 3) if self._all > 0 else None

    def _read(self) -> tuple[int, int]:
        """(busy, all), in the kernel's ticks."""
        try:
            with open(self._path, encoding="ascii") as stream:
                words = stream.readline().split()
            ticks = [int(word) for word in words[1:9]]
            busy, idle = (sum(ticks[at] for at in fields) for fields in (_BUSY, _IDLE))
        except (OSError, ValueError, IndexError):
            return 0, 0
        return busy, busy + idle
