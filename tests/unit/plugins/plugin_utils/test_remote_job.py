# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on a host, heard by waiting: real jobs, real commands over Ansible's local connection."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader, init_plugin_loader
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from ansible_collections.scaleout.ingest.plugins.module_utils.core.background import Status, detach
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import Lost, RemoteJob

MANY = 4000  # hosts: the job is not asked for its progress in between


class Action(ActionBase):
    """A task on this machine, which counts its commands."""

    def __init__(self) -> None:
        context = PlayContext()
        connection = connection_loader.get("ansible.builtin.local", context, os.devnull)
        super().__init__(Task(), connection, context, DataLoader(), None, None)
        self.commands = 0
        self.folder = ""
        self.job: Callable[[Status], dict[str, Any]] = lambda status: {}

    def run(self, tmp: str | None = None, task_vars: Any = None) -> dict[str, Any]:
        """Nothing by itself."""
        return {}

    def _low_level_execute_command(self, cmd: str, **options: Any) -> dict[str, Any]:
        self.commands += 1
        return super()._low_level_execute_command(cmd, **options)

    def _execute_module(self, *_arguments: Any, **_options: Any) -> dict[str, Any]:
        """What a module does there: it leaves a job running, and answers."""
        status = Status(self.folder)
        return {"status": detach(lambda: self.job(status), status, 0.0)}


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> Iterator[None]:
    init_plugin_loader()
    yield
    # It would look for the modules of this collection that other tests import later.
    _AnsibleCollectionFinder._remove()


@pytest.fixture
def action() -> Action:
    return Action()


@pytest.fixture
def started(action: Action) -> Iterator[Callable[..., RemoteJob]]:
    jobs = []

    def start(job: Callable[[Status], dict[str, Any]], lease: float = 120.0) -> RemoteJob:
        remote = RemoteJob(action, "here", lease, "test", MANY)
        jobs.append(remote)
        remote.make_folder("0700", ("inbox", "out"), outside="/nowhere", alone=False)
        action.folder, action.job = remote.folder, job
        remote.start("module", {}, {})
        action.commands = 0
        return remote

    yield start
    for job in jobs:
        job.remove()


def test_one_command_waits_for_the_end(action: Action, started: Callable[..., RemoteJob]) -> None:
    def work(_status: Status) -> dict[str, Any]:
        time.sleep(1.5)
        return {"answer": 42}

    job = started(work)
    assert job.look(job.patience())[0]["result"] == {"answer": 42}
    assert action.commands == 1


def test_what_is_rung_before_anybody_waits_is_not_lost(
    action: Action, started: Callable[..., RemoteJob], tmp_path: Path
) -> None:
    def work(status: Status) -> dict[str, Any]:
        for number in range(3):
            Path(status.folder, "out", f"{number}.json").write_text(f"[{number}]")
        status.write("running", out=3)
        status.ring()
        (tmp_path / "rung").touch()
        while True:
            status.check_lease()
            time.sleep(0.05)

    job = started(work)
    while not (tmp_path / "rung").exists():
        time.sleep(0.01)
    status, *results = job.look(job.patience(), results=1)
    assert status["out"] == 3 and results == [[1], [2]]
    assert action.commands == 1


def test_what_is_sent_goes_along(action: Action, started: Callable[..., RemoteJob]) -> None:
    def work(status: Status) -> dict[str, Any]:
        package = Path(status.folder, "inbox", "0.work")
        while not package.exists():
            status.check_lease()
            time.sleep(0.02)
        return {"bytes": package.read_bytes().hex()}

    job = started(work)
    inbox = job.folder + "/inbox/0.work"
    data = bytes(range(256)) * 300
    put = f"cat > {inbox}.part && mv {inbox}.part {inbox} || exit 9; "
    found = job.look(job.patience(), first=put, data=data)
    assert found[0]["result"]["bytes"] == data.hex()
    assert action.commands == 1
    with pytest.raises(IngestError, match="here: the shards can't be handed over"):
        job.look(first="cat > /proc/none/such || exit 9; ", data=b"x")


def test_a_job_that_is_killed_is_missed(action: Action, started: Callable[..., RemoteJob]) -> None:
    def work(_status: Status) -> dict[str, Any]:
        time.sleep(600)
        return {}

    job = started(work)
    os.kill(job.process, signal.SIGKILL)
    os.waitpid(job.process, 0)  # here it is our own child
    with pytest.raises(Lost, match="its job has died"):
        for _look in range(5):
            job.look(job.patience())


def test_a_connection_that_hangs_does_not_outlive_the_lease(
    started: Callable[..., RemoteJob],
) -> None:
    job = started(lambda status: {}, lease=1.0)
    with pytest.raises(Lost, match="no answer for"):
        job.command("sleep 1000")
