# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Include and exclude patterns with rsync's meaning (rsync(1), FILTER RULES)."""

from __future__ import annotations

import re
from typing import Callable, Iterable, NamedTuple

from ..core.paths import join
from ..core.wildcards import is_wild, translate

_NAME, _PATH, _ROOTED = range(3)  # what a rule looks at: the name, the path, or "/" + the path


_ANY = b"[^/]"  # as translate() writes it


class _Rule(NamedTuple):
    include: bool
    only_directories: bool
    subject: int
    slash_after_directory: bool
    match: Callable[[bytes], object]


class Filter:
    """What ``rsync -a --include=… --exclude=… source/`` would leave out.

    All includes come before all excludes and the first match wins. A pattern that starts with
    ``+ `` or ``- `` says itself what it is, and ``!`` forgets the patterns before it, as in rsync.
    """

    def __init__(self, include: Iterable[bytes] = (), exclude: Iterable[bytes] = ()) -> None:
        self._rules: list[_Rule] = []
        self._needs_path = False
        for including, patterns in ((True, include), (False, exclude)):
            for pattern in patterns:
                self._add(pattern, including)
        self._needs_path = any(rule.subject != _NAME for rule in self._rules)

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self._rules)

    def _add(self, pattern: bytes, include: bool) -> None:
        if pattern == b"!":
            self._rules = []
            return
        if pattern[:2] in (b"+ ", b"- "):
            include = pattern[:1] == b"+"
            pattern = pattern[2:]
        if pattern:
            rule = _compile(pattern, include)
            if rule is not None:
                self._rules.append(rule)

    def excluded(self, directory: bytes, name: bytes, is_directory: bool) -> bool:
        """Whether the entry ``name`` of ``directory`` (relative to the source) is left out; an
        excluded directory takes everything below with it."""
        path = join(directory, name) if self._needs_path else name
        for rule in self._rules:
            if rule.only_directories and not is_directory:
                continue
            subject = name if rule.subject == _NAME else path
            if rule.subject == _ROOTED:
                subject = b"/" + subject
            if is_directory and rule.slash_after_directory:
                subject += b"/"
            if rule.match(subject):
                return not rule.include
        return False


def _compile(pattern: bytes, include: bool) -> _Rule | None:
    """The rule of one pattern, after rsync's exclude.c; None if it can never match."""
    only_directories = len(pattern) > 1 and pattern.endswith(b"/")
    if only_directories:
        pattern = pattern[:-1]
    wild = is_wild(pattern)
    double = wild and b"**" in pattern
    starts_double = pattern.startswith(b"**")
    anchored = pattern.startswith(b"/")
    subject = _NAME if b"/" not in pattern and not double else _ROOTED if starts_double else _PATH
    text = pattern[1:] if anchored else pattern
    expression = translate(text) if wild else re.escape(text)
    if expression is None:
        return None
    if subject == _PATH and not anchored:
        # It may begin at any name of the path; without "**" the slashes in the pattern pin it
        # to the last names. One in a class counts there as well, but can't match.
        if wild and not double and text.count(b"/") != expression.replace(_ANY, b"").count(b"/"):
            return None
        expression = b"(?:.*/)?" + expression
    return _Rule(
        include,
        only_directories,
        subject,
        double and pattern.endswith(b"***"),
        re.compile(expression, re.DOTALL).fullmatch,
    )
