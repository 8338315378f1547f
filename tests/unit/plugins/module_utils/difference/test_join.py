# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge joins against dictionaries."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.difference import join
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = st.dictionaries(st.binary(min_size=1, max_size=2), st.integers(0, 2), max_size=40)


class Given:
    """A cursor over rows that are there."""

    def __init__(self, rows: Dict[bytes, int]) -> None:
        self.rows: List[Tuple[Any, ...]] = sorted(rows.items())

    def fetchmany(self, size: int) -> List[Tuple[Any, ...]]:
        """The next ones."""
        found, self.rows = self.rows[:size], self.rows[size:]
        return found


@pytest.mark.parametrize("chunk", [1, 2, 7, 1000])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=NAMES, new=NAMES)
def test_differing(
    monkeypatch: Any, chunk: int, old: Dict[bytes, int], new: Dict[bytes, int]
) -> None:
    monkeypatch.setattr(join, "CHUNK", chunk)
    found = list(join.differing(Given(old), Given(new)))
    expected = {
        name: (old.get(name), new.get(name))
        for name in {*old, *new}
        if old.get(name) != new.get(name)
    }
    assert len(found) == len(expected)
    for before, after in found:
        name = (before or after or (b"",))[0]
        assert (before and before[1], after and after[1]) == expected[name]


@given(NAMES, NAMES)
def test_paired(old: Dict[bytes, int], new: Dict[bytes, int]) -> None:
    found = list(join.paired(iter(sorted(old.items())), iter(sorted(new.items()))))
    expected = [
        tuple((name, side[name]) if name in side else None for side in (old, new))
        for name in sorted({*old, *new})
    ]
    assert found == expected
