# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A condition on an entry, as a tree, and whether an entry meets it.

What is not known of an entry (no creation time, attributes that were not indexed) meets neither a
condition nor its contrary, as in SQL: True, False and None are its three answers.
"""

from __future__ import annotations

import operator
import os
import re
import stat
from functools import lru_cache
from typing import Any, Callable, FrozenSet, NamedTuple, Optional, Tuple, Union

from ..core.wildcards import translate

# Of an entry's fields: times in ns, ``size`` and ``allocated`` in bytes, ``blocks`` of 512 bytes.
TIMES = ("atime", "mtime", "ctime", "crtime")
NUMBERS = ("size", "allocated", "blocks", "links", "depth", "inode", "device", "uid", "gid")
TEXTS = ("name", "path", "type", "pool")
FIELDS = (*NUMBERS, *TIMES, *TEXTS, "mode", "xattrs")
TYPES = {
    "f": stat.S_IFREG,
    "d": stat.S_IFDIR,
    "l": stat.S_IFLNK,
    "p": stat.S_IFIFO,
    "s": stat.S_IFSOCK,
    "b": stat.S_IFBLK,
    "c": stat.S_IFCHR,
}
_LETTERS = {number: letter for letter, number in TYPES.items()}


class Facts(NamedTuple):
    """What is known of an entry; None: not known. ``path`` is relative to the tree's root (which
    is b"" itself), ``depth`` 0 at the root, ``mode`` the permission bits, ``pool`` where its data
    is."""

    path: bytes
    type: str
    size: int
    blocks: int
    mode: int
    links: int
    uid: int
    gid: int
    inode: int
    device: int
    atime: int
    mtime: int
    ctime: int
    crtime: Optional[int] = None
    xattrs: Optional[FrozenSet[bytes]] = None
    pool: Optional[str] = None

    @property
    def name(self) -> bytes:
        """The last part of the path."""
        return self.path.rpartition(b"/")[2]

    @property
    def depth(self) -> int:
        """How many directories lie above."""
        return self.path.count(b"/") + 1 if self.path else 0

    @property
    def allocated(self) -> int:
        """Bytes of the blocks."""
        return self.blocks * 512

    @classmethod
    def of(cls, path: bytes, found: os.stat_result, **known: Any) -> Facts:
        """Of an entry as ``lstat`` shows it; ``known``: xattrs, pool, crtime."""
        return cls(
            path,
            _LETTERS.get(stat.S_IFMT(found.st_mode), ""),
            found.st_size,
            found.st_blocks,
            stat.S_IMODE(found.st_mode),
            found.st_nlink,
            found.st_uid,
            found.st_gid,
            found.st_ino,
            found.st_dev,
            found.st_atime_ns,
            found.st_mtime_ns,
            found.st_ctime_ns,
            **known,
        )


Value = Union[int, str, bytes]


class Compare(NamedTuple):
    """``operator`` is one of OPERATORS; names and paths are bytes, type and pool text."""

    field: str
    operator: str
    value: Value


class Age(NamedTuple):
    """How long ago, in ns, a time is."""

    field: str
    operator: str
    value: int


class OneOf(NamedTuple):
    """A field has one of some values."""

    field: str
    values: Tuple[Value, ...]


class Glob(NamedTuple):
    """A name or path, as a whole, matches a pattern (see :func:`..core.wildcards.translate`)."""

    field: str
    pattern: bytes


class Bits(NamedTuple):
    """The mode has one of these bits."""

    mask: int


class Attribute(NamedTuple):
    """There is an extended attribute of this name."""

    name: bytes


class Not(NamedTuple):
    """The contrary."""

    part: Any


class AllOf(NamedTuple):
    """And."""

    parts: Tuple[Any, ...]


class AnyOf(NamedTuple):
    """Or."""

    parts: Tuple[Any, ...]


Condition = Union[Compare, Age, OneOf, Glob, Bits, Attribute, Not, AllOf, AnyOf]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}
CONTRARY = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "=": "!=", "!=": "="}
# An age is larger when its time is smaller.
MIRROR = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}


@lru_cache(maxsize=256)
def expression(pattern: bytes) -> re.Pattern[bytes]:
    """A pattern to ``fullmatch`` with; one that can't match anything never does."""
    return re.compile(translate(pattern) or b"(?!)", re.DOTALL)


def meets(condition: Condition, facts: Facts, now: int) -> bool | None:
    """Whether an entry meets a condition at a time (epoch ns); None if that can't be known."""
    if isinstance(condition, AllOf):
        return _all([meets(part, facts, now) for part in condition.parts])
    if isinstance(condition, AnyOf):
        answers = [meets(part, facts, now) for part in condition.parts]
        return _not(_all([_not(answer) for answer in answers]))
    if isinstance(condition, Not):
        return _not(meets(condition.part, facts, now))
    return _leaf(condition, facts, now)


def _leaf(condition: Condition, facts: Facts, now: int) -> bool | None:
    if isinstance(condition, Attribute):
        return None if facts.xattrs is None else condition.name in facts.xattrs
    if isinstance(condition, Bits):
        return facts.mode & condition.mask != 0
    if not isinstance(condition, (Compare, Age, OneOf, Glob)):
        raise AssertionError(condition)
    known = getattr(facts, condition.field)
    if known is None:
        return None
    if isinstance(condition, Glob):
        return expression(condition.pattern).fullmatch(known) is not None
    if isinstance(condition, OneOf):
        return known in condition.values
    if isinstance(condition, Age):
        known = now - known
    return OPERATORS[condition.operator](known, condition.value)


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _all(answers: list[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def contrary(condition: Condition) -> Condition:
    """The condition that holds where this one does not, with ``Not`` only before what has no
    opposite of its own."""
    if isinstance(condition, AllOf):
        return AnyOf(tuple(contrary(part) for part in condition.parts))
    if isinstance(condition, AnyOf):
        return AllOf(tuple(contrary(part) for part in condition.parts))
    if isinstance(condition, Not):
        return condition.part
    if isinstance(condition, (Compare, Age)):
        return condition._replace(operator=CONTRARY[condition.operator])
    return Not(condition)


def fields(condition: Condition) -> frozenset[str]:
    """The fields that a condition asks for."""
    if isinstance(condition, (AllOf, AnyOf)):
        return frozenset().union(*map(fields, condition.parts))
    if isinstance(condition, Not):
        return fields(condition.part)
    if isinstance(condition, Bits):
        return frozenset(("mode",))
    if isinstance(condition, Attribute):
        return frozenset(("xattrs",))
    return frozenset((condition.field,))
