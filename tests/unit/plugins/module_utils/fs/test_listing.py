# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories as they are read."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.fs import listing
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.listing import Run, listed, named
from ansible_collections.scaleout.ingest.tests.faults import mounts

BOTH = pytest.mark.parametrize("remote", [False, True])


@contextlib.contextmanager
def opened(path: bytes) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def together(runs: list[Run]) -> Run:
    whole = Run([], [], [], [])
    for run in runs:
        for all_of_it, part in zip(whole, run):
            all_of_it += part  # type: ignore[operator]
    return whole


def names(entries: list) -> set[bytes]:  # type: ignore[type-arg]
    return {entry[0] for entry in entries}


def populate(folder: bytes, count: int) -> None:
    os.makedirs(folder, exist_ok=True)
    for n in range(count):
        os.close(os.open(folder + b"/file%d" % n, os.O_CREAT | os.O_WRONLY, 0o600))


@BOTH
def test_each_entry_is_told_by_its_kind_with_its_stat(tmp_path: Path, remote: bool) -> None:
    folder = bytes(tmp_path)
    populate(folder, 3)
    os.mkdir(folder + b"/below")
    os.symlink(b"nowhere", folder + b"/link")
    os.mkfifo(folder + b"/pipe")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(os.fsdecode(folder + b"/socket"))
    with opened(folder) as fd:
        (run,) = listed(fd, remote)
    assert names(run.files) == {b"file0", b"file1", b"file2"}
    assert names(run.directories) == {b"below"}
    assert names(run.others) == {b"link", b"pipe", b"socket"}
    assert run.failed == []
    for name, found in run.files + run.others:
        assert found == os.lstat(folder + b"/" + name)


def test_a_local_directory_in_it_is_looked_at_on_request(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "below")
    with opened(bytes(tmp_path)) as fd:
        assert [run.directories for run in listed(fd)] == [[(b"below", None)]]
        ((name, found),) = next(listed(fd, directories=True)).directories
    assert found is not None and stat.S_ISDIR(found.st_mode)


@BOTH
def test_every_name_is_given_as_it_is(tmp_path: Path, remote: bool) -> None:
    """Names that differ only in bytes are different names."""
    wanted = {
        b"\xff",
        b"\xfe",
        b"\xc3\xa9",
        b"e\xcc\x81",
        b"a\nb",
        b"\xed\xa0\x80",
        b"A",
        b"a",
        b"-",
    }
    for name in wanted:
        os.close(os.open(bytes(tmp_path) + b"/" + name, os.O_CREAT))
    with opened(bytes(tmp_path)) as fd:
        assert names(next(listed(fd, remote)).files) == wanted


@BOTH
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 100, 101])
def test_runs_are_bounded_and_together_whole(tmp_path: Path, remote: bool, count: int) -> None:
    populate(bytes(tmp_path), count)
    with opened(bytes(tmp_path)) as fd:
        for dummy in range(2):  # it can be read again
            runs = list(listed(fd, remote, size=10))
            assert all(len(run.files) <= 10 for run in runs)
            assert len(runs) == count // 10 + 1
            assert len(together(runs).files) == len(names(together(runs).files)) == count


@BOTH
def test_what_is_not_wanted_is_left_out(tmp_path: Path, remote: bool) -> None:
    populate(bytes(tmp_path), 20)
    os.mkdir(tmp_path / "below")
    asked: dict[bytes, bool] = {}

    def wanted(name: bytes, is_directory: bool) -> bool:
        asked[name] = is_directory
        return name == b"file3"

    with opened(bytes(tmp_path)) as fd:
        run = together(list(listed(fd, remote, wanted=wanted)))
    assert names(run.files) == {b"file3"}
    assert not run.directories and not run.failed
    assert len(asked) == 21 and [name for name in asked if asked[name]] == [b"below"]


@BOTH
def test_an_entry_that_vanished_is_told(tmp_path: Path, remote: bool) -> None:
    """The listing said that it is there: that it is not is for the caller to judge."""
    backing, folder = bytes(tmp_path / "backing"), bytes(tmp_path / "mount")
    populate(backing, 200)
    with mounts.faultfs(backing, folder) as faults, opened(folder) as fd:
        faults.rule(op="getattr", match="file7", errno=errno.ENOENT)
        faults.rule(op="getattr", match="file8", errno=errno.EIO)
        run = together(list(listed(fd, remote)))
    assert {(name, error.errno) for name, error in run.failed} == {
        (b"file7", errno.ENOENT),
        (b"file8", errno.EIO),
    }
    assert len(run.files) == 198


@BOTH
@pytest.mark.parametrize("given", [0, 5, 700, 1500])
def test_a_listing_that_ends_half_way_is_an_error(tmp_path: Path, remote: bool, given: int) -> None:
    backing, folder = bytes(tmp_path / "backing"), bytes(tmp_path / "mount")
    populate(backing, 2000)
    with mounts.faultfs(backing, folder) as faults, opened(folder) as fd:
        faults.rule(op="readdir", errno=errno.EIO, **{"from": given})
        read: set[bytes] = set()
        with pytest.raises(OSError) as error:
            for run in listed(fd, remote):
                read |= names(run.files)
        assert error.value.errno == errno.EIO
        assert (read and len(read) < 2000) or not given
        faults.clear()
        assert len(together(list(listed(fd, remote))).files) == 2000


