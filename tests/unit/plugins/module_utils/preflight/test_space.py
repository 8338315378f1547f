# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a tree has room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight.space import (
    Need,
    check,
    need,
    too_many,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.options import Comparing
from ansible_collections.scaleout.ingest.tests.support.indexes import scan

MIB = 1 << 20
FREE = {"bytes_free": 1000, "inodes": 50, "inodes_free": 10, "empty": True}


def test_what_a_tree_needs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    (source / "file").write_bytes(os.urandom(MIB))
    for name in ("second", "third"):
        os.link(source / "file", source / "below" / name)
    with open(source / "sparse", "wb") as file:
        file.truncate(100 * MIB)
    os.symlink("file", source / "link")
    scan(bytes(source), str(tmp_path / "index"), workers=1)
    index = Index(str(tmp_path / "index"))
    assert need(index, {}, PRESERVE) == Need(MIB, 4)  # file, sparse, link and the directory below
    assert need(index, {}, ["links"]) == Need(101 * MIB, 4)
    assert need(index, {"lacks": {"sparse": "why"}}, PRESERVE) == Need(101 * MIB, 4)
    assert (
        need(index, {}, ["sparse"])
        == need(index, {"lacks": {"hard_links": ""}}, PRESERVE)
        == Need(3 * MIB, 6)
    )


def test_what_is_there_already_needs_nothing(tmp_path: Path) -> None:
    source, there = tmp_path / "source", tmp_path / "destination"
    for where in (source, there):
        (where / "below").mkdir(parents=True)
        (where / "below" / "same").write_bytes(b"")
        os.utime(where / "below" / "same", ns=(10**18, 10**18))
    (source / "new").mkdir()
    (source / "new" / "file").write_bytes(os.urandom(MIB))
    (source / "changed").write_bytes(os.urandom(MIB))
    (there / "changed").write_bytes(os.urandom(MIB))
    os.utime(there / "changed", ns=(0, 10**18))
    scan(bytes(source), str(tmp_path / "index"), compare=Comparing(bytes(there)))
    index = Index(str(tmp_path / "index"))
    assert need(index, {}, PRESERVE) == Need(MIB, 2)  # the new directory and its file
    index.close()


def test_room() -> None:
    assert check(Need(1000, 10), FREE) is None
    with pytest.raises(
        IngestError,
        match="^ingest_destinations: the source does not fit: 1.50 kB are needed and 1.00 kB free",
    ):
        check(Need(1500, 10), FREE)
    with pytest.raises(
        IngestError, match="11 inodes are needed and 10 free .ingest_check_space: false"
    ):
        check(Need(0, 11), FREE)
    with pytest.raises(IngestError, match="free and 11 inodes"):
        check(Need(1500, 11), FREE)
    said = check(Need(1500, 10), dict(FREE, empty=False))
    assert said and said.startswith(
        "the source fits only if much of it is at the destination already: "
    )
    assert check(Need(0, 11), dict(FREE, inodes=0, inodes_free=0)) is None  # not counted
    with pytest.raises(
        IngestError,
        match="^ingest_destinations: what is not there yet does not fit: 1.50 kB are needed",
    ):
        check(Need(1500, 10), dict(FREE, empty=False), compared=True)


@pytest.mark.parametrize("nodes, most", [(1, 200), (3, 200), (4, 300), (6, 500), (9, 800)])
def test_more_files_than_a_cluster_manages(nodes: int, most: int) -> None:
    assert too_many(most * 10**6, nodes) is None
    said = too_many(most * 10**6 + 1, nodes)
    assert said and "%d,000,001 files" % most in said and "with %d addresses" % nodes in said
    assert too_many(10**12, 0) is None
