# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ingest-find --diff``, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import executables
from ansible_collections.scaleout.ingest.tests.support import indexes


@pytest.fixture(name="command", scope="module")
def _command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bin") / "ingest-find"
    path.write_bytes(executables.build("ingest-find", sys.executable))
    path.chmod(0o755)
    return path


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Indexes of a tree before and after some changes."""
    folder = tmp_path_factory.mktemp("place")
    tree = folder / "tree"
    (tree / "d").mkdir(parents=True)
    (tree / "d" / "new\nline").write_text("x")
    (tree / "gone").write_text("x")
    indexes.scan(str(tree), str(folder / "old"), workers=1)
    (tree / "d" / "new\nline").write_text("longer")
    (tree / "gone").unlink()
    (tree / "came").write_text("x")
    (tree / "d").rename(tree / "e")
    indexes.scan(str(tree), str(folder / "new"), workers=1)
    return folder


def run(command: Path, *words: Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
    arguments = [os.fsencode(command), *(os.fsencode(str(word)) for word in words)]
    return subprocess.run(arguments, capture_output=True, check=False, timeout=120, **options)


def answer(command: Path, *words: Any) -> bytes:
    done = run(command, *words)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_lines(command: Path, place: Path) -> None:
    found = answer(command, "--diff", place / "old", place / "new").decode().splitlines()
    assert found == [
        "~ ./ (mtime, ctime)",
        "+ came",
        "> d -> e/",
        "~ e/new\\nline (size, mtime, ctime)",
        "- gone",
    ]


def test_the_other_forms(command: Path, place: Path) -> None:
    indexes_of = ("--diff", place / "old", place / "new")
    assert answer(command, *indexes_of, "-0", "--only", "added,removed") == b"came\0gone\0"
    rows = [json.loads(line) for line in answer(command, *indexes_of, "--json").splitlines()]
    assert [row["change"] for row in rows] == ["changed", "added", "moved", "changed", "removed"]
    plain = answer(command, *indexes_of, "--no-moves", "--only", "added", "-0")
    assert plain == b"came\0e\0e/new\nline\0"
    sizes = answer(command, *indexes_of, "--fields", "size", "--only", "changed")
    assert sizes == b"~ e/new\\nline (size)\n"
    counts = answer(command, *indexes_of, "--counts").decode().splitlines()
    assert counts[0].split()[:2] == ["added", "1"] and len(counts) == 4
    assert answer(command, *indexes_of, "-o", place / "file") == b""
    assert (place / "file").read_bytes() == answer(command, *indexes_of)


def test_usage(command: Path, place: Path) -> None:
    for words, said in (
        (("old",), b"has no earlier generation to compare with"),
        (("old", "missing"), b"there is no index in"),
        (("old", "new", "--fields", "smell"), b"fields: 'smell' is not one of type"),
        (("old", "new", "--only", "blue"), b"--only: 'blue' is not one of added"),
        (("old", "new", "new"), b"there are more than two indexes"),
        (("old", "new", "-0", "--json"), b"only one of -0 and --json can be"),
        (("old", "new", "-o", "no/such"), b"no/such can't be written"),
        ((), b"indexes"),
    ):
        done = run(command, "--diff", *words, cwd=place)
        assert done.returncode in (1, 2) and said in done.stderr, done.stderr
        assert b"Traceback" not in done.stderr
    assert b"--no-moves" in answer(command, "--diff", "--help")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another owner")
def test_an_index_that_others_may_write_to(command: Path, place: Path) -> None:
    os.chmod(place / "new", 0o777)
    try:
        done = run(command, "--diff", place / "old", place / "new")
        assert done.returncode == 1 and b"with --trust" in done.stderr
        assert answer(command, "--diff", place / "old", place / "new", "--trust", "--counts")
    finally:
        os.chmod(place / "new", 0o755)
