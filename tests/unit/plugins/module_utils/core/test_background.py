# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that outlives its module: what it says, and when it ends."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.background import (
    PREFIX,
    Abandoned,
    Status,
    detach,
    sweep,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError

LONGEST = 60.0  # s that a test waits before it fails


def until(true: Callable[[], Any], what: str) -> None:
    """Wait for something."""
    end = time.monotonic() + LONGEST
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    path = tmp_path / "work"
    path.mkdir()
    return str(path)


def end(found: dict[str, Any], folder: str) -> None:
    """As the controller does when it has heard the end."""
    shutil.rmtree(folder, ignore_errors=True)  # the job helps
    os.waitpid(found["pid"], 0)


def read(status: Status) -> dict[str, Any]:
    with open(status.file, encoding="ascii") as stream:
        return dict(json.load(stream))


def test_short_job_is_answered_at_once(folder: str) -> None:
    found = detach(lambda: {"a": 1}, Status(folder), LONGEST)
    assert found["state"] == "done" and found["result"] == {"a": 1}
    end(found, folder)


def test_long_job_goes_on(folder: str) -> None:
    def job() -> dict[str, Any]:
        time.sleep(0.5)
        return {
            "session": os.getsid(0) == os.getpid(),
            "fds": [os.readlink("/proc/self/fd/%d" % n) for n in range(3)],
        }

    status = Status(folder)
    found = detach(job, status, 0)
    assert found["state"] == "running"
    until(lambda: read(status)["state"] != "running", "the job does not end")
    assert read(status)["result"] == {"session": True, "fds": [os.devnull] * 3}
    end(found, folder)


def test_failures_are_told(tmp_path: Path) -> None:
    def bad() -> dict[str, Any]:
        raise IngestError("a clear sentence")

    def worse() -> dict[str, Any]:
        return {}[0]  # type: ignore[misc]

    for job, message in ((bad, "a clear sentence"), (worse, "KeyError: 0")):
        folder = tmp_path / message[:3]
        folder.mkdir()
        found = detach(job, Status(str(folder)), LONGEST)
        assert found["state"] == "failed" and found["msg"] == message
        end(found, str(folder))


@pytest.mark.parametrize("result", ["done", "abandoned"])
def test_the_folder_goes_with_a_controller_that_never_asks_again(folder: str, result: str) -> None:
    status = Status(folder, lease=0.3)

    def job() -> dict[str, Any]:
        while result == "abandoned":
            status.check_lease()
            time.sleep(0.02)
        return {}

    found = detach(job, status, 0)
    until(lambda: not os.path.exists(folder), "the folder stays")
    os.waitpid(found["pid"], 0)


def test_the_lease_is_kept_by_touches_and_not_by_clocks(folder: str) -> None:
    status = Status(folder, lease=0.3)
    status.renew()
    for written in (1.0, time.time() + 1e6, 2.0):  # a clock that is set, or another machine's
        os.utime(status.lease, (written, written))
        status.check_lease()
        time.sleep(0.2)
    status.check_lease()
    with pytest.raises(Abandoned, match="the controller has not asked for 0 s"):
        until(status.check_lease, "the lease lasts for ever")


def test_a_folder_that_is_gone_ends_the_job_at_once(folder: str) -> None:
    status = Status(folder)
    status.renew()
    status.check_lease()
    shutil.rmtree(folder)
    with pytest.raises(Abandoned, match="the work folder is gone"):
        status.check_lease()


def test_what_killed_jobs_left_is_swept(tmp_path: Path) -> None:
    long_ago = time.time() - 5000
    for name in (PREFIX + "old", PREFIX + "alive", PREFIX + "new", "old"):
        (tmp_path / name / "inbox").mkdir(parents=True)
    (tmp_path / (PREFIX + "file")).touch()
    (tmp_path / (PREFIX + "link")).symlink_to(tmp_path / "old")
    for name in (PREFIX + "old", PREFIX + "alive"):
        (tmp_path / name / "lease").touch()
    os.utime(tmp_path / (PREFIX + "old") / "lease", (long_ago, long_ago))
    for name in (PREFIX + "alive", "old", PREFIX + "file"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    sweep([str(tmp_path), str(tmp_path / "missing")])
    left = {PREFIX + name for name in ("alive", "new", "file", "link")} | {"old"}
    assert set(os.listdir(tmp_path)) == left
    assert os.listdir(tmp_path / "old") == ["inbox"]
