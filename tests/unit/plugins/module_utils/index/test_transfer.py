# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index on its way to the controller."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.transfer import pack, unpack


def folder(path: Path, **files: bytes) -> Path:
    """A folder with files."""
    path.mkdir()
    for name, data in files.items():
        (path / (name[1:] + ".db")).write_bytes(data)
    return path


def test_pack_and_unpack(tmp_path: Path) -> None:
    parts = {"_0": os.urandom(3_000_000), "_1": b"", "_2": b"x" * 100}
    source = folder(tmp_path / "a", **parts)
    pack(str(source), str(tmp_path / "packed"), 0o644)
    assert stat.S_IMODE((tmp_path / "packed").stat().st_mode) == 0o644
    assert not list(source.iterdir())
    old = folder(tmp_path / "b", _0=b"old", _7=b"of an index with more shards")
    assert unpack(str(tmp_path / "packed"), str(old)) == 3
    assert {"_" + p.stem: p.read_bytes() for p in old.iterdir()} == parts


def test_damage_is_noticed(tmp_path: Path) -> None:
    pack(str(folder(tmp_path / "a", _0=os.urandom(100_000))), str(tmp_path / "packed"))
    data = bytearray((tmp_path / "packed").read_bytes())
    for broken in (
        data[:60_000],
        b"nonsense" * 1000,
        b"",
        bytes(data[:50_000]) + b"XX" + bytes(data[50_002:]),
    ):
        (tmp_path / "packed").write_bytes(broken)
        with pytest.raises(IngestError, match=r"packed"):
            unpack(str(tmp_path / "packed"), str(tmp_path / "b"))


@pytest.mark.parametrize("name", ["../0.db.gz", "/tmp/0.db.gz", "evil", "64.db.gz", "00.db.gz"])
def test_only_shards_are_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_text("x")
    with tarfile.open(tmp_path / "packed", "w") as archive:
        archive.add(tmp_path / "x", name)
    with pytest.raises(IngestError, match="is not a packed index"):
        unpack(str(tmp_path / "packed"), str(tmp_path / "b"))
    assert not list((tmp_path / "b").iterdir())
