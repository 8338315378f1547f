# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole or not there, and SQLite files under any name."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.atomic import written
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.sqlite import read_only


def test_a_written_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with written(path, binary=True, mode=0o640) as stream:
        stream.write(b"\xff\n")
    with pytest.raises(ZeroDivisionError), written(path) as stream:
        stream.write("lost")
        raise ZeroDivisionError
    with open(path, "rb") as found:
        assert found.read() == b"\xff\n"
    assert os.stat(path).st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["file"]
    with pytest.raises(IngestError, match="can't be written"), written(path + "/below"):
        pass


def test_a_private_file_is_never_open_to_others(tmp_path: Path) -> None:
    path = str(tmp_path / "secret")
    with written(path, mode=0o600):
        assert os.stat(path + ".part").st_mode & 0o077 == 0
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("immutable", [False, True])
def test_any_name_is_opened_for_reading_alone(tmp_path: Path, immutable: bool) -> None:
    path = str(tmp_path / "a %3f?mode=rwc#b%")
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t(n)")
    db.close()
    db = read_only(path, immutable)
    assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("INSERT INTO t VALUES (1)")
    db.close()
    with pytest.raises(sqlite3.OperationalError):
        read_only(path + "not there", immutable)
    assert len(os.listdir(tmp_path)) == 1
