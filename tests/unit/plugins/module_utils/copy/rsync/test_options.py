# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the user's rsync options let what is right stay out of a plan: tried with rsync."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync.options import (
    keeps_the_meaning,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError

needs_rsync = pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")


@needs_rsync
@pytest.mark.parametrize(
    "options, keeps",
    [
        ([], True),
        (["-hv"], True),
        (["-z", "--bwlimit=10m", "--info=stats2"], True),
        (["-P"], True),
        (["--block-size", "8192"], True),
        (["-c"], False),
        (["--checksum"], False),
        (["-zc"], False),
        (["--chmod=F600"], False),
        (["--chown", "7:7"], False),
    ],
)
def test_what_is_right_stays_as_it_is(tmp_path: Path, options: list[str], keeps: bool) -> None:
    """rsync finds nothing to do with a file that has size, time and metadata, or it does."""
    if os.geteuid() and "--chown" in options:
        pytest.skip("only root can give a file away")
    for name, text in (("source", "some"), ("destination", "same")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(text)
        os.utime(tmp_path / name / "file", ns=(10**18, 10**18))
    done = subprocess.run(
        ["rsync", "-aiO", *options, f"{tmp_path}/source/", f"{tmp_path}/destination/"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line for line in done.stdout.splitlines() if line.endswith(" file")]
    assert bool(found) is not keeps
    assert keeps_the_meaning(options) is keeps


def test_what_looks_at_more_is_not_left_out() -> None:
    for option in ("--atimes", "-U", "--xattrs", "-A", "--modify-window=2", "--no-perms"):
        assert not keeps_the_meaning([option]), option


def test_what_can_t_be_used_is_said() -> None:
    with pytest.raises(IngestError, match="--size-only"):
        keeps_the_meaning(["--size-only"])
