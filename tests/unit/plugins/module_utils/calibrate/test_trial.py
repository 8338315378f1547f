# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trials with the real copy, and the material of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Sequence

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate import material, scratch
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.material import (
    File,
    Material,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.orders import (
    COPY,
    READ,
    Order,
    Outcome,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.pieces import batch
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.trial import Trials
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE, Kind

ORDER = Order(0, COPY, "files", 2, 1, 0.3)


def nothing() -> None:
    """A check that never fails."""


def tree(where: Path, sizes: Sequence[int]) -> Material:
    for number, size in enumerate(sizes):
        folder = where / f"d{number % 7}" / "below"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}\n").write_bytes(b"x" * size)
    root = os.fsencode(where)
    files = material.look(root, 20.0, nothing)
    return Material(root, sorted(files))


def trial(tmp_path: Path, found: Material, order: Order, mounts: int = 1) -> Outcome:
    place = tmp_path / "destination"
    place.mkdir(exist_ok=True)
    places = [os.fsencode(place)] * mounts
    folder = scratch.make(places, nothing)
    try:
        trials = Trials(found, folder, places, PRESERVE, nothing, "c0-")
        outcome = trials.run(order)
        assert os.listdir(place / os.fsdecode(scratch.NAME)) == ["owner.json"]
    finally:
        folder.close()
    assert os.listdir(place) == []
    return outcome


def test_small_files_are_copied_and_gone(tmp_path: Path) -> None:
    found = tree(tmp_path / "source", [3000] * 200)
    assert len(found.files) == 200
    outcome = trial(tmp_path, found, ORDER._replace(mounts=2, workers=4), 2)
    assert outcome.files > 0 and outcome.bytes == outcome.files * 3000 and not outcome.failed
    assert sum(files for files, _bytes in outcome.mounts) * 3000 == outcome.written
    assert len(outcome.mounts) == 2
    assert outcome.timeline[-1][2] == outcome.written >= outcome.bytes
    assert 0 <= outcome.busy <= 1 and 0 <= outcome.own <= 1 and outcome.seconds > 0


def test_large_files_are_copied_in_ranges(tmp_path: Path) -> None:
    found = tree(tmp_path / "source", [3 << 20] * 4)
    outcome = trial(tmp_path, found, ORDER._replace(bound="bytes", range_size=1 << 20))
    assert outcome.files == 0 and outcome.bytes and outcome.bytes % (1 << 20) == 0
    assert not outcome.failed


def test_what_may_be_written_is_the_limit(tmp_path: Path) -> None:
    found = tree(tmp_path / "source", [1 << 16] * 100)
    order = ORDER._replace(most_bytes=10 << 16, workers=1, seconds=20.0)
    assert 10 << 16 <= trial(tmp_path, found, order).written <= 14 << 16


def test_only_reading(tmp_path: Path) -> None:
    found = tree(tmp_path / "source", [3000] * 50)
    outcome = trial(tmp_path, found, ORDER._replace(kind=READ))
    assert outcome.files and outcome.bytes == outcome.files * 3000


def test_what_changed_meanwhile_counts_as_failed(tmp_path: Path) -> None:
    found = tree(tmp_path / "source", [3000] * 60)
    for file in found.files[:20]:
        os.unlink(os.path.join(found.root, file.directory, file.name))
    outcome = trial(tmp_path, found, ORDER)
    assert outcome.failed and "No such file" in outcome.message


def test_nothing_that_can_be_copied_is_said(tmp_path: Path) -> None:
    found = tree(tmp_path / "source", [3000] * 5)
    for file in found.files:
        os.unlink(os.path.join(found.root, file.directory, file.name))
    with pytest.raises(IngestError, match="nothing could be copied"):
        trial(tmp_path, found, ORDER)


def test_pieces_are_small_where_each_takes_long() -> None:
    want = material.Want(0o100644, 0, 0, 1000, 0, 0, 0)
    files = [File(b"d%d" % (number // 100), b"f%d" % number, want) for number in range(2000)]
    slow = batch(files, ORDER._replace(workers=8, seconds=2.0, expected=100))
    assert {piece.files for piece in slow.timed} <= {1, 2, 3}
    fast = batch(files, ORDER._replace(workers=2, seconds=2.0, expected=5000))
    assert max(piece.files for piece in fast.timed) == 32
    unknown = batch(files, ORDER)
    assert {piece.files for piece in unknown.timed} == {1}
    assert not slow.before and {piece.kind for piece in fast.timed} == {Kind.COPY}


def test_each_worker_has_a_directory_of_its_own() -> None:
    want = material.Want(0o100644, 0, 0, 1000, 0, 0, 0)
    files = [File(b"d%d" % (number // 60), b"f%d" % number, want) for number in range(1800)]
    found = batch(files, ORDER._replace(workers=8, seconds=2.0, expected=100))
    assert len({piece.line.split(b'"')[1] for piece in found.timed[:8]}) == 8
    assert sum(piece.files for piece in found.timed) == found.files < len(files)
    assert len({piece.line for piece in found.timed}) == len(found.timed)


def test_ranges_cover_what_is_needed_once() -> None:
    want = material.Want(0o100644, 0, 0, 100 << 20, 0, 0, 0)
    files = [File(b"", b"f%d" % number, want) for number in range(5)]
    order = ORDER._replace(bound="bytes", workers=4, seconds=2.0, expected=50e6)
    found = batch(files, order)
    assert len(found.before) == found.files == 3
    assert sum(piece.bytes for piece in found.timed) >= 300e6
    assert len({piece.line for piece in found.timed}) == len(found.timed)


def test_a_sample_survives_its_way() -> None:
    names = [b"f\xff\n", b"-rf", b"{{ x }}", b"f"]
    files = [
        File(b"d\xff" * (number % 2), name, material.Want(0o100600, 1, 2, 3, 4, 4, 0))
        for number, name in enumerate(sorted(names))
    ]
    assert material.from_ascii(material.to_ascii(files)) == files
    assert material.to_ascii(files).isascii()


def test_files_that_are_made_have_about_the_sizes(tmp_path: Path) -> None:
    sizes = [0, 1, 3000, 5000, 70_000, 70_001, 1 << 30]
    made = material.make_local(os.fsencode(tmp_path / "local"), sizes, "files")
    found = [file.want.size for file in made.files]
    assert found[:3] == [0, 1, 3000]
    assert all(size <= got <= size * 1.26 for size, got in zip(sizes[:6], found))
    assert found[6] == 4 << 20
    assert trial(tmp_path, made, ORDER).files > 0


def test_what_is_left_out_where_files_count() -> None:
    want = material.Want(0o100644, 0, 0, 0, 0, 0, 0)
    files = [File(b"", b"f", want._replace(size=size)) for size in (0, 1000, 1 << 30)]
    assert [file.want.size for file in material.usable(files, "files")] == [0, 1000]
    assert [file.want.size for file in material.usable(files, "bytes")] == [1000, 1 << 30]
