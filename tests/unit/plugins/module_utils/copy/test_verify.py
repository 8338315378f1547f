# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digests of the second pass, where not every hash is allowed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.copy import verify


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
    assert first == second == hashlib.sha256(b"one").digest() != third
