# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A generation takes its place when it is complete, and never before."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index import generations
from ansible_collections.scaleout.ingest.plugins.module_utils.index.generations import find, writing


def write(folder: Path, keep: int = 2) -> str:
    """A generation, as if of a scan."""
    with writing(str(folder)) as place:
        os.mkdir(place.new)
        Path(place.new, "0.db").write_bytes(b"x")
        return place.complete(keep)


def test_two_are_kept_and_current_is_the_newest(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    made = [write(folder) for dummy in range(4)]
    assert made == sorted(made)
    assert generations.generations(str(folder)) == made[:1:-1]
    assert find(str(folder)) == os.path.realpath(made[-1])
    assert set(os.listdir(folder)) == {".lock", "current", *map(os.path.basename, made[2:])}


def test_a_clock_that_goes_back_does_no_harm(tmp_path: Path) -> None:
    first = write(tmp_path)
    later = os.path.join(os.path.dirname(first), "29990101T000000.999999")
    os.rename(first, later)
    os.unlink(tmp_path / "current")
    os.symlink(os.path.basename(later), tmp_path / "current")
    assert os.path.basename(write(tmp_path)) == "29990101T000001.000000"


def test_what_fails_leaves_the_last_one(tmp_path: Path) -> None:
    first = write(tmp_path)
    with pytest.raises(RuntimeError), writing(str(tmp_path)) as place:
        os.mkdir(place.new)
        raise RuntimeError
    assert generations.generations(str(tmp_path)) == [first]
    assert not (tmp_path / ".new").exists()


def test_what_was_killed_is_swept_up(tmp_path: Path) -> None:
    first = write(tmp_path)
    # At each step on the way to its place.
    (tmp_path / ".new" / "sub").mkdir(parents=True)
    (tmp_path / "29990101T000000.000000").mkdir()
    (tmp_path / "29990101T000000.000000" / "0.db").write_bytes(b"x")
    assert generations.generations(str(tmp_path)) == [first]
    second = write(tmp_path)
    assert generations.generations(str(tmp_path)) == [second, first]
    os.symlink("29990101T000000.000000", tmp_path / ".new")
    third = write(tmp_path)
    assert generations.generations(str(tmp_path)) == [third, second]
    assert len(os.listdir(tmp_path)) == 4


def test_others_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes", "20260101", "20260101T000000.000000.old"):
        (tmp_path / name).mkdir()
    for dummy in range(3):
        write(tmp_path)
    assert {"notes", "20260101", "20260101T000000.000000.old"} <= set(os.listdir(tmp_path))


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    refused = pytest.raises(IngestError, match=rf"another scan .*process {os.getpid()}\)")
    with writing(str(tmp_path)), refused:
        write(tmp_path)
    write(tmp_path)


def test_another_machines_scan_is_known_by_its_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "_SIGN", 0.1)
    monkeypatch.setattr(generations, "_SILENCE", 1.0)
    lock = tmp_path / ".lock"
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    ended = threading.Event()

    def sign() -> None:
        while not ended.wait(0.05):
            os.utime(lock)

    thread = threading.Thread(target=sign)
    thread.start()
    with pytest.raises(IngestError, match=r"another scan .* \(host elsewhere, process 1\)"):
        write(tmp_path)
    ended.set()
    thread.join()
    write(tmp_path)  # it has fallen silent
    assert not lock.read_text()


def test_signs_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "_SIGN", 0.02)
    with writing(str(tmp_path)):
        lock = tmp_path / ".lock"
        os.utime(lock, ns=(0, 0))
        until = time.monotonic() + 30
        while not lock.stat().st_mtime_ns and time.monotonic() < until:
            time.sleep(0.01)
        assert lock.stat().st_mtime_ns


def test_an_index_is_no_folder_of_generations(tmp_path: Path) -> None:
    (tmp_path / "0.db").write_bytes(b"x")
    with pytest.raises(IngestError, match="is an index itself"):
        write(tmp_path)
    assert generations.generations(str(tmp_path)) == [str(tmp_path)]


def test_what_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="it is no directory"):
        find(str(tmp_path / "missing"))
    with pytest.raises(IngestError, match="there is no index in"):
        generations.generations(str(tmp_path))
    (tmp_path / "file").write_text("x")
    with pytest.raises(IngestError, match="can't be written to"):
        write(tmp_path / "file")
