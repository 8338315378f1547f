# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions as SQL with parameters, and what they ask of a directory's summary."""

from __future__ import annotations

import re
import sqlite3
from typing import Iterable, Mapping, NamedTuple, Tuple

from ..core.errors import IngestError
from .condition import (
    MIRROR,
    Age,
    AllOf,
    AnyOf,
    Attribute,
    Bits,
    Compare,
    Condition,
    Glob,
    Not,
    OneOf,
    Value,
    contrary,
    expression,
)

GLOB = "ingest_glob"  # the function of patterns that SQLite's own GLOB does not know
_PERMISSIONS = 0o7777
_MOST = 32_000 if sqlite3.sqlite_version_info >= (3, 32) else 900  # parameters of a statement
# What SQLite's GLOB understands as we do: ASCII, and stars.
_PLAIN = re.compile(rb"(?:\\[ -~]|[ -Z^-~])*")
ALL = "all"  # types
_TRUE = "1"
_FEW = 16  # values that are each looked for in a summary


class Sql(NamedTuple):
    """An SQL expression, and the values of its question marks in their order."""

    text: str
    parameters: Tuple[Value, ...] = ()


class Columns(NamedTuple):
    """What the fields of :mod:`.condition` are in some tables.

    ``fields``: an SQL expression for each (times in ns; name and path with their bytes; xattrs with
    a byte 31 before, between and behind the names). ``ranges``: of a directory's summary, the
    smallest and the largest value of a field. ``counts``: how many entries of a type, and of
    ``ALL`` types. ``folder``: the directory's path. With ``subtree`` these speak of all that is
    below the directory, and else of its direct entries.
    """

    fields: Mapping[str, str]
    ranges: Mapping[str, Tuple[str, str]] = {}
    counts: Mapping[str, str] = {}
    folder: str = ""
    subtree: bool = False


def register(db: sqlite3.Connection) -> None:
    """Make known to a connection what conditions need there."""
    db.create_function(GLOB, 2, _glob, deterministic=True)


def _glob(pattern: bytes, value: bytes | None) -> bool | None:
    return None if value is None else expression(pattern).fullmatch(value) is not None


def inlined(question: Sql) -> str:
    """An expression with its values in it: for where there are no parameters."""
    pieces = question.text.split("?")
    said = pieces[0]
    for value, piece in zip(question.parameters, pieces[1:]):
        said += f"X'{value.hex()}'" if isinstance(value, bytes) else _written(value)
        said += piece
    return said


def _written(value: int | str) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def sql(condition: Condition, columns: Columns, now: int) -> Sql:
    """The condition on an entry, at a time (epoch ns).

    Raises:
        IngestError: these tables do not know a field, or there are too many values.
    """
    return _counted(_sql(condition, columns, now))


def may_hold(condition: Condition, columns: Columns, now: int) -> Sql:
    """A condition on a directory's summary that holds wherever an entry may meet ``condition``;
    ``1`` if the summary can't tell. Raises IngestError as :func:`sql`."""
    return _counted(_may(condition, columns, now))


def _counted(found: Sql) -> Sql:
    if len(found.parameters) > _MOST:
        raise IngestError(f"the condition has more than {_MOST} values")
    return found


def _join(word: str, parts: Iterable[Sql]) -> Sql:
    """Balanced, as SQLite limits the depth."""
    every = list(parts)
    if len(every) == 1:
        return every[0]
    half = len(every) // 2
    left, right = _join(word, every[:half]), _join(word, every[half:])
    return Sql(f"({left.text} {word} {right.text})", left.parameters + right.parameters)


def _sql(condition: Condition, columns: Columns, now: int) -> Sql:
    if isinstance(condition, AllOf):
        cheap_first = sorted(condition.parts, key=_slow)
        return _join("AND", [_sql(part, columns, now) for part in cheap_first])
    if isinstance(condition, AnyOf):
        cheap_first = sorted(condition.parts, key=_slow)
        return _join("OR", [_sql(part, columns, now) for part in cheap_first])
    if isinstance(condition, Not):
        inner = _sql(condition.part, columns, now)
        return Sql(f"(NOT {inner.text})", inner.parameters)
    if isinstance(condition, Bits):
        return Sql(f"(({_field(columns, 'mode')} & ?) <> 0)", (condition.mask,))
    if isinstance(condition, Attribute):
        names = f"CAST({_field(columns, 'xattrs')} AS BLOB)"
        return Sql(f"(instr({names}, ?) > 0)", (b"\x1f" + condition.name + b"\x1f",))
    if isinstance(condition, Glob):
        return _pattern(condition, _field(columns, condition.field))
    if isinstance(condition, Age):
        return Sql(
            f"({_field(columns, condition.field)} {MIRROR[condition.operator]} ?)",
            (now - condition.value,),
        )
    return _values(condition, columns)


def _values(condition: Compare | OneOf, columns: Columns) -> Sql:
    field = _field(columns, condition.field)
    if condition.field in ("name", "path"):
        field = f"CAST({field} AS BLOB)"
    if condition.field == "mode":
        field = f"({field} & {_PERMISSIONS})"
    if isinstance(condition, Compare):
        return Sql(f"({field} {condition.operator} ?)", (_stored(condition.value),))
    marks = ",".join("?" * len(condition.values))
    return Sql(f"({field} IN ({marks}))", tuple(map(_stored, condition.values)))


def _field(columns: Columns, field: str) -> str:
    if field not in columns.fields:
        raise IngestError(f"this index does not know '{field}' of its entries")
    return columns.fields[field]


