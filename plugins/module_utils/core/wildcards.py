# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell-like patterns as regular expressions on bytes."""

from __future__ import annotations

import re
import string

_CLASSES = {
    b"alnum": string.ascii_letters + string.digits,
    b"alpha": string.ascii_letters,
    b"blank": " \t",
    b"cntrl": "".join(map(chr, range(32))) + "\x7f",
    b"digit": string.digits,
    b"graph": "".join(map(chr, range(33, 127))),
    b"lower": string.ascii_lowercase,
    b"print": "".join(map(chr, range(32, 127))),
    b"punct": string.punctuation,
    b"space": string.whitespace,
    b"upper": string.ascii_uppercase,
    b"xdigit": string.hexdigits,
}
_CLASS_SETS = {name: frozenset(members.encode()) for name, members in _CLASSES.items()}
_STAR, _ANY, _OPEN, _CLOSE, _BACKSLASH, _DASH = b"*?[]\\-"
_SLASH = ord("/")


def is_wild(pattern: bytes) -> bool:
    """Whether the pattern has a wildcard; without one it is plain text, backslashes included."""
    return any(character in pattern for character in (b"*", b"?", b"["))


def translate(pattern: bytes, double_star: bool = True) -> bytes | None:
    """The regular expression (for ``fullmatch`` with DOTALL) of a wildcard pattern.

    ``?`` is one byte and ``*`` any number of bytes, none of them a slash; ``**`` also crosses
    slashes (with ``double_star``); ``[...]`` is one byte of a class. None if the pattern can match
    nothing: a class that is not closed or not known, or a backslash at the end.
    The meaning is that of rsync's wildmatch.
    """
    out = []
    at = 0
    while at < len(pattern):
        byte = pattern[at]
        at += 1
        if byte == _STAR:
            start = at - 1
            while at < len(pattern) and pattern[at] == _STAR:
                at += 1
            out.append(b".*" if double_star and at - start > 1 else b"[^/]*")
        elif byte == _ANY:
            out.append(b"[^/]")
        elif byte == _OPEN:
            found = _bracket(pattern, at)
            if found is None:
                return None
            members, at = found
            out.append(_set_expression(members))
        else:
            if byte == _BACKSLASH:
                if at == len(pattern):
                    return None
                byte = pattern[at]
                at += 1
            out.append(re.escape(bytes([byte])))
    return b"".join(out)


def _bracket(pattern: bytes, at: int) -> tuple[set[int], int] | None:
    """The bytes of the class whose text starts at ``at``, and where the pattern goes on."""
    negate = pattern[at : at + 1] in (b"!", b"^")
    if negate:
        at += 1
    members: set[int] = set()
    previous: int | None = None
    first = True
    while first or pattern[at : at + 1] != b"]":
        first = False
        if at >= len(pattern):
            return None
        byte = pattern[at]
        if byte == _BACKSLASH:
            at += 1
            if at >= len(pattern):
                return None
            previous = pattern[at]
            members.add(previous)
        elif byte == _DASH and previous is not None and pattern[at + 1 : at + 2] not in (b"", b"]"):
            at += 1
            if pattern[at] == _BACKSLASH:
                at += 1
                if at >= len(pattern):
                    return None
            members.update(range(previous, pattern[at] + 1))
            previous = None
        elif pattern[at : at + 2] == b"[:":
            end = pattern.find(b"]", at + 2)
            if end < 0:
                return None
            if end < at + 3 or pattern[end - 1 : end] != b":":
                members.add(byte)
                previous = byte
            else:
                known = _CLASS_SETS.get(pattern[at + 2 : end - 1])
                if known is None:
                    return None
                members |= known
                previous = None
                at = end
        else:
            members.add(byte)
            previous = byte
        at += 1
    if negate:
        members = set(range(1, 256)) - members
    members.discard(_SLASH)
    return members, at + 1


def _set_expression(members: set[int]) -> bytes:
    if not members:
        return b"(?!)"
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(members)) + b"]"
