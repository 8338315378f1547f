# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree is made of, against a walk over it."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index import profile as module
from ansible_collections.scaleout.ingest.plugins.module_utils.index.profile import AGES, profile
from ansible_collections.scaleout.ingest.tests.support import indexes

DAY = 86_400


@pytest.fixture(name="tree", scope="module")
def _tree(tmp_path_factory: Any) -> Path:
    """A tree of many kinds, sizes and ages, and an index of it."""
    folder: Path = tmp_path_factory.mktemp("profile")
    now = time.time()
    for number in range(120):
        where = folder / "tree" / f"d{number % 3}" / ("deep/" * (number % 4))
        where.mkdir(parents=True, exist_ok=True)
        name = ["a.TXT", "b.txt", "c.tar.gz", ".hidden", "none", "x.averylongsuffix", "q.\udcff"]
        path = where / f"{number}{name[number % 7]}"
        if number % 7 == 3:
            path = where / f".hidden{number}"
        path.write_bytes(b"x" * (number**2))
        age = (-1, 0.5, 3, 20, 60, 120, 300, 500, 800, 1500, 3000)[number % 11]
        os.utime(path, (now - age * DAY / 2, now - age * DAY))
        if os.geteuid() == 0:
            os.chown(path, number % 30, number % 2)
    (folder / "tree" / "d1" / "link").symlink_to("nowhere")
    os.mkfifo(folder / "tree" / "d1" / "fifo")
    indexes.scan(str(folder / "tree"), str(folder / "index"), workers=2, sums=True)
    return folder


def files_of(root: Path) -> Dict[str, os.stat_result]:
    """All regular files."""
    found = {}
    for folder, _directories, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found[os.path.relpath(path, root)] = os.lstat(path)
    return found


def test_against_a_walk(tree: Path) -> None:
    found = profile(str(tree / "index"))
    json.dumps(found)
    files = files_of(tree / "tree")
    assert found["totals"]["files"] == len(files) == 120
    for low, high, number, size in found["sizes"]:
        fits = [s.st_size for s in files.values() if low <= s.st_size < high]
        assert (number, size) == (len(fits), sum(fits))
    assert sum(bucket[2] for bucket in found["sizes"]) == 120
    for name, field in (("modified", "st_mtime"), ("accessed", "st_atime")):
        ages = [(found["finished"] - getattr(s, field)) / DAY for s in files.values()]
        bounds = [-1e9, *AGES, 1e9]
        expected = [sum(low < age <= high for age in ages) for low, high in zip(bounds, bounds[1:])]
        assert [number for number, _size in found[name]] == expected
        assert sum(size for _number, size in found[name]) == sum(s.st_size for s in files.values())
    suffixes = {label: number for label, number, _size in found["suffixes"]}
    assert suffixes == Counter(_suffix(os.path.basename(path)) for path in files)
    largest = sorted(((s.st_size, path) for path, s in files.items()), reverse=True)[:20]
    shown = [[size, path.replace("\udcff", "\\xff")] for size, path in largest]
    assert found["largest"] == shown
    deepest = max(path.count("/") for path in files)
    assert found["deepest"][0][0] == deepest
    tops = {path: [size, number] for size, path, number in found["tops"]}
    for top in ("d0", "d1", "d2"):
        below = [s.st_size for path, s in files.items() if path.startswith(top + "/")]
        assert tops[top] == [sum(below), len(below)]


def _suffix(name: str) -> str:
    stem, dot, end = os.fsencode(name).rpartition(b".")
    if not stem or not dot or not 0 < len(end) <= 12:
        return "none"
    return "." + end.lower().decode("utf-8", "backslashreplace")


def test_owners(tree: Path) -> None:
    found = profile(str(tree / "index"))
    entries: Counter = Counter()
    for folder, _directories, names in os.walk(tree / "tree"):
        for name in names:
            entries[os.lstat(os.path.join(folder, name)).st_uid] += 1
    shown = {_number(label): number for label, number, _size in found["owners"]}
    others = shown.pop(None, 0)
    assert all(entries[uid] == number for uid, number in shown.items())
    assert sum(shown.values()) + others == sum(entries.values()) == 122
    assert len(shown) == min(20, len(entries))


def _number(label: str) -> int | None:
    if label == "all others":
        return None
    return int(label.rpartition("(")[2].rstrip(")"))


def test_many_suffixes_are_bounded(tree: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_SUFFIXES", 2)
    found = profile(str(tree / "index"))
    assert sum(number for _label, number, _size in found["suffixes"]) == 120
    assert found["suffixes"][-1][0] == "all others"


def test_growth(tmp_path: Path) -> None:
    names: List[str] = ["20260101T120000.000000", "20260102T120000.000000"]
    (tmp_path / "tree").mkdir()
    (tmp_path / "index").mkdir()
    for number, name in enumerate(names):
        (tmp_path / "tree" / str(number)).write_text("four")
        indexes.scan(str(tmp_path / "tree"), str(tmp_path / "index" / name), workers=1)
    os.symlink(names[1], tmp_path / "index" / "current")
    found = profile(str(tmp_path / "index"))
    assert [(one["files"], one["bytes"]) for one in found["growth"]] == [(1, 4), (2, 8)]
    assert found["totals"]["files"] == 2


def test_an_empty_tree(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    indexes.scan(str(tmp_path / "tree"), str(tmp_path / "index"), workers=1)
    found = profile(str(tmp_path / "index"))
    assert found["sizes"] == found["largest"] == found["owners"] == []


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="there is no index in"):
        profile(str(tmp_path))
