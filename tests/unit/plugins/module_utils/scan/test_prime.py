# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""prime: counting and reading trees."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import prime
from ansible_collections.scaleout.ingest.tests.support import trees

ROOT = os.geteuid() == 0


def find(root: str, *tests: str) -> int:
    """What the article counts with find."""
    done = subprocess.run(
        ["find", root, *tests, "-printf", "x"], stdout=subprocess.PIPE, check=True
    )
    return len(done.stdout)


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> str:
    source = str(tmp_path / "source")
    os.mkdir(source)
    trees.build(os.fsencode(source), [node for node in trees.hostile() if node.path[-1] != b"huge"])
    return source


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_counts_as_find_does(source: str, workers: int) -> None:
    counts = prime.prime(os.fsencode(source), workers)
    assert counts.failures == []
    assert counts.files == find(source, "-type", "f")
    assert counts.directories == find(source, "-type", "d")
    assert counts.items == find(source)
    assert counts.per_process == -(-counts.items // 64)
    assert (counts.files_read, counts.bytes_read) == (0, 0)


def test_reads_everything_once(source: str) -> None:
    counts = prime.prime(os.fsencode(source), 2, read=True)
    assert counts.failures == []
    assert (counts.files_read, counts.bytes_read) == (counts.files, counts.bytes)


def test_parts_share_without_gap_or_overlap(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [
        prime.prime(os.fsencode(source), 2, True, prime.Part(number, 3)) for number in range(3)
    ]
    assert {part.files for part in parts} == {parts[0].files}
    assert sum(part.files_read for part in parts) == parts[0].files
    assert sum(part.bytes_read for part in parts) == parts[0].bytes
    assert all(part.files_read for part in parts)
    paths = [b"%d" % number for number in range(1000)]
    shares: set[bytes] = set()
    for number in range(7):
        mine = {path for path in paths if prime.Part(number, 7).has(path)}
        assert not mine & shares
        assert len(mine) > 90
        shares |= mine
    assert len(shares) == 1000


def test_large_files_are_read_in_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prime, "_RANGE", 1 << 20)
    (tmp_path / "large").write_bytes(bytes(5_000_001))
    (tmp_path / "exact").write_bytes(bytes(1 << 20))
    (tmp_path / "empty").write_bytes(b"")
    counts = prime.prime(os.fsencode(tmp_path), 3, read=True)
    assert (counts.files_read, counts.bytes_read) == (3, 5_000_001 + (1 << 20))


def test_snapshots_are_left_out_and_links_not_followed(tmp_path: Path) -> None:
    for name in (".snapshot", ".zfs", "kept"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to("kept")
    counts = prime.prime(os.fsencode(tmp_path), 2, read=True)
    assert (counts.files, counts.directories, counts.others) == (1, 3, 1)
    everything = prime.prime(os.fsencode(tmp_path), 2, skip=frozenset())
    assert (everything.files, everything.directories) == (3, 7)


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="nothing here"):
        prime.prime(os.fsencode(tmp_path / "nothing here"), 1)


def test_failures_are_listed() -> None:
    if not ROOT:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for name, mode in (("closed", 0o700), ("open", 0o755)):
            os.mkdir(os.path.join(folder, name), mode)
            with open(os.path.join(folder, name, "file"), "wb") as stream:
                stream.write(b"12345")
        os.chmod(os.path.join(folder, "open", "file"), 0o600)
        pid = os.fork()
        if not pid:
            code = 99
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                counts = prime.prime(os.fsencode(folder), 2, read=True)
                found = {(failure.path, failure.operation) for failure in counts.failures}
                code = 0 if found == {(b"closed", "list"), (b"open/file", "read")} else 1
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] >> 8 == 0
