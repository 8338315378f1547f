# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simple conditions in a query's WHERE, as far as summaries can tell where they can't hold."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple, Tuple

from .condition import AllOf, Compare, Condition
from .query import Query

_BILLION = 1_000_000_000
_LARGEST = (1 << 63) - 1
# Columns that are what the fields of a condition are.
_SAME = {"size": "size", "uid": "uid", "gid": "gid", "depth": "depth"}
_SAME.update({f"{name}_ns": name for name in ("atime", "mtime", "ctime")})
_SECONDS = ("atime", "mtime", "ctime")
_OPERATORS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "="}
_ARITHMETIC = ("+", "-", "*", "/", "%", "(")
_CALLS = ("strftime", "unixepoch", "cast")


class Seen(NamedTuple):
    """A condition that every row of the result meets; ``exact``: and each row that meets it is in
    the result."""

    condition: Condition
    exact: bool


def condition_of(query: Query) -> Seen | None:
    """The condition that is seen in a query, if there is one."""
    core = query.main
    if core is None or "WHERE" not in core.clauses:
        return None
    parts = [_known(query, *part) for part in _conjuncts(query, *core.clauses["WHERE"])]
    found = tuple(condition for part in parts for condition in part.conditions)
    if not found:
        return None
    return Seen(AllOf(found), all(part.exact for part in parts))


class _Known(NamedTuple):
    conditions: Tuple[Condition, ...] = ()
    exact: bool = False


def _conjuncts(query: Query, start: int, end: int) -> list[tuple[int, int]]:
    """What AND joins at the top; nothing if there is an OR."""
    found = []
    begun = at = start
    between = False
    while at < end:
        keyword = query.tokens[at].keyword
        if keyword == "OR":
            return []
        if keyword == "BETWEEN":
            between = True
        elif keyword == "AND" and between:
            between = False
        elif keyword == "AND":
            found.append((begun, at))
            begun = at + 1
        elif keyword == "CASE":
            return []
        at = query.skip(at)
    return [*found, (begun, end)]


def _known(query: Query, start: int, end: int) -> _Known:
    """``column operator value``, maybe with the table's name before it; or ``age(column) …``."""
    tokens = query.tokens
    if query.pairs.get(start) == end - 1:
        inner = [_known(query, *part) for part in _conjuncts(query, start + 1, end - 1)]
        conditions = tuple(condition for part in inner for condition in part.conditions)
        return _Known(conditions, bool(inner) and all(part.exact for part in inner))
    if start + 2 < end and tokens[start + 1].text == ".":
        start += 2
    aged = tokens[start].word == "age" and query.pairs.get(start + 1) == start + 3
    name = start + 2 if aged else start
    sign = start + 4 if aged else start + 1
    if sign + 1 >= end or tokens[name].kind not in ("name", "quoted"):
        return _Known()
    operator = _OPERATORS.get(tokens[sign].text, "")
    column = tokens[name].word
    if column == "type" and operator == "=" and sign + 2 == end:
        letter = tokens[sign + 1].text[1:-1]
        if tokens[sign + 1].kind == "string" or query.out[sign + 1] == f"'{letter}'":
            return _Known((Compare("type", "=", letter),), True)
    value = _value(query, sign + 1, end) if operator else None
    if value is None:
        return _Known()
    if aged:
        mirrored = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(operator, operator)
        return _seconds(column, mirrored, query.now - value) if column in _SECONDS else _Known()
    if column in _SECONDS:
        return _seconds(column, operator, value)
    return _whole(_SAME[column], operator, value) if column in _SAME else _Known()


def _whole(field: str, operator: str, value: float) -> _Known:
    number = int(value) if abs(value) < _LARGEST else _LARGEST
    if number != value or number == _LARGEST:
        return _Known()
    return _Known((Compare(field, operator, number),), True)


def _seconds(field: str, operator: str, value: float) -> _Known:
    """Of whole seconds, which are never later than the time itself."""
    if abs(value) > _LARGEST // _BILLION - 2:
        return _Known()
    least, most = int(value // 1) * _BILLION, (int(value // 1) + 1) * _BILLION
    found: list[Condition] = []
    if operator in ("<", "<=", "="):
        found.append(Compare(field, "<", most))
    if operator in (">", ">=", "="):
        found.append(Compare(field, ">=", least))
    return _Known(tuple(found))


def _value(query: Query, start: int, end: int) -> float | None:
    """What the words come to, if they are a number without any column, and bind tighter than a
    comparison."""
    at = start
    while at < end:
        token = query.tokens[at]
        if token.kind == "sign" and token.text not in _ARITHMETIC:
            return None
        at = query.skip(at)
    for number in range(start, end):
        token = query.tokens[number]
        if token.kind in ("name", "quoted") and not (
            number + 1 in query.pairs and token.word in _CALLS
        ):
            return None
        if token.keyword in ("SELECT", "BETWEEN", "IN", "IS", "LIKE", "NOT"):
            return None
    try:
        db = sqlite3.connect(":memory:")
        try:
            row = db.execute(f"SELECT {query.sql(start, end)}").fetchone()
        finally:
            db.close()
    except sqlite3.Error:
        return None
    # A text compares as a text, unless the column is a number.
    return row[0] if row and isinstance(row[0], (int, float)) else None
