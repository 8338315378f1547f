# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A damaged part gets one sentence, and never a wrong answer."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.tests.support import indexes

PAGE = 16384


def contents(folder: str) -> dict[bytes, tuple[Any, ...]]:
    """What an index has."""
    index = Index(folder)
    try:
        return indexes.contents(index)
    finally:
        index.close()


@pytest.mark.parametrize("kind", ["zeros", "noise", "another page"])
def test_a_damaged_page_is_said(tmp_path: Path, kind: str) -> None:
    for n in range(400):
        (tmp_path / "source" / f"d{n % 40}").mkdir(parents=True, exist_ok=True)
        for m in range(5):
            (tmp_path / "source" / f"d{n % 40}" / f"file {n} {m}").touch()
    folder = str(tmp_path / "index")
    indexes.scan(str(tmp_path / "source"), folder, workers=1, sums=True)
    expected = contents(folder)
    file = os.path.join(folder, "0.db")
    whole = Path(file).read_bytes()
    chance = random.Random(kind)
    said = 0
    pages = len(whole) // PAGE
    assert pages > 10
    for page in range(pages):
        other = chance.choice([each for each in range(pages) if each != page])
        put = {
            "zeros": bytes(PAGE),
            "noise": bytes(chance.getrandbits(8) for dummy in range(PAGE)),
            "another page": whole[other * PAGE : (other + 1) * PAGE],
        }[kind]
        Path(file).write_bytes(whole[: page * PAGE] + put + whole[(page + 1) * PAGE :])
        try:
            found = contents(folder)
        except IngestError as error:
            assert "0.db" in str(error) and "\n" not in str(error)
            said += 1
        else:
            assert found == expected  # a page that this does not read
    assert said > pages / 2
