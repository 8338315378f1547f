# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an entry is not as it is wanted, told by real inodes."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core import changes
from ansible_collections.scaleout.ingest.plugins.module_utils.core.changes import Kept, by_inode
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import want_of

TIME = 1_600_000_000_123_456_789


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(b"some")
    os.utime(file, ns=(TIME, TIME))
    return file


def _grow(file: Path) -> None:
    file.write_bytes(b"some more")
    os.utime(file, ns=(TIME, TIME))


CHANGES: list[tuple[int, Callable[[Path], object]]] = [
    (0, lambda file: os.utime(file, ns=(5, TIME))),
    (changes.SIZE, _grow),
    (changes.TIME, lambda file: os.utime(file, ns=(TIME, TIME + 1))),
    (changes.MODE, lambda file: file.chmod(0o4755)),
    (changes.SIZE | changes.TIME, lambda file: file.write_bytes(b"")),
]


@pytest.mark.parametrize("bits, change", CHANGES)
def test_each_change_has_its_bit(file: Path, bits: int, change: Callable[[Path], object]) -> None:
    want = want_of(file.lstat())
    change(file)
    assert by_inode(Kept(), want, file.lstat()) == bits


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("owner, bits", [((7, -1), changes.OWNER), ((-1, 7), changes.GROUP)])
def test_owner_and_group_have_theirs(file: Path, owner: tuple[int, int], bits: int) -> None:
    want = want_of(file.lstat())
    os.chown(file, *owner)
    assert by_inode(Kept(), want, file.lstat()) == bits
    assert by_inode(Kept(owner=False), want, file.lstat()) == 0


def test_another_type_is_all_that_is_said(file: Path, tmp_path: Path) -> None:
    assert by_inode(Kept(), want_of(file.lstat()), tmp_path.lstat()) == changes.TYPE


def test_a_link_has_neither_mode_nor_size(file: Path, tmp_path: Path) -> None:
    for name, text in (("one", "a"), ("two", "longer")):
        (tmp_path / name).symlink_to(text)
        os.utime(tmp_path / name, ns=(TIME, TIME), follow_symlinks=False)
    want = want_of((tmp_path / "one").lstat())
    want = want._replace(mode=want.mode & ~0o777)
    assert by_inode(Kept(), want, (tmp_path / "two").lstat()) == 0


def test_what_is_not_kept_does_not_count(file: Path) -> None:
    want = want_of(file.lstat())
    file.chmod(0o600)
    os.utime(file, ns=(TIME, TIME + 1))
    assert by_inode(Kept.of(["owner"]), want, file.lstat()) == 0
    os.utime(file, ns=(TIME, TIME - 1))  # it is older: it may lack what was written since
    assert by_inode(Kept.of(["owner"]), want, file.lstat()) == changes.TIME


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices")
def test_devices_have_numbers(tmp_path: Path) -> None:
    for name, minor in (("one", 3), ("two", 5)):
        os.mknod(tmp_path / name, stat.S_IFCHR | 0o600, os.makedev(1, minor))
    kept = Kept(times=False)
    want = want_of((tmp_path / "one").lstat())
    assert by_inode(kept, want, (tmp_path / "two").lstat()) == changes.DEVICE


def test_words_say_what_the_bits_are() -> None:
    assert changes.words(changes.EQUAL) == []
    assert changes.words(changes.COMPARED | changes.MODE | changes.OWNER) == ["mode", "owner"]
