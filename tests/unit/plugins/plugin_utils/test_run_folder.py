# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a run folder is: with real processes, one for each playbook."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pytest

pytest.importorskip("ansible", reason="controller code needs ansible-core")

from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import (
    FILE,
    PACKAGE,
    Owner,
    alive,
    make,
    owned,
    started,
    this_playbook,
)

CONTEXT = multiprocessing.get_context("fork")


def silent(reason: str) -> None:
    raise AssertionError("there is nothing to wait for: " + reason)


def owner_of(folder: Path) -> Any:
    return json.loads((folder / FILE).read_text())["owner"]


def another(folder: Path, act: Callable[[], None]) -> None:
    """``act`` while a playbook that is another process, and alive, owns the folder."""
    ready, done = CONTEXT.Event(), CONTEXT.Event()

    def playbook() -> None:
        os.setsid()

        def task() -> None:
            with owned(str(folder), silent):
                ready.set()
                done.wait(60)

        worker = CONTEXT.Process(target=task)
        worker.start()
        worker.join()

    process = CONTEXT.Process(target=playbook)
    process.start()
    try:
        assert ready.wait(60)
        act()
    finally:
        done.set()
        process.join()


def test_it_is_made_for_one_user_and_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    make(str(folder))
    for path in (folder, folder.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    with owned(str(folder), silent) as number:
        assert Owner(**owner_of(folder)) == this_playbook()
        with owned(str(folder), silent) as again:  # the next task
            assert again == number
    assert owner_of(folder), "it is the playbook's, not the task's"
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    with owned(str(folder), silent, last=True) as last:
        assert last == number
    assert owner_of(folder) is None


def test_a_living_owner_keeps_it(tmp_path: Path) -> None:
    def take() -> None:
        begun = time.monotonic()
        wanted = "another run is at work in .* \\(process [0-9]+ on "
        with pytest.raises(IngestError, match=wanted), owned(str(tmp_path), silent):
            pass
        assert time.monotonic() - begun < 30

    another(tmp_path, take)
    (tmp_path / (PACKAGE + "x")).touch()
    with owned(str(tmp_path), silent):  # it has ended
        assert Owner(**owner_of(tmp_path)) == this_playbook()
    assert os.listdir(tmp_path) == [FILE], "what it had on its way is gone"


def test_a_number_that_is_used_again_is_another_process() -> None:
    me = this_playbook()
    assert alive(me) is True
    assert alive(me._replace(started="1")) is False
    assert alive(me._replace(host="elsewhere")) is None
    process = CONTEXT.Process(target=time.sleep, args=(60,))
    process.start()
    assert started(process.pid or 0)
    process.kill()
    while started(process.pid or 0) is not None:
        time.sleep(0.02)  # a zombie is dead
    process.join()


@pytest.mark.parametrize("signs", [False, True])
def test_an_owner_elsewhere_is_judged_by_its_signs(tmp_path: Path, signs: bool) -> None:
    owner = this_playbook()._replace(host="elsewhere", pid=7)
    record = tmp_path / FILE
    record.write_text(json.dumps({"folder": "12ab", "owner": owner._asdict()}))
    said: list[str] = []
    ended = threading.Event()

    def sign() -> None:
        while not ended.wait(0.05):
            os.utime(record)

    signer = threading.Thread(target=sign)
    if signs:
        signer.start()
    try:
        if signs:
            refused = pytest.raises(IngestError, match="process 7 on elsewhere")
            with refused, owned(str(tmp_path), said.append, silence=5):
                pass
        else:
            with owned(str(tmp_path), said.append, silence=0.5) as number:
                assert number == "12ab"
    finally:
        ended.set()
        if signs:
            signer.join()
    assert len(said) == 1 and "process 7 on elsewhere, which can't be seen from here" in said[0]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"folder": "1", "owner": {"pid": 1}}', "\x00" * 9]
)
def test_a_record_that_says_nonsense_is_nobody_s(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with owned(str(tmp_path), silent):
        assert Owner(**owner_of(tmp_path)) == this_playbook()


def test_a_link_is_not_followed_and_a_missing_folder_not_made(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / FILE).symlink_to("victim")
    with pytest.raises(IngestError, match="can't be written"), owned(str(tmp_path), silent):
        pass
    assert (tmp_path / "victim").read_text() == "mine"
    with owned(str(tmp_path / "missing"), silent):
        assert not (tmp_path / "missing").exists()
