# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules prime, commands and parallel_rsync as Ansible runs them: JSON in, JSON out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.tests.support.modules import run

pytest.importorskip("ansible", reason="tests of modules need ansible-core")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small tree."""
    root = tmp_path / "source"
    for number in range(7):
        (root / ("d%d" % number)).mkdir(parents=True)
        (root / ("d%d" % number) / "file").write_bytes(b"x" * 100 * number)
    (root / "link").symlink_to("d1")
    (root / ".snapshot").mkdir()
    return root


def test_prime_counts_and_reads(source: Path) -> None:
    found = run("prime", directory=str(source), read=True, workers="2")
    assert (found["files"], found["directories"], found["others"]) == (7, 8, 1)
    assert (found["entries"], found["entries_per_process"]) == (16, 1)
    assert (found["bytes"], found["files_read"], found["bytes_read"]) == (2100, 7, 2100)
    assert (found["changed"], found["errors"], found["failures"]) == (False, 0, [])
    shares = [
        run("prime", directory=str(source), read=True, part=part, parts=2)["files_read"]
        for part in (1, 2)
    ]
    assert sum(shares) == 7


def test_prime_reads_nothing_in_check_mode(source: Path) -> None:
    found = run("prime", check=True, directory=str(source), read=True)
    assert (found["files"], found["files_read"]) == (7, 0)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"directory": "/no/such"}, "'/no/such' does not exist"),
        ({"directory": "/tmp", "part": 3, "parts": 2}, "part: 3"),
        ({"directory": "/tmp", "workers": "many"}, "workers: 'many'"),
    ],
)
def test_prime_bad_input(arguments: dict[str, Any], words: str) -> None:
    found = run("prime", **arguments)
    assert found["failed"]
    assert words in found["msg"]


def test_commands_come_and_go(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert run("commands", check=True, folder=folder)["changed"]
    assert os.listdir(folder) == []
    done = run("commands", folder=folder)
    assert done["changed"]
    names = ("parallelcp", "prime", "msrsync", "ingest-find")
    assert done["paths"] == [os.path.join(folder, name) for name in names]
    assert not run("commands", folder=folder)["changed"]
    os.chmod(done["paths"][0], 0o700)
    assert run("commands", folder=folder)["changed"], "a wrong mode is put right"
    assert os.stat(done["paths"][0]).st_mode & 0o777 == 0o755
    assert run("commands", folder=folder, names=["prime"], state="absent")["changed"]
    assert sorted(os.listdir(folder)) == ["ingest-find", "msrsync", "parallelcp"]
    assert not run("commands", folder=folder, names=["prime"], state="absent")["changed"]


def test_commands_need_a_folder(tmp_path: Path) -> None:
    found = run("commands", folder=str(tmp_path / "missing"))
    assert found["failed"]
    assert "missing' is not a directory" in found["msg"]


def test_parallel_rsync_alone() -> None:
    found = run("parallel_rsync", run_dir="/tmp")
    assert found["failed"]
    assert "action plugin" in found["msg"]


def work(tmp_path: Path, **more: Any) -> dict[str, Any]:
    """The private arguments that the action plugin gives."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("source", "destination"):
        (tmp_path / name).mkdir(exist_ok=True)
    return {
        "run_dir": "/nowhere",
        "source": str(tmp_path / "source"),
        "destinations": [str(tmp_path / "destination")],
        "_work": str(folder),
        "_verify": "metadata",
        "_host": "client7",
        **more,
    }


def test_parallel_rsync_without_rsync(tmp_path: Path) -> None:
    found = run("parallel_rsync", environment={"PATH": str(tmp_path)}, **work(tmp_path))
    assert found["failed"]
    assert (
        found["msg"] == "rsync is not installed on host client7: install the package 'rsync' there"
    )


def test_parallel_rsync_with_an_old_rsync(tmp_path: Path) -> None:
    program = tmp_path / "rsync"
    program.write_text(
        "#!/bin/sh\n"
        "[ \"$1\" = --version ] && echo 'rsync  version 3.1.3  protocol version 31' && exit\n"
        "for i; do\n"
        "[ \"$i\" = --fsync ] && echo 'rsync: --fsync: unknown option' >&2 && exit 1\n"
        "done\nexit 0\n"
    )
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found = run("parallel_rsync", environment=environment, **work(tmp_path, fsync=True))
    assert found["failed"]
    assert "rsync 3.1.3 on host client7 is too old for the option --fsync" in found["msg"]


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_preflight_tries_the_options(tmp_path: Path) -> None:
    arguments = {
        "source": "/usr/share/doc",
        "destinations": [str(tmp_path)],
        "method": "rsync",
        "host": "client7",
    }
    assert not run("preflight", rsync_options=["-hvz"], **arguments).get("failed")
    found = run("preflight", rsync_options=["--delete"], **arguments)
    assert found["failed"]
    assert "'--delete' in ingest_rsync_options would break the plan" in found["msg"]
