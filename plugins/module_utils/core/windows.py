# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets by weekday and time of day."""

from __future__ import annotations

import re
import time
from typing import Any, FrozenSet, Iterable, NamedTuple, Optional, Sequence

from .errors import IngestError
from .units import amount, rate

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FIELDS = ("days", "hours", "bandwidth_limit", "file_rate_limit", "pause")
_HOURS = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")
_DAY = 24 * 60  # min


class Budget(NamedTuple):
    """Bytes and files a second of all hosts together (0: as many as can be), or a pause."""

    bytes: int = 0
    files: int = 0
    paused: bool = False

    def of(self, hosts: int) -> Budget:
        """Of each of so many hosts; something, if there is a limit."""
        return self._replace(
            bytes=self.bytes and max(1, self.bytes // hosts),
            files=self.files and max(1, self.files // hosts),
        )


class Window(NamedTuple):
    """On these weekdays (0 is Monday) from minute to minute of the day; one that ends before it
    begins ends on the next day. What is None is as it is outside."""

    days: FrozenSet[int]
    since: int
    until: int
    bytes: Optional[int] = None
    files: Optional[int] = None
    paused: Optional[bool] = None

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether it is that time."""
        if self.since < self.until:
            return weekday in self.days and self.since <= minute < self.until
        if minute >= self.since:
            return weekday in self.days
        return minute < self.until and (weekday - 1) % 7 in self.days


def read_windows(given: Any, name: str = "windows") -> list[Window]:
    """The windows that a list of mappings means. Raises IngestError: a sentence that names what is
    wrong with which."""
    if not isinstance(given, (list, tuple)):
        raise IngestError(f"{name}: it is no list of windows, each a mapping of {_listed(FIELDS)}")
    return [_window(each, f"{name}[{number}]") for number, each in enumerate(given)]


def budget_at(outside: Budget, windows: Iterable[Window], moment: time.struct_time) -> Budget:
    """What holds at a moment: what the first window says that holds then."""
    for window in windows:
        if window.holds(moment.tm_wday, moment.tm_hour * 60 + moment.tm_min):
            said = {name: getattr(window, name) for name in Budget._fields}
            return outside._replace(
                **{key: value for key, value in said.items() if value is not None}
            )
    return outside


def file_rate(value: Any, name: str = "file_rate_limit") -> int:
    """Files a second of a number, or a text with a unit; 0: no limit. Raises IngestError."""
    return amount(str(value), name, "files a second")


def _window(given: Any, name: str) -> Window:
    if not isinstance(given, dict):
        raise IngestError(f"{name}: '{given}' is no mapping of {_listed(FIELDS)}")
    for key in given:
        if key not in FIELDS:
            raise IngestError(f"{name}: there is no '{key}' in a window, only {_listed(FIELDS)}")
    if not {"bandwidth_limit", "file_rate_limit", "pause"} & set(given):
        raise IngestError(f"{name}: it says neither bandwidth_limit, file_rate_limit nor pause")
    pause = given.get("pause")
    if pause is not None and not isinstance(pause, bool):
        raise IngestError(f"{name}.pause: '{pause}' is not true or false")
    since, until = _hours(given.get("hours", "00:00-24:00"), f"{name}.hours")
    size, files = given.get("bandwidth_limit"), given.get("file_rate_limit")
    return Window(
        _days(given.get("days", DAYS), f"{name}.days"),
        since,
        until,
        None if size is None else rate(str(size), f"{name}.bandwidth_limit"),
        None if files is None else file_rate(files, f"{name}.file_rate_limit"),
        pause,
    )


def _days(given: Any, name: str) -> FrozenSet[int]:
    found: set[int] = set()
    parts: Sequence[Any] = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, (list, tuple)) or not parts:
        raise IngestError(f"{name}: '{given}' names no days such as mon-fri or [sat, sun]")
    for part in parts:
        first, dash, last = str(part).strip().lower().partition("-")
        for day in (first, last) if dash else (first,):
            if day not in DAYS:
                raise IngestError(f"{name}: '{day}' is not one of {_listed(DAYS)}")
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 if dash else 0
        found |= {(begin + day) % 7 for day in range(length + 1)}
    return frozenset(found)


def _hours(given: Any, name: str) -> tuple[int, int]:
    match = _HOURS.fullmatch(str(given).strip())
    times = [int(group) for group in match.groups()] if match else []
    since = until = -1
    if match and times[1] < 60 and times[3] < 60:
        since, until = times[0] * 60 + times[1], times[2] * 60 + times[3]
    if not (0 <= since < _DAY and 0 <= until <= _DAY and since != until):
        raise IngestError(f"{name}: '{given}' are no hours such as 08:00-18:00")
    return since, until


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
