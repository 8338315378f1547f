# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions that may never be answered. Dead servers themselves are in
tests/lab/test_dead_addresses.py."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.probes import (
    Look,
    answering,
    look,
)


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
