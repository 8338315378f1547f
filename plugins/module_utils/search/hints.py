# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simple conditions in a query's WHERE, as far as summaries can tell where they can't hold."""

from __future__ import annotations

import sqlite3

from .condition import AllOf, Compare, Condition
from .query import Query

_BILLION = 1_000_000_000
_LARGEST = (1 << 63) - 1
# Columns that are what the fields of a condition are.
_SAME = {"size": "size", "uid": "uid", "gid": "gid", "depth": "depth"}
_SAME.update({f"{name}_ns": name for name in ("atime", "mtime", "ctime")})
_SECONDS = ("atime", "mtime", "ctime")
_OPERATORS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "="}
_CALLS = ("strftime", "unixepoch", "cast")


def condition_of(query: Query) -> Condition | None:
    """A condition that every row of the result meets, if one is seen."""
    core = query.main
    if core is None or "WHERE" not in core.clauses:
        return None
    found = [
        part
        for start, end in _conjuncts(query, *core.clauses["WHERE"])
        for part in _known(query, start, end)
    ]
    return AllOf(tuple(found)) if found else None


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


def _known(query: Query, start: int, end: int) -> list[Condition]:
    """``column operator value``, maybe with the table's name before it; or ``age(column) …``."""
    tokens = query.tokens
    if query.pairs.get(start) == end - 1:
        return [c for part in _conjuncts(query, start + 1, end - 1) for c in _known(query, *part)]
    if start + 2 < end and tokens[start + 1].text == ".":
        start += 2
    aged = tokens[start].word == "age" and query.pairs.get(start + 1) == start + 3
    name = start + 2 if aged else start
    sign = start + 4 if aged else start + 1
    if sign + 1 >= end or tokens[name].kind not in ("name", "quoted"):
        return []
    operator = _OPERATORS.get(tokens[sign].text, "")
    if not operator:
        return []
    value = _value(query, sign + 1, end)
    if value is None:
        return []
    column = tokens[name].word
    if aged:
        mirrored = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(operator, operator)
        return _seconds(column, mirrored, query.now - value) if column in _SECONDS else []
    if column in _SECONDS:
        return _seconds(column, operator, value)
    return _whole(_SAME[column], operator, value) if column in _SAME else []


def _whole(field: str, operator: str, value: float) -> list[Condition]:
    number = int(value)
    if number != value or not -_LARGEST < number < _LARGEST:
        return []
    return [Compare(field, operator, number)]


def _seconds(field: str, operator: str, value: float) -> list[Condition]:
    """Of whole seconds, which are never later than the time itself."""
    least, most = int(value // 1) * _BILLION, (int(value // 1) + 1) * _BILLION
    if not -_LARGEST < least < most < _LARGEST:
        return []
    found: list[Condition] = []
    if operator in ("<", "<=", "="):
        found.append(Compare(field, "<", most))
    if operator in (">", ">=", "="):
        found.append(Compare(field, ">=", least))
    return found


def _value(query: Query, start: int, end: int) -> float | None:
    """What the words come to, if they are a number without any column."""
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
