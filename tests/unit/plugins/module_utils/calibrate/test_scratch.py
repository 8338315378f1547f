# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a calibration: whose it is, and that nothing else is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate import scratch
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError

NAME = scratch.NAME.decode()


def nothing() -> None:
    """A check that never fails."""


def make(place: Path, *more: Path) -> scratch.Scratch:
    return scratch.make([os.fsencode(each) for each in (place, *more)], nothing)


def killed(place: Path) -> None:
    """What a calibration leaves that is killed with a signal that nobody hears."""
    program = (
        "import os, sys, signal\n"
        "from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate import scratch\n"
        "made = scratch.make([os.fsencode(sys.argv[1])], lambda: None)\n"
        "made.make('c0-1')\n"
        "os.makedirs(made.folder(0, 'c0-1/a/b'))\n"
        "open(made.folder(0, 'c0-1/a/b/f'), 'w').close()\n"
        "os.symlink('/etc', made.folder(0, 'c0-1/a/link'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    done = subprocess.run(
        [sys.executable, "-c", program, str(place)],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr


def test_it_is_made_used_and_gone(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    made = make(tmp_path, tmp_path)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o700
    made.make("c0-1")
    os.makedirs(made.folder(1, "c0-1/a/b"))
    for number in range(300):
        Path(os.fsdecode(made.folder(0, f"c0-1/a/f{number}"))).write_bytes(b"x")
    made.clear("c0-1", nothing)
    assert os.listdir(tmp_path / NAME) == ["owner.json"]
    made.make("c0-2")
    made.close()
    assert os.listdir(tmp_path) == ["other"]


def test_what_a_killed_one_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "precious").write_text("x")
    killed(inside)
    os.symlink(outside, inside / NAME / "c0-1" / "a" / "out")
    os.symlink(outside, inside / NAME / "out")
    made = make(inside)
    assert os.listdir(inside / NAME) == ["owner.json"]
    made.close()
    assert os.listdir(inside) == []
    assert (outside / "precious").read_text() == "x"
    assert os.path.isdir("/etc")


def _link(place: Path, elsewhere: Path) -> None:
    os.symlink(elsewhere, place / NAME)


def _file(place: Path, _elsewhere: Path) -> None:
    (place / NAME).write_text("mine")


def _open_to_others(place: Path, _elsewhere: Path) -> None:
    (place / NAME).mkdir()
    (place / NAME).chmod(0o755)
    (place / NAME / "precious").write_text("x")


def _not_a_calibrations(place: Path, _elsewhere: Path) -> None:
    (place / NAME).mkdir(mode=0o700)
    (place / NAME / "precious").write_text("x")


@pytest.mark.parametrize("put", [_link, _file, _open_to_others, _not_a_calibrations])
def test_whatever_else_has_its_name_is_refused(
    tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    place, elsewhere = tmp_path / "place", tmp_path / "elsewhere"
    place.mkdir()
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "precious").write_text("x")
    put(place, elsewhere)
    before = sorted(os.walk(tmp_path))
    with pytest.raises(IngestError, match=NAME):
        make(place)
    assert sorted(os.walk(tmp_path)) == before


def test_one_that_is_at_work_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "SILENCE", 0.5)
    first = make(tmp_path)
    first.make("c0-1")
    with pytest.raises(IngestError, match="at work"):
        make(tmp_path)
    assert sorted(os.listdir(tmp_path / NAME)) == ["c0-1", "owner.json"]
    first.close()
    assert os.listdir(tmp_path) == []


def test_one_of_another_machine_lives_as_long_as_it_gives_signs(tmp_path: Path) -> None:
    killed(tmp_path)
    owner = tmp_path / NAME / "owner.json"
    owner.write_text(json.dumps(dict(json.loads(owner.read_text()), machine="elsewhere")))

    def sign() -> None:
        os.utime(owner, ns=(time.time_ns(), time.time_ns()))

    with pytest.raises(IngestError, match="at work"):
        scratch.remove_leftover(os.fsencode(tmp_path), sign, silence=5.0)
    assert scratch.remove_leftover(os.fsencode(tmp_path), nothing, silence=0.2)
    assert os.listdir(tmp_path) == []
    assert not scratch.remove_leftover(os.fsencode(tmp_path), nothing)


def test_one_that_was_killed_before_it_said_whose_it_is(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir(mode=0o700)
    assert scratch.remove_leftover(os.fsencode(tmp_path), nothing, silence=0.1)
    (tmp_path / NAME).mkdir(mode=0o700)
    (tmp_path / NAME / "owner.json").write_text("")
    assert scratch.remove_leftover(os.fsencode(tmp_path), nothing, silence=0.1)
    assert os.listdir(tmp_path) == []


def test_what_takes_its_name_gets_nothing(tmp_path: Path) -> None:
    """Somebody who may write in the destination moves the folder away, and puts a link there."""
    place, elsewhere = tmp_path / "place", tmp_path / "elsewhere"
    place.mkdir()
    elsewhere.mkdir()
    made = make(place)
    os.rename(place / NAME, place / "moved")
    os.symlink(elsewhere, place / NAME)
    made.make("c0-1")
    Path(os.fsdecode(made.folder(0, "c0-1/f"))).write_text("x")
    assert os.listdir(elsewhere) == []
    made.close()
    assert os.listdir(elsewhere) == []
    assert os.readlink(place / NAME) == str(elsewhere)
    assert os.listdir(place / "moved") == []


def test_others_enter_only_the_one_they_are_told_of(tmp_path: Path) -> None:
    made = make(tmp_path)
    place = os.fsencode(tmp_path)
    other = scratch.enter([place, place], made.token)
    other.make("c1-1")
    other.close()
    assert "c1-1" in os.listdir(tmp_path / NAME)
    with pytest.raises(IngestError, match="is not this calibration's"):
        scratch.enter([place], "0" * 32)
    made.close()
    with pytest.raises(IngestError, match="can't be entered"):
        scratch.enter([place], made.token)


def test_deep_trees_and_hostile_names_go(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.make("c0-1")
    fd = os.open(made.folder(0, "c0-1"), os.O_RDONLY)
    for number in range(60):
        name = b"-rf \n\xff" + b"d" * 200
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(os.open(b"\n%d" % number, os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.close(fd)
        fd = below
    os.close(fd)
    made.clear("c0-1", nothing)
    made.close()
    assert os.listdir(tmp_path) == []
