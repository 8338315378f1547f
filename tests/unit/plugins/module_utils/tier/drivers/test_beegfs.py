# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines are those of BeeGFS's own documentation, as is what is read of the answers."""

from __future__ import annotations

import os
import stat
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.batch import Options
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.base import Job, Pool
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.beegfs import (
    BeegfsNative,
    BeegfsPlacement,
    not_migrated,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.outcome import (
    FAILED,
    MOVED,
    Candidate,
)

# What version 8 prints of a partial success: a table of what was not migrated, and a summary.
PARTIAL = b"""PATH                 ENTRY_ID     STATUS  ORIGINAL_IDS  MIGRATION_TYPE  SOURCE_IDS
/projects/a b.dat    1-6734A781-1 error   [101]         targets         [101]       no space left
Summary: {MigrationStatusUnknown:0 MigrationErrors:1 MigrationNotSupported:0 MigratedFiles:1}
"""
# A tool that does what its first lines say, and writes down how it was called.
TOOL = """#!/bin/sh
printf '%s\\n' "$*" >> {log}
cat >> {log}.in
case "$2" in
  migrate) cat {answer}; exit {status};;
esac
n=$(cat {log}.n 2>/dev/null || echo 0); n=$((n + 1)); echo $n > {log}.n
[ $n -lt 3 ] && echo "meta:1 meta node1 Running" || echo "meta:1 meta node1 Idle"
"""


def job(root: bytes, **settings: str) -> Job:
    """From pool 1 to pool archive."""
    return Job(
        root,
        Pool("fast", b"", {"name": "fast", "pool": "default"}),
        Pool("slow", b"", {"name": "slow", "pool": "archive", **settings}),
        Options(quiet=0.0),
        "best_effort",
    )


def text(arguments: list[bytes]) -> str:
    """A command line."""
    return b" ".join(arguments).decode()


def test_how_a_file_is_made_in_a_pool() -> None:
    path = b"/mnt/beegfs/a/.new"
    made = BeegfsPlacement(job(b"/mnt/beegfs"))
    assert text(made.command(path)) == "beegfs entry create file --pool=archive /mnt/beegfs/a/.new"
    made = BeegfsPlacement(job(b"/mnt/beegfs", pool="3", version="7"))
    assert text(made.command(path)) == (
        "beegfs-ctl --createfile --storagepoolid=3 /mnt/beegfs/a/.new"
    )


def test_how_files_are_migrated() -> None:
    assert text(BeegfsNative(job(b"/mnt/beegfs")).command()) == (
        "beegfs entry migrate --from-pools=default --pool=archive --stdin-delimiter=\\x00 -"
    )
    assert text(BeegfsNative(job(b"/mnt/beegfs", rebalance="true")).command()) == (
        "beegfs entry migrate --from-pools=default --pool=archive --stdin-delimiter=\\x00 "
        "--rebalance -"
    )
    assert text(BeegfsNative(job(b"/m", pool="3", version="7")).command(b"/m/a")) == (
        "beegfs-ctl --migrate --storagepoolid=default --destinationpoolid=3 /m/a"
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"version": "6"}, "tier_pools: slow: version: 6 is neither 7 nor 8"),
        ({"pool": ""}, "tier_pools: slow: pool is missing"),
        ({"version": "7", "rebalance": "true"}, "tier_pools: slow: rebalance: only version 8 has"),
    ],
)
def test_settings_are_checked(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(IngestError, match=sentence):
        BeegfsNative(job(b"/mnt/beegfs", **settings))


def test_another_file_system_is_refused() -> None:
    (problem, *dummy) = BeegfsPlacement(job(b"/tmp")).problems()
    assert problem.startswith("tier_path: /tmp is on ") and "not on beegfs" in problem


def test_which_files_a_partial_success_names() -> None:
    paths = [b"/mnt/projects/a b.dat", b"/mnt/projects/a", b"/mnt/other"]
    failed = not_migrated(PARTIAL, b"/mnt", paths)
    assert list(failed) == [b"/mnt/projects/a b.dat"]
    assert failed[paths[0]].outcome == FAILED
    assert set(not_migrated(b"nothing to read", b"/mnt", paths)) == set(paths)


@pytest.mark.parametrize("rebalance", ["false", "true"])
def test_a_tool_that_answers_so(tmp_path: Any, monkeypatch: Any, rebalance: str) -> None:
    log, answer = tmp_path / "log", tmp_path / "answer"
    root = os.fsencode(tmp_path / "root")
    os.makedirs(root + b"/projects")
    for name in (b"a b.dat", b"new\nline"):
        with open(root + b"/projects/" + name, "wb") as file:
            file.write(b"data")
    answer.write_bytes(PARTIAL)
    tool = tmp_path / "beegfs"
    tool.write_text(TOOL.format(log=log, answer=answer, status=2))
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    driver = BeegfsNative(job(root, rebalance=rebalance))
    monkeypatch.setattr(
        "ansible_collections.scaleout.ingest.plugins.module_utils.tier.drivers.beegfs._POLL", 0.0
    )
    candidates = [Candidate((b"projects/" + name,), None) for name in (b"a b.dat", b"new\nline")]
    outcomes = {one.paths[0]: one for one in driver.move(candidates)}
    assert outcomes[b"projects/a b.dat"].outcome == FAILED
    assert "no space left" in outcomes[b"projects/a b.dat"].why
    assert outcomes[b"projects/new\nline"].outcome == MOVED
    assert outcomes[b"projects/new\nline"].guarantee == "best_effort"
    fed = (tmp_path / "log.in").read_bytes()
    assert fed == root + b"/projects/a b.dat\0" + root + b"/projects/new\nline\0"
    calls = log.read_text().splitlines()
    polls = [call for call in calls if call == "stats rebalance --interval=0"]
    assert len(polls) == (3 if rebalance == "true" else 0)
    tool.write_text(TOOL.format(log=log, answer=answer, status=1))
    with pytest.raises(IngestError, match="beegfs entry migrate: Summary"):
        driver.move(candidates)
