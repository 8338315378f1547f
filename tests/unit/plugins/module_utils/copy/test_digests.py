# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests: where not every hash is allowed, and of what is stored."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy import digests


def test_digests_in_fips_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Red Hat's Python says there; another Python can't be made to."""

    def refuse(*_arguments: Any) -> NoReturn:
        raise ValueError("[digital envelope routines] unsupported")

    for name, text in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / name).write_text(text, encoding="ascii")
    monkeypatch.setattr(hashlib, "blake2b", refuse)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        first, second, third = (digests.digest(name, folder) for name in (b"a", b"b", b"c"))
    finally:
        os.close(folder)
    assert first == second != third
    assert len(first) == hashlib.sha256().digest_size


def test_a_digest_does_not_read_holes(tmp_path: Path) -> None:
    """Nor does it tell holes from zeros; but where the data is, and how much there is."""
    sizes = {b"huge": 12 << 40, b"more": (12 << 40) + 1, b"other": 12 << 40}
    places = {b"huge": 5 << 40, b"more": 5 << 40, b"other": (5 << 40) + 1}
    for name, size in sizes.items():
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            try:
                file.truncate(size)
            except OSError:
                pytest.skip("no file can be so long here")
            file.seek(places[name])
            file.write(b"data")
    holes, zeros = tmp_path / "holes", tmp_path / "zeros"
    with open(holes, "wb") as file:
        file.seek(3_500_000)
        file.write(b"data")
        file.truncate(7_300_001)
    zeros.write_bytes(holes.read_bytes())
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        assert len({digests.digest(name, folder) for name in sizes}) == 3
        assert digests.digest(b"holes", folder) == digests.digest(b"zeros", folder)
    finally:
        os.close(folder)


def test_what_is_read_back_is_read_from_the_disk() -> None:
    """Not from the memory of the host that wrote it."""
    with tempfile.NamedTemporaryFile(dir="/var/tmp") as file:
        file.write(b"x" * (1 << 20))
        file.flush()
        fd = file.fileno()

        def in_memory() -> bool:
            try:
                return os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT) == 1
            except BlockingIOError:
                return False
            except OSError:
                pytest.skip("/var/tmp's file system can't say what it has in memory")

        assert in_memory()
        digests.read_from_storage(fd)
        if in_memory():
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if in_memory():
                pytest.skip("/var/tmp's file system is memory")
            raise AssertionError("it was read from memory")
