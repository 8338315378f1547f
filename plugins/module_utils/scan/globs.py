# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictable names: shell patterns that pick parts of the source."""

from __future__ import annotations

import re
from typing import Callable, Iterable, NamedTuple, Tuple

from ..core.errors import IngestError
from ..core.paths import display
from ..core.wildcards import is_wild, translate

# The globs that the path down to a directory has fulfilled so far, by number.
Active = Tuple[int, ...]


class _Glob(NamedTuple):
    parts: tuple[Callable[[bytes], object], ...]
    only_directories: bool


class Globs:
    """Globs relative to the source, as a shell would expand them there.

    Raises:
        IngestError: a glob is empty, absolute, or climbs out of the source.
    """

    def __init__(self, globs: Iterable[bytes]) -> None:
        self.patterns: list[bytes] = list(globs)
        self._globs = [_parse(pattern) for pattern in self.patterns]
        self.start: Active = tuple(range(len(self._globs)))

    def __bool__(self) -> bool:
        """Whether there is any glob."""
        return bool(self._globs)

    def step(
        self, active: Active, depth: int, name: bytes, is_directory: bool
    ) -> tuple[Active, Active]:
        """Look at ``name`` in a directory of this depth where the globs ``active`` still count.

        Returns the globs that this entry fulfils (it comes whole), and those that go on below it.
        """
        whole: list[int] = []
        further: list[int] = []
        for number in active:
            glob = self._globs[number]
            if not glob.parts[depth](name):
                continue
            if depth + 1 < len(glob.parts):
                if is_directory:
                    further.append(number)
            elif is_directory or not glob.only_directories:
                whole.append(number)
        return tuple(whole), tuple(further)


def _parse(pattern: bytes) -> _Glob:
    parts = pattern.split(b"/")
    while len(parts) > 1 and parts[0] == b".":
        parts.pop(0)
    only_directories = len(parts) > 1 and not parts[-1]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    if b"\0" in pattern or any(part in (b"", b".", b"..") for part in parts):
        raise IngestError(
            f"globs: '{display(pattern)}' is not a pattern of names below the source: "
            "it must be relative, without empty parts, '.' or '..'"
        )
    return _Glob(tuple(_part(part) for part in parts), only_directories)


def _part(part: bytes) -> Callable[[bytes], object]:
    if not is_wild(part):
        plain = re.sub(rb"\\(.)", rb"\1", part, flags=re.DOTALL)
        return plain.__eq__
    expression = translate(part, double_star=False)
    if expression is None:  # a shell takes a bracket that is never closed for itself
        expression = translate(part.replace(b"[", b"\\["), double_star=False)
    if expression is None:
        return lambda name: False
    if not part.startswith((b".", b"\\.")):
        expression = rb"(?!\.)" + expression
    return re.compile(expression, re.DOTALL).fullmatch