def _stored(value: Value) -> Value:
    """SQLite holds 63 bits and a sign (see the index's rows)."""
    return value - (1 << 64) if isinstance(value, int) and value >= 1 << 63 else value


def _slow(condition: Condition) -> bool:
    """Whether it is asked last: it calls Python for each row."""
    if isinstance(condition, (AllOf, AnyOf)):
        return any(map(_slow, condition.parts))
    if isinstance(condition, Not):
        return _slow(condition.part)
    return isinstance(condition, Glob) and _simple(condition) is None


def _pattern(condition: Glob, field: str) -> Sql:
    simple = _simple(condition)
    if simple is not None:
        return Sql(f"(CAST({field} AS TEXT) GLOB ?)", (simple,))
    match = Sql(f"{GLOB}(?, CAST({field} AS BLOB))", (condition.pattern,))
    start = literal_start(condition.pattern)
    if not start:
        return match
    # Few rows come to Python.
    within = f"(substr(CAST({field} AS BLOB), 1, {len(start)}) = ? AND {match.text})"
    return Sql(within, (start, *match.parameters))


def _simple(condition: Glob) -> str | None:
    """The pattern for SQLite's GLOB, whose star crosses slashes and whose question mark is a
    character; None if only our own function can tell."""
    pattern = condition.pattern
    head = ""
    if pattern.startswith(b"?*") and condition.field == "name":
        pattern, head = pattern[2:], "?*"
    if not _PLAIN.fullmatch(pattern) or b"?" in pattern.replace(b"\\?", b""):
        return None
    if condition.field != "name" and b"*" in re.sub(rb"\\.|\*\*+", b"", pattern):
        return None
    text = re.sub(rb"\\(.)|(\*+)|([\[?])", _for_sqlite, pattern).decode("ascii")
    return head + text


def _for_sqlite(match: re.Match[bytes]) -> bytes:
    if match.group(2):
        return b"*"
    character = match.group(1) or match.group(3)
    return b"[" + character + b"]" if character in (b"*", b"?", b"[") else character


def literal_start(pattern: bytes) -> bytes:
    """What everything that matches begins with."""
    start = b""
    at = 0
    while at < len(pattern) and pattern[at : at + 1] not in (b"*", b"?", b"["):
        at += pattern[at : at + 1] == b"\\"
        start += pattern[at : at + 1]
        at += 1
    return start


# -- the summary -----------------------------------------------------------------------------------


def _may(condition: Condition, columns: Columns, now: int) -> Sql:
    if isinstance(condition, AllOf):
        parts = [_may(part, columns, now) for part in condition.parts]
        telling = [part for part in parts if part.text != _TRUE]
        return _join("AND", telling) if telling else Sql(_TRUE)
    if isinstance(condition, AnyOf):
        return _any([_may(part, columns, now) for part in condition.parts])
    if isinstance(condition, Not):
        inner = contrary(condition.part)
        return Sql(_TRUE) if isinstance(inner, Not) else _may(inner, columns, now)
    if isinstance(condition, Age):
        operator = MIRROR[condition.operator]
        return _range(columns, condition.field, operator, now - condition.value)
    if isinstance(condition, Compare):
        return _may_be(columns, condition.field, condition.operator, condition.value)
    if isinstance(condition, OneOf) and len(condition.values) <= _FEW:
        return _any([_may_be(columns, condition.field, "=", v) for v in condition.values])
    if isinstance(condition, Glob) and condition.field == "path":
        return _within(columns, literal_start(condition.pattern).rpartition(b"/")[0])
    return Sql(_TRUE)


def _any(parts: list[Sql]) -> Sql:
    return Sql(_TRUE) if any(part.text == _TRUE for part in parts) else _join("OR", parts)


def _may_be(columns: Columns, field: str, operator: str, value: Value) -> Sql:
    if isinstance(value, int):
        return _range(columns, field, operator, value)
    if field == "type" and value in columns.counts:
        of_it, every = columns.counts[str(value)], columns.counts.get(ALL, "NULL")
        return Sql(f"(({of_it} {'> 0' if operator == '=' else f'< {every}'}) IS NOT 0)")
    if field == "path" and operator == "=" and isinstance(value, bytes):
        return _within(columns, value.rpartition(b"/")[0])
    return Sql(_TRUE)


def _range(columns: Columns, field: str, operator: str, value: int) -> Sql:
    """What is not known of a directory (NULL) is no reason to leave it out."""
    if field not in columns.ranges:
        return Sql(_TRUE)
    least, most = columns.ranges[field]
    if operator == "=":
        return Sql(f"(({least} <= ? AND {most} >= ?) IS NOT 0)", (value, value))
    if operator == "!=":
        return Sql(f"(({least} = ? AND {most} = ?) IS NOT 1)", (value, value))
    bound = least if operator in ("<", "<=") else most
    return Sql(f"(({bound} {operator} ?) IS NOT 0)", (value,))


def _within(columns: Columns, above: bytes) -> Sql:
    """An entry's path begins with this directory's."""
    if not columns.folder or not above:
        return Sql(_TRUE)
    here = f"CAST({columns.folder} AS BLOB)"
    inside = f"{here} = ? OR ({here} > ? AND {here} < ?)"
    parameters = (above, above + b"/", above + b"0")
    if not columns.subtree:
        return Sql(f"({inside})", parameters)
    on_the_way = f"{here} = X'' OR substr(?, 1, length({here}) + 1) = CAST({here} || '/' AS BLOB)"
    return Sql(f"({inside} OR {on_the_way})", (*parameters, above + b"/"))
