# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions that nothing can meet, as far as bounds of numbers tell."""

from __future__ import annotations

from typing import Tuple

from ..search.condition import Age, AllOf, AnyOf, Compare, Condition

_Key = Tuple[str, str]  # age or value, field


def never(condition: Condition) -> str:
    """Why nothing can meet a condition, in words; "" if something may."""
    if isinstance(condition, AnyOf):
        reasons = [never(part) for part in condition.parts]
        return reasons[0] if all(reasons) else ""
    if not isinstance(condition, AllOf):
        return ""
    bounds: dict[_Key, tuple[int, int]] = {}
    for part in _flat(condition):
        if isinstance(part, AnyOf):
            reason = never(part)
            if reason:
                return reason
        if not isinstance(part, (Compare, Age)) or not isinstance(part.value, int):
            continue
        key = ("age" if isinstance(part, Age) else "", part.field)
        low, high = bounds.get(key, (-(1 << 80), 1 << 80))
        least, most = _bounds(part.operator, part.value)
        low, high = max(low, least), min(high, most)
        if low > high:
            name = f"age({part.field})" if key[0] else part.field
            return f"no {name} meets all that it asks of it"
        bounds[key] = low, high
    return ""


def _flat(condition: AllOf) -> list[Condition]:
    found: list[Condition] = []
    for part in condition.parts:
        found += _flat(part) if isinstance(part, AllOf) else [part]
    return found


def _bounds(operator: str, value: int) -> tuple[int, int]:
    """The smallest and the largest whole number that a comparison allows."""
    infinite = 1 << 80
    return {
        "<": (-infinite, value - 1),
        "<=": (-infinite, value),
        "=": (value, value),
        ">=": (value, infinite),
        ">": (value + 1, infinite),
    }.get(operator, (-infinite, infinite))