@BOTH
def test_an_entry_is_what_it_is_when_it_is_looked_at(tmp_path: Path, remote: bool) -> None:
    """It may be something else than the listing said."""
    folder = bytes(tmp_path)
    for name in (b"was_file", b"was_link"):
        os.close(os.open(folder + b"/" + name, os.O_CREAT))
    changed: list[bytes] = []

    def change(name: bytes, is_directory: bool) -> bool:
        os.unlink(folder + b"/" + name)
        if name == b"was_file":
            os.mkdir(folder + b"/" + name)
        else:
            os.symlink(b"nowhere", folder + b"/" + name)
        changed.append(name)
        return True

    with opened(folder) as fd:
        run = next(listed(fd, False, wanted=change))
    assert len(changed) == 2
    assert names(run.directories) == {b"was_file"} and names(run.others) == {b"was_link"}


def test_where_each_look_asks_the_server_many_look_at_once(tmp_path: Path) -> None:
    backing, folder = bytes(tmp_path / "backing"), bytes(tmp_path / "mount")
    populate(backing, 1200)
    with mounts.faultfs(backing, folder, threads=20) as faults, opened(folder) as fd:
        faults.tell("delay=2000")
        faults.rule(op="getattr", match="file99", errno=errno.EACCES)
        run = together(list(listed(fd, True)))
        at_once = faults.calls()["at_once"]
    assert len(names(run.files)) == 1199
    assert at_once >= 8
    assert [(name, error.errno) for name, error in run.failed] == [(b"file99", errno.EACCES)]


def test_a_descriptor_that_only_looks_up_becomes_one_that_reads(tmp_path: Path) -> None:
    populate(bytes(tmp_path), 3)
    held = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    fd = listing.reading(held)
    try:
        assert len(next(listed(fd)).files) == 3
    finally:
        os.close(fd)
        os.close(held)


@pytest.mark.parametrize("fault", ["twice", "again"])
def test_what_a_server_gives_twice_is_told_once(tmp_path: Path, fault: str) -> None:
    backing, folder = bytes(tmp_path / "backing"), bytes(tmp_path / "mount")
    populate(backing, 1500)
    for n in range(5):
        os.mkdir(backing + b"/below%d" % n)
    with mounts.faultfs(backing, folder) as faults:
        faults.rule(op="readdir", do=fault, times=3, skip=1200)
        with opened(folder) as fd:
            run = together(list(listed(fd, True, size=100)))
        faults.clear()
        for remote in (False, True):
            faults.rule(op="readdir", do=fault, times=3, skip=1200)
            with opened(folder) as fd:
                found = list(named(fd, remote))
            faults.clear()
            assert sum(len(part.files) for part in found) == 1500
            assert sum(len(part.directories) for part in found) == 5
    assert len(run.files) == len(names(run.files)) == 1500
    assert len(run.directories) == len(names(run.directories)) == 5


@BOTH
def test_names_by_kind_alone(tmp_path: Path, remote: bool) -> None:
    backing, folder = bytes(tmp_path / "backing"), bytes(tmp_path / "mount")
    populate(backing, 1100)
    os.mkdir(backing + b"/below")
    os.symlink(b"nowhere", backing + b"/link")
    with mounts.faultfs(backing, folder, remember=60) as faults:
        held = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        first, last = named(held, remote)
        assert len(first.files + last.files) == 1100
        assert first.directories + last.directories == [b"below"]
        assert first.others + last.others == [b"link"]
        looked = faults.calls()["getattr"]
        os.close(held)
    assert looked >= 1102 if remote else looked < 50


def test_the_end_of_names_is_an_error_too(tmp_path: Path) -> None:
    backing, folder = bytes(tmp_path / "backing"), bytes(tmp_path / "mount")
    populate(backing, 2000)
    with mounts.faultfs(backing, folder) as faults, opened(folder) as fd:
        faults.rule(op="readdir", errno=errno.EIO, **{"from": 1500})
        found: list[bytes] = []
        with pytest.raises(OSError):
            for part in named(fd):
                found += part.files
    assert 1000 <= len(found) < 2000


@pytest.mark.parametrize(
    "slow, most, least_looks, most_looks",
    [
        (1.0, 5_000, 1_500, 1_600),  # the listing tells
        (1.0, 1_000, 1_000, 1_100),  # only so many gain
        (0.0, 5_000, 1, 30),  # each look asks the server: nothing is gained
    ],
)
def test_looking_ahead(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slow: float,
    most: int,
    least_looks: int,
    most_looks: int,
) -> None:
    backing, folder = bytes(tmp_path / "backing"), bytes(tmp_path / "mount")
    populate(backing, 1500)
    monkeypatch.setattr(listing, "_SLOW", slow)
    with mounts.faultfs(backing, folder, remember=60) as faults:
        held = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        faults.clear()
        listing.look_ahead(held, most)
        looks = faults.calls()["getattr"]
        faults.rule(op="opendir", errno=errno.EACCES)
        listing.look_ahead(held, most)  # it is for who opens them to say that
        os.close(held)
    assert least_looks <= looks <= most_looks
