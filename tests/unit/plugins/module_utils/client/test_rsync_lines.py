# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The methods rsync and msrsync in a client's workers, with the real rsync."""

from __future__ import annotations

import multiprocessing.popen_fork  # noqa: F401  (one test may not read it any more)
import os
import shutil
import sqlite3
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.client import rsync_lines
from ansible_collections.scaleout.ingest.plugins.module_utils.client.settings import Settings
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync import method
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits
from ansible_collections.scaleout.ingest.tests.support import compare, pipeline, trees
from hypothesis import HealthCheck, given, settings

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
ROOT = os.geteuid() == 0


@pytest.fixture(name="pair")
def _pair(tmp_path: Path) -> tuple[bytes, bytes]:
    pair = os.fsencode(tmp_path / "source"), os.fsencode(tmp_path / "destination")
    for root in pair:
        os.mkdir(root)
    return pair


@pytest.mark.parametrize(
    "options",
    [
        {"method": "rsync"},
        {"method": "rsync", "workers": 3, "verify": "checksum", "split": "dynamic"},
        {"method": "msrsync", "workers": 4, "rsync_options": ["-hv", "-z"]},
    ],
)
def test_hostile_tree_twice(
    pair: tuple[bytes, bytes], tmp_path: Path, options: dict[str, Any]
) -> None:
    source, destination = pair
    trees.build(source, [node for node in trees.hostile() if node.path[-1] != b"huge"])
    first = pipeline.ingest(source, [destination], str(tmp_path / "run1"), **options)
    assert first["failed"] == 0
    assert compare.compare_trees(source, destination) == []
    second = pipeline.ingest(source, [destination], str(tmp_path / "run2"), **options)
    assert (second["files"], second["changed"], second["failed"]) == (0, 0, 0)
    assert compare.compare_trees(source, destination) == []


def test_paths_that_are_too_long_for_rsync(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    source, destination = pair
    trees.build(source, trees.deep(30))
    try:
        done = pipeline.ingest(source, [destination], str(tmp_path / "run"), method="rsync")
        assert done["failed"] == 0
        assert compare.compare_trees(source, destination) == []
    finally:
        for root in pair:
            trees.remove(root)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees.trees())
def test_any_tree(nodes: list[trees.Node]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, destination = (os.fsencode(os.path.join(folder, name)) for name in "sd")
        for root in (source, destination):
            os.mkdir(root)
        trees.build(source, nodes)
        try:
            assert (
                pipeline.ingest(source, [destination], os.path.join(folder, "run"), method="rsync")[
                    "failed"
                ]
                == 0
            )
            assert compare.compare_trees(source, destination) == []
        finally:
            for root in (source, destination):
                trees.remove(root)


def test_no_link_of_the_destination_is_followed(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    source, destination = pair
    trees.build(
        source,
        [trees.Node((b"d", b"file"), data=((0, b"1"),)), trees.Node((b"top",), data=((0, b"2"),))],
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    os.symlink(os.fsencode(outside), os.path.join(destination, b"d"))
    done = pipeline.ingest(source, [destination], str(tmp_path / "run"), method="rsync")
    assert done["failed"] > 0
    assert os.listdir(outside) == []
    assert os.path.exists(os.path.join(destination, b"top"))


def test_links_that_the_source_has_no_more(pair: tuple[bytes, bytes], tmp_path: Path) -> None:
    """In place, one file's new contents would reach the other's name."""
    source, destination = pair
    for number in range(6):
        for root, link in ((source, False), (destination, True)):
            for name in (b"a%d", b"b%d"):
                path = os.path.join(root, name % number)
                if link and name == b"b%d":
                    os.link(os.path.join(root, b"a%d" % number), path)
                else:
                    Path(os.fsdecode(path)).write_bytes(path)
    for verify in ("metadata", "none"):
        done = pipeline.ingest(
            source,
            [destination],
            str(tmp_path / verify),
            method="rsync",
            limits=Limits(items=1),
            workers=2,
            verify=verify,
        )
        assert done["failed"] == 0
        assert compare.compare_trees(source, destination) == []


def test_another_user_gets_no_set_id_file() -> None:
    if not ROOT:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        source, destination, run = (os.path.join(folder, name) for name in ("s", "d", "run"))
        for path in (source, destination, run):
            os.mkdir(path)
            os.chmod(path, 0o777)
        Path(source, "suid").write_bytes(b"1")
        os.chmod(os.path.join(source, "suid"), 0o4755)
        pid = os.fork()
        if not pid:
            code = 99
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                counts = pipeline.ingest(
                    os.fsencode(source), [os.fsencode(destination)], run, method="rsync"
                )
                kinds = dict(
                    sqlite3.connect(os.path.join(run, "plan.db")).execute(
                        "SELECT kind, count FROM losses"
                    )
                )
                code = 0 if counts["files"] == 1 and {"owner", "set-id"} <= set(kinds) else 1
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] >> 8 == 0
        found = os.stat(os.path.join(destination, "suid"))
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o755, 65534)


def options(**more: Any) -> dict[str, Any]:
    found = {
        "method": "rsync",
        "rsync_options": [],
        "workers": "auto",
        "_host": "client1",
        "_verify": "metadata",
        "host": "client7",
        "preserve": PRESERVE,
        "fsync": False,
        "verify": "plan",
        "bucket_files": 0,
        "bucket_bytes": 0,
    }
    return {**found, **more}


def test_settings(pair: tuple[bytes, bytes]) -> None:
    base = Settings(pair[0], (pair[1],), PRESERVE, 2, 2, bandwidth_limit=8 << 20)
    made = rsync_lines.configure(
        options(method="msrsync", bucket_files=170, bucket_bytes=1000, verify="checksum"), base
    )
    assert (made.chunk_files, made.chunk_bytes, made.rsync_verify) == (170, 1000, "checksum")
    assert "--bwlimit=2048" in made.rsync
    with pytest.raises(IngestError, match="'times'"):
        rsync_lines.configure(options(), base._replace(preserve=("mode",)))


def test_unknown_method() -> None:
    with pytest.raises(
        IngestError, match="ingest_method: 'scp' is not one of copy, rsync, msrsync"
    ):
        method.check_method(options(method="scp"))


def test_missing_rsync(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(IngestError, match="rsync is not installed on host client7"):
        method.check_method(options(method="msrsync"))
    method.check_method(options(method="copy"))
