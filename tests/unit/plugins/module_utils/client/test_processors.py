# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How busy the processors were, by the kernel's own counters."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client.processors import Processors


def ticks(path: Path, busy: int, idle: int) -> None:
    path.write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n")


def test_only_the_time_of_work_counts(tmp_path: Path) -> None:
    path = tmp_path / "stat"
    ticks(path, 100, 100)
    processors = Processors(str(path))
    assert processors.part is None
    ticks(path, 190, 110)
    processors.look(True)
    assert processors.part == 0.9
    ticks(path, 190, 9000)
    processors.look(False)
    ticks(path, 200, 9090)
    processors.look(True)
    assert processors.part == 0.5


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu a b c d e f g h\n"])
def test_a_system_that_does_not_tell(tmp_path: Path, text: str) -> None:
    path = tmp_path / "stat"
    path.write_text(text)
    processors = Processors(str(path))
    processors.look(True)
    assert processors.part is None
    assert Processors(str(tmp_path / "none")).part is None


def test_this_system_tells() -> None:
    processors = Processors()
    for _number in range(4_000_000):  # some ticks of work
        pass
    processors.look(True)
    part = processors.part
    assert part is not None and 0 < part <= 1
