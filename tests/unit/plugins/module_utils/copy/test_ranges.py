# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large file in ranges, when others are about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy import ranges
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.session import Session
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.temporary import temporary_of
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import OperationError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import want_of

MB = 1 << 20
ONE, OTHER = 1, 2**63 - 1


class Place:
    """Three parts of 1 MiB, the last one shorter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.destination = folder / "source", folder / "destination"
        for tree in (self.source, self.destination):
            tree.mkdir()
        (self.source / "big").write_bytes(os.urandom(3 * MB - 5))
        self.want = want_of(os.stat(self.source / "big"))
        self.session = Session(bytes(self.source), bytes(self.destination), frozenset(PRESERVE))

    def prepare(self, run: int) -> None:
        ranges.prepare(self.session, b"", b"big", self.want, run)

    def part(self, number: int, run: int) -> None:
        length = min(MB, self.want.size - number * MB)
        ranges.copy_range(self.session, b"", b"big", self.want, number * MB, length, run)

    def finish(self, run: int) -> None:
        ranges.finish(self.session, b"", b"big", self.want, run)

    def right(self) -> bool:
        """The file, and nothing else, is there."""
        copy, original = self.destination / "big", self.source / "big"
        assert os.listdir(self.destination) == ["big"]
        return (
            copy.read_bytes() == original.read_bytes()
            and copy.stat().st_mtime_ns == original.stat().st_mtime_ns
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.session.close()


def test_two_runs_never_share_what_they_fill(place: Place) -> None:
    place.prepare(ONE)
    place.part(0, ONE)
    place.prepare(OTHER)
    for number in (2, 0, 1):
        place.part(number, OTHER)
    place.finish(OTHER)
    assert (place.destination / "big").read_bytes() == (place.source / "big").read_bytes()
    # The first run has lost nothing by that.
    place.part(2, ONE)
    place.part(1, ONE)
    place.finish(ONE)
    assert place.right()


def test_what_another_run_prepared_is_stale(place: Place) -> None:
    """The room that a dead run took is given back before it is needed again."""
    place.prepare(ONE)
    place.part(0, ONE)
    another = Session(bytes(place.source), bytes(place.destination), frozenset(PRESERVE))
    ranges.prepare(another, b"", b"big", place.want, OTHER)
    assert os.listdir(place.destination) == [os.fsdecode(temporary_of(b"big", OTHER))]
    assert another.tally.take().removed == 1
    # Prepared again, after a host died: its own run's files stay.
    ranges.prepare(another, b"", b"big", place.want, OTHER)
    assert another.tally.take().removed == 0
    another.close()
    with pytest.raises(OSError):
        place.part(1, ONE)


def test_the_old_version_stays_until_the_new_one_is_complete(place: Place) -> None:
    old = place.destination / "big"
    old.write_bytes(b"old")
    place.prepare(ONE)
    for number in range(3):
        place.part(number, ONE)
        assert old.read_bytes() == b"old"
    place.finish(ONE)
    assert place.right()
    os.truncate(place.source / "big", 2 * MB)
    place.want = want_of(os.stat(place.source / "big"))
    place.prepare(ONE)
    place.part(0, ONE)
    ranges.discard(place.session, b"", b"big", place.want, ONE)
    assert os.listdir(place.destination) == ["big"] and old.stat().st_size == 3 * MB - 5


def test_a_finish_is_done_again_after_its_host_died(place: Place) -> None:
    place.prepare(ONE)
    for number in range(3):
        place.part(number, ONE)
    os.truncate(place.destination / os.fsdecode(temporary_of(b"big", ONE)), place.want.size)
    place.finish(ONE)
    assert place.right()


@pytest.mark.parametrize("size", [0, MB, 3 * MB, 4 * MB])
def test_a_file_that_is_not_the_prepared_one(place: Place, size: int) -> None:
    (place.destination / os.fsdecode(temporary_of(b"big", ONE))).write_bytes(b"x" * size)
    with pytest.raises(OperationError, match="not there any more"):
        place.part(0, ONE)
    os.link(
        place.destination / os.fsdecode(temporary_of(b"big", ONE)), place.folder / "another name"
    )
    with pytest.raises(OperationError, match="not there any more"):
        place.finish(ONE)
    assert (place.folder / "another name").read_bytes() == b"x" * size
