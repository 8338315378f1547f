# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mounts have died. Dead servers themselves are in tests/lab/test_dead_addresses.py."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.watchdog import Watch


def test_a_watch_that_has_nothing_to_complain_of(tmp_path: Path) -> None:
    """Silence alone is no death: what is asked here answers, and then its patience ends."""
    here = bytes(tmp_path)
    watch = Watch(here, [here], 0.4)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and watch._look is None:
        assert watch.step({here: 0.3}, [here]) == {}
    while time.monotonic() < deadline and watch._look is not None:
        assert watch.step({here: 0.3}, [here]) == {}
    assert not watch.waiting
    assert watch.step({here: 2.1}, [here]) in ({}, {here: "nothing was done over it for 2 s"})
    watch.close()


def test_a_watch_over_nothing_but_silence(tmp_path: Path) -> None:
    here, other = bytes(tmp_path), bytes(tmp_path / "other")
    watch = Watch(here, [other], 0.1)
    watch._wait({here: "", other: "no answer"})
    assert watch.waiting
    time.sleep(0.6)
    with pytest.raises(IngestError, match="no mount answers: .*/other .no answer"):
        watch._wait({here: "", other: "no answer"})
    with pytest.raises(IngestError, match="the source .* .no answer. does not answer"):
        watch._wait({here: "no answer", other: ""})
