# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digests of the second pass: where not every hash is allowed, and of what is stored."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy import verify
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.session import Session
from ansible_collections.scaleout.ingest.plugins.module_utils.core.want import want_of


def test_digests_in_fips_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Red Hat's Python says there; another Python can't be made to."""

    def refuse(*_arguments: Any) -> NoReturn:
        raise ValueError("[digital envelope routines] unsupported")

    for name, text in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / name).write_text(text, encoding="ascii")
    monkeypatch.setattr(hashlib, "blake2b", refuse)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        first, second, third = (verify.digest(name, folder) for name in (b"a", b"b", b"c"))
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
        assert len({verify.digest(name, folder) for name in sizes}) == 3
        assert verify.digest(b"holes", folder) == verify.digest(b"zeros", folder)
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
        verify.read_from_storage(fd)
        if in_memory():
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if in_memory():
                pytest.skip("/var/tmp's file system is memory")
            raise AssertionError("it was read from memory")


def test_digests_are_of_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the destination; the source is read as it comes."""
    asked = []
    monkeypatch.setattr(verify, "read_from_storage", asked.append)
    for tree in ("source", "destination"):
        (tmp_path / tree).mkdir()
        (tmp_path / tree / "file").write_bytes(b"same")
        os.utime(tmp_path / tree / "file", (5, 5))
    session = Session(
        bytes(tmp_path / "source"), bytes(tmp_path / "destination"), frozenset(["times"])
    )
    want = want_of(os.stat(tmp_path / "source" / "file"))
    verify.check(session, b"", b"file", want, None, True)
    session.close()
    assert len(asked) == 1
