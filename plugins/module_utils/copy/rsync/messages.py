# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what rsync says: its report of changes, and its complaints, item by item."""

from __future__ import annotations

import errno
import re
from typing import Iterable, NamedTuple

from ...core.errnos import cannot_hold
from ...core.outcome import Failure
from ...core.paths import join, split
from .leftovers import final_name

REPORT = "--out-format=@item %i %l %n"
_MARK = b"@item "  # tells the report's lines from what -v and --stats print
_ESCAPE = re.compile(rb"\\#([0-7]{3})")
_ERRNO = re.compile(r"\((\d+)\)$")
_UNQUOTED = (
    (re.compile(rb"^ERROR: (.*) failed verification -- update discarded"), "verify", errno.EIO),
    (re.compile(rb"could not make way for (?:new )?[a-z ]+: (.*)$"), "create", errno.EISDIR),
    (re.compile(rb"sys_acl_set_file\((.*), \w+\): .*$"), "set_acl", 0),
)
_SKIPPED = re.compile(rb'^skipping non-regular file "(.*)"$')
# A destination that can't hold an attribute is no reason to lose the item: see Result.left.
_ATTRIBUTES = ("lsetxattr", "rsync_xal_set", "sys_acl_set", "set_acl", "chown", "chgrp")
_PARTIAL = (23, 24)  # the rest of the list was worked through
_MOST_LINES = 20  # kept of what names no item


class Change(NamedTuple):
    """One line of rsync's report: a path, whether it was copied, its bytes."""

    path: bytes
    copied: bool
    bytes: int


class Complaints(NamedTuple):
    """What rsync said went wrong: items that failed, items of which the destination refused an
    attribute, and lines that name no item."""

    failures: dict[bytes, Failure]
    refused: set[bytes]
    rest: list[str]


class Reader:
    """Reads one rsync's words. It knows the items by other names: ``called`` has their paths."""

    def __init__(self, called: dict[bytes, bytes], roots: Iterable[bytes]) -> None:
        """``roots``: how messages may call the two trees."""
        self._called = called
        self._roots = list(roots)

    def change(self, line: bytes) -> Change | None:
        """A line of the report, if it is one and about an item."""
        if not line.startswith(_MARK):
            return None
        change = parse_change(line[len(_MARK) :])
        path = self._called.get(change.path)
        return change._replace(path=path) if path is not None else None

    def skipped(self, line: bytes) -> bytes | None:
        """The item that rsync says, in its report, it does not copy."""
        found = _SKIPPED.match(line)
        name = found and self._item(found.group(1))
        return self._called[name] if name is not None else None

    def complaints(self, lines: Iterable[bytes]) -> Complaints:
        """Sort what rsync wrote on its standard error."""
        told = Complaints({}, set(), [])
        for raw in lines:
            line = raw.rstrip(b"\n")
            failure = self._failure(line)
            if failure is None:
                if line and len(told.rest) < _MOST_LINES:
                    told.rest.append(_text(line))
            elif cannot_hold(failure.errno) and failure.operation.startswith(_ATTRIBUTES):
                told.refused.add(failure.path)
            else:
                told.failures.setdefault(failure.path, failure)
        return told

    def _failure(self, line: bytes) -> Failure | None:
        for pattern, operation, number in _UNQUOTED:
            found = pattern.search(line)
            name = found and self._item(found.group(1))
            if found and name is not None:
                path = self._called[name]
                text = _text(line[: found.start(1)] + path + line[found.end(1) :])
                return Failure(path, operation, number or _errno(text), text)
        start = line.find(b'"')
        end = len(line)
        while True:
            end = line.rfind(b'"', start + 1, end)
            if start < 0 or end <= start:
                return None
            name = self._item(line[start + 1 : end])
            if name is not None:
                text = _text(self._by_path(line, name))
                number = _errno(text)
                if line.startswith(b"file has vanished"):
                    number = errno.ENOENT
                return Failure(self._called[name], _operation(text), number, text)

    def _by_path(self, line: bytes, name: bytes) -> bytes:
        """A message with the item's directory as people know it."""
        theirs = name[: len(name) - len(split(name)[1])]
        directory = split(self._called[name])[0]
        ours = directory + b"/" if directory else b""
        for root in [root + b"/" for root in self._roots] + ([b""] if theirs else []):
            line = line.replace(b'"' + root + theirs, b'"' + ours)
        return line

    def _item(self, said: bytes) -> bytes | None:
        """rsync's name of the item that a name in a message means."""
        said = unescape(said)
        names = [said]
        names += [said[len(root) + 1 :] for root in self._roots if said.startswith(root + b"/")]
        for name in names:
            if name in self._called:
                return name
            directory, base = split(name)
            final = final_name(base)
            if final is not None and join(directory, final) in self._called:
                return join(directory, final)
        return None


def parse_change(line: bytes) -> Change:
    """Read what :data:`REPORT` makes rsync write after the mark."""
    flags, size, name = line.split(b" ", 2)
    return Change(unescape(name), flags[:1] in b"<>c", int(size) if flags[:1] in b"<>" else 0)


def unescape(name: bytes) -> bytes:
    r"""The name that rsync wrote with its \#ooo escapes."""
    if b"\\#" not in name:
        return name
    return _ESCAPE.sub(lambda found: bytes((int(found.group(1), 8) & 255,)), name)


def ending(code: int, rest: list[str]) -> str:
    """One sentence on an rsync that did not end well; empty for one that did."""
    complaints = [line for line in rest if not line.startswith(("rsync error:", "rsync warning:"))]
    if code == 0 or (code in _PARTIAL and not complaints):
        return ""
    if code < 0:
        return f"rsync was ended by signal {-code}"
    return "; ".join(complaints[:2] + rest[-1:]) or f"rsync ended with status {code}"


def worked_through(code: int) -> bool:
    """Whether rsync did what it could with each item of its list."""
    return code == 0 or code in _PARTIAL


def _text(line: bytes) -> str:
    return line.decode("ascii", "backslashreplace")


def _errno(text: str) -> int:
    """The number at the end of a message, or 0."""
    said = _ERRNO.search(text)
    return int(said.group(1)) if said else 0


def _operation(text: str) -> str:
    """What rsync was doing: its message's words before the name."""
    if text.startswith("file has vanished"):
        return "read"
    words = re.sub(r"^rsync:? *(\[[^\]]*\])? *", "", text)
    before, _dummy, after = words.partition('"')
    before = before.strip(" :(")
    if before:
        return before
    return after.rpartition('"')[2].partition(":")[0].strip() or "rsync"
