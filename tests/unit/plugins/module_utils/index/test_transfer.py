# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index on its way to the controller, and the job that makes it."""

from __future__ import annotations

import json
import os
import stat
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.background import (
    LEASE,
    Abandoned,
    Status,
    detach,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.transfer import pack, unpack


def folder(path: Path, **files: bytes) -> Path:
    """A folder with files."""
    path.mkdir()
    for name, data in files.items():
        (path / (name[1:] + ".db")).write_bytes(data)
    return path


def test_pack_and_unpack(tmp_path: Path) -> None:
    parts = {"_0": os.urandom(3_000_000), "_1": b"", "_2": b"x" * 100}
    source = folder(tmp_path / "a", **parts)
    pack(str(source), str(tmp_path / "packed"), 0o644)
    assert stat.S_IMODE((tmp_path / "packed").stat().st_mode) == 0o644
    assert not list(source.iterdir())
    old = folder(tmp_path / "b", _0=b"old", _7=b"of an index with more shards")
    assert unpack(str(tmp_path / "packed"), str(old)) == 3
    assert {"_" + p.stem: p.read_bytes() for p in old.iterdir()} == parts


def test_damage_is_noticed(tmp_path: Path) -> None:
    pack(str(folder(tmp_path / "a", _0=os.urandom(100_000))), str(tmp_path / "packed"))
    data = bytearray((tmp_path / "packed").read_bytes())
    for broken in (
        data[:60_000],
        b"nonsense" * 1000,
        b"",
        bytes(data[:50_000]) + b"XX" + bytes(data[50_002:]),
    ):
        (tmp_path / "packed").write_bytes(broken)
        with pytest.raises(IngestError, match=r"packed"):
            unpack(str(tmp_path / "packed"), str(tmp_path / "b"))


@pytest.mark.parametrize("name", ["../0.db.gz", "/tmp/0.db.gz", "evil", "8.db.gz"])
def test_only_shards_are_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_text("x")
    with tarfile.open(tmp_path / "packed", "w") as archive:
        archive.add(tmp_path / "x", name)
    with pytest.raises(IngestError, match="is not a packed index"):
        unpack(str(tmp_path / "packed"), str(tmp_path / "b"))
    assert not list((tmp_path / "b").iterdir())


def wait_for(status: Status) -> dict[str, Any]:
    """The status when the job has ended."""
    found: dict[str, Any] = {"state": "running"}
    for _try in range(400):
        with open(status.file, encoding="ascii") as stream:
            found = json.load(stream)
        if found["state"] != "running":
            break
        time.sleep(0.05)
    return found


def test_short_job_is_answered_at_once(tmp_path: Path) -> None:
    found = detach(lambda: {"a": 1}, Status(str(tmp_path)), 60)
    assert found["state"] == "done" and found["result"] == {"a": 1}
    os.waitpid(found["pid"], 0)


def test_long_job_goes_on(tmp_path: Path) -> None:
    def job() -> dict[str, Any]:
        time.sleep(0.5)
        return {
            "session": os.getsid(0) == os.getpid(),
            "fds": [os.readlink("/proc/self/fd/%d" % n) for n in range(3)],
        }

    status = Status(str(tmp_path))
    found = detach(job, status, 0)
    assert found["state"] == "running"
    assert wait_for(status)["result"] == {"session": True, "fds": [os.devnull] * 3}
    os.waitpid(found["pid"], 0)


def test_failures_are_told(tmp_path: Path) -> None:
    def bad() -> dict[str, Any]:
        raise IngestError("a clear sentence")

    def worse() -> dict[str, Any]:
        return {}[0]  # type: ignore[misc]

    for job, message in ((bad, "a clear sentence"), (worse, "KeyError: 0")):
        found = detach(job, Status(str(tmp_path)), 60)
        assert found["state"] == "failed" and found["msg"] == message
        os.waitpid(found["pid"], 0)


def test_lease(tmp_path: Path) -> None:
    status = Status(str(tmp_path))
    status.renew()
    status.check_lease()
    os.utime(status.lease, (time.time() - LEASE - 5,) * 2)
    with pytest.raises(Abandoned, match="the controller has not asked"):
        status.check_lease()
    status.renew()
    status.check_lease()
    os.unlink(status.lease)
    with pytest.raises(Abandoned):
        status.check_lease()
