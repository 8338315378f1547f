# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that may never be answered. Dead servers themselves are in tests/lab/test_dead_addresses.py."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.mount_table import (
    entries,
    holding,
    origin,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.liveness import (
    Look,
    Silent,
    answering,
    listing,
    look,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.watchdog import Watch


def hang() -> str:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(600)
    return ""


def raise_it() -> str:
    raise ValueError("odd")


def children() -> list[str]:
    with open("/proc/self/task/%d/children" % os.getpid(), encoding="ascii") as file:
        return file.read().split()


def test_each_has_its_own_answer_and_none_is_waited_for() -> None:
    before = children()
    asked = Look({b"a": str, b"b": lambda: "why \u00fc", b"c": hang, b"d": raise_it}, 1.0)
    assert asked.result() is None
    assert asked.wait() == {
        b"a": "",
        b"b": "why \u00fc",
        b"c": "no answer within 1 s",
        b"d": "ValueError: odd",
    }
    deadline = time.monotonic() + 20
    while set(children()) - set(before) and time.monotonic() < deadline:
        for pid in set(children()) - set(before):
            os.waitpid(int(pid), os.WNOHANG)
        time.sleep(0.01)
    assert not set(children()) - set(before)


def test_a_look_that_is_ended() -> None:
    asked = Look({b"c": hang}, 100.0)
    asked.close()
    assert asked.result() == {}


def test_what_is_here_answers(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    paths = [
        bytes(tmp_path),
        bytes(tmp_path / "link"),
        bytes(tmp_path / "missing"),
        b"/missing/missing",
    ]
    assert look(paths, True).wait() == dict.fromkeys(paths, "")
    assert answering(str(tmp_path), ["/a", "/b"]) == (["/a", "/b"], [])


def test_the_names_of_mounts() -> None:
    assert entries()
    entry = holding(b"/proc/self")
    assert entry is not None and (entry.point, entry.kind) == (b"/proc", "proc")
    assert origin(b"/proc/self", True) == ("", "")
    dead = Silent("/mnt/a\nb", "10.0.0.1:/e", "10.0.0.1", "no answer")
    assert str(dead) == "10.0.0.1 on /mnt/a\\nb (no answer)"
    assert str(dead._replace(address="", message="")) == "/mnt/a\\nb"
    assert (
        listing([dead._replace(mount="m", address="", message="")] * 10)
        == "m, m, m, m, m, m, m, m and 2 more"
    )


def test_a_watch_that_has_nothing_to_complain_of(tmp_path: Path) -> None:
    """Silence alone is no death: what is asked here answers, and then its patience ends."""
    here = bytes(tmp_path)
    watch = Watch(here, [here], 0.4)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and watch._look is None:
        assert watch.step({here: 0.3}, [here]) == {}
    while time.monotonic() < deadline and watch._look is not None:
        assert watch.step({here: 0.3}, [here]) == {}
    assert not watch.dark
    assert watch.step({here: 2.1}, [here]) in ({}, {here: "nothing was done over it for 2 s"})
    watch.close()


def test_a_watch_over_nothing_but_silence(tmp_path: Path) -> None:
    here, other = bytes(tmp_path), bytes(tmp_path / "other")
    watch = Watch(here, [other], 0.1)
    watch._wait({here: "", other: "no answer"})
    assert watch.dark
    time.sleep(0.6)
    with pytest.raises(IngestError, match="no mount answers: .*/other .no answer"):
        watch._wait({here: "", other: "no answer"})
    with pytest.raises(IngestError, match="the source .* .no answer. does not answer"):
        watch._wait({here: "no answer", other: ""})
