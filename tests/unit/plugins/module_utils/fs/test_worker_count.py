# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many workers."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.worker_count import workers_for
from ansible_collections.scaleout.ingest.tests.faults import mounts
from ansible_collections.scaleout.ingest.tests.support import engine
from ansible_collections.scaleout.ingest.tests.support.compare import compare_trees


@pytest.mark.parametrize("workers", ["many", 0, -1, 1.5, True, None])
def test_workers_that_are_no_number(tmp_path: Path, workers: object) -> None:
    with pytest.raises(IngestError, match="workers"):
        workers_for((bytes(tmp_path),), workers)


def test_as_many_workers_as_asked_and_one_for_each_mount(tmp_path: Path) -> None:
    here = (bytes(tmp_path),)
    assert workers_for(here, 5, cpus=2) == (5, 1)
    assert workers_for(here, "auto", cpus=2) == (2, 1)
    assert workers_for(here, 1, 6, cpus=2) == (6, 1)
    processes, threads = workers_for(here, 64, cpus=4)
    assert processes * threads >= 64


@pytest.mark.parametrize(
    "options",
    [["--tree", "--workers", "32"], ["--options", json.dumps({"workers": 32})]],
    ids=["tree", "pipeline"],
)
@pytest.mark.parametrize("most", [1024, 300])
def test_many_threads_in_many_directories_with_few_open_files(
    tmp_path: Path, options: list[str], most: int
) -> None:
    """A login may open 1,024 files, or is given no more than that."""
    source, destination = tmp_path / "source", tmp_path / "destination"
    for one in range(30):
        for two in range(30):
            folder = source / ("d%d" % one) / "deep" / ("e%d" % two)
            folder.mkdir(parents=True)
            (folder / "file").write_bytes(b"%d" % two)
    destination.mkdir()
    package = os.path.dirname(os.path.dirname(engine.__file__))
    environment = dict(
        os.environ,
        INGEST_COLLECTIONS=os.path.normpath(os.path.join(package, "..", "..", "..", "..")),
    )
    with mounts.faultfs(bytes(destination), bytes(tmp_path / "mount")):
        done = subprocess.run(
            [
                sys.executable,
                engine.__file__,
                source,
                tmp_path / "run",
                tmp_path / "mount",
                *options,
            ],
            env=environment,
            capture_output=True,
            check=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
        )
    assert json.loads(done.stdout)["failures"] == []
    assert compare_trees(bytes(source), bytes(destination)) == []
