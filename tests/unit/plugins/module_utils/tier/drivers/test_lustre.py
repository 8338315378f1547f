# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines are those of Lustre's manual."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.batch import Options
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.base import Job, Pool
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.lustre import (
    LustreNative,
    LustrePlacement,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.outcome import (
    HOT,
    MOVED,
    Candidate,
    Stop,
)


def job(root: bytes) -> Job:
    """From one pool of OSTs to another."""
    fast = Pool("fast", b"", {"pool": "flash"})
    return Job(root, fast, Pool("slow", b"", {"pool": "disk"}), Options(0.0), "best_effort")


def test_the_command_lines() -> None:
    assert LustrePlacement(job(b"/l")).command(b"/l/a b") == [
        b"lfs", b"setstripe", b"-p", b"disk", b"/l/a b",
    ]  # fmt: skip
    assert LustreNative(job(b"/l")).command([b"/l/a", b"/l/b"]) == [
        b"lfs", b"migrate", b"-n", b"-p", b"disk", b"/l/a", b"/l/b",
    ]  # fmt: skip


def test_a_file_that_is_open_is_hot(tmp_path: Any, monkeypatch: Any) -> None:
    root = os.fsencode(tmp_path)
    tool = tmp_path / "lfs"
    # As it answers of a file that somebody has open.
    tool.write_text(
        '#!/bin/sh\nfor f in "$@"; do case "$f" in *busy) '
        'echo "lfs migrate: cannot get group lock: Device or resource busy" >&2; exit 16;; '
        "esac; done\n"
    )
    tool.chmod(0o755)
    for name in ("busy", "free"):
        (tmp_path / name).write_text("data")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = [Candidate((name,), None) for name in (b"busy", b"free")]
    outcomes = {one.paths[0]: one for one in LustreNative(job(root)).move(found)}
    assert outcomes[b"busy"].outcome == HOT and "busy" in outcomes[b"busy"].why
    assert (outcomes[b"free"].outcome, outcomes[b"free"].bytes) == (MOVED, 4)


def test_a_tool_that_is_missing_or_fails_is_said(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    driver = LustrePlacement(job(os.fsencode(tmp_path)))
    assert "the command lfs is not installed on this host" in driver.problems()
    with pytest.raises(IngestError, match="lfs can't be run: No such file"):
        driver.make(-1, b"/l", b"x")
    tool = tmp_path / "lfs"
    tool.write_text("#!/bin/sh\necho 'error: setstripe: pool not found' >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(Stop, match="no file can be made in the target pool: error: setstripe"):
        driver.make(-1, b"/l", b"x")
