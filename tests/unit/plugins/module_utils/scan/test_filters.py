# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns: include and exclude against the real rsync, globs against the real shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.filters import Filter
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.globs import Globs
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

needs_rsync = pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")
needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")

# Few letters, so that patterns often match; what is special to somebody is among them.
NAMES = st.sampled_from(
    [
        b"a",
        b"b",
        b"ab",
        b"aab",
        b"a.b",
        b".a",
        b"..a",
        b"a b",
        b"A",
        b"[a]",
        b"a*",
        b"a\\b",
        b"-a",
        b"!",
        b"a\nb",
        b"\xff",
        b"\xc3\xa4",
        b"]",
        b"^",
        b"ba",
        b"a1",
        b"b-c",
    ]
)
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=4), min_size=1, max_size=8)
PIECES = st.sampled_from(
    [
        b"a",
        b"b",
        b"ab",
        b"*",
        b"**",
        b"***",
        b"?",
        b"/",
        b"/",
        b".",
        b"[ab]",
        b"[!a]",
        b"[^a-b]",
        b"[a-",
        b"]",
        b"[",
        b"[]a]",
        b"[[:alpha:]]",
        b"[[:punct:]]",
        b"[[:x:]]",
        b"[a\\]]",
        b"\\",
        b"\\*",
        b"\xff",
        b"-",
        b" ",
        b"A",
        b"[b-a]",
        b"[[:alpha:]-z]",
        b"a/***",
        b"**/",
        b"/**/",
        b"[\\a-b]",
        b"[--b]",
        b"[:alpha:]",
        b"[[:alpha]",
    ]
)
PATTERNS = st.lists(PIECES, min_size=1, max_size=4).map(b"".join)


def make(root: bytes, tree: list[list[bytes]]) -> None:
    """The paths of a tree, the last name of each a file where it is not a directory already."""
    for path in tree:
        folder = os.path.join(root, *path[:-1])
        try:
            os.makedirs(folder, exist_ok=True)
            if not os.path.isdir(os.path.join(folder, path[-1])):
                with open(os.path.join(folder, path[-1]), "wb"):
                    pass
        except (FileExistsError, NotADirectoryError):
            pass


def walk(root: bytes) -> set[bytes]:
    """All relative paths."""
    found = set()
    for folder, directories, files in os.walk(root):
        found |= {os.path.relpath(os.path.join(folder, name), root) for name in directories + files}
    return found


def kept(root: bytes, rules: Filter, directory: bytes = b"") -> set[bytes]:
    """What the filter leaves, with pruning."""
    found = set()
    with os.scandir(os.path.join(root, directory) if directory else root) as entries:
        for entry in entries:
            if rules.excluded(directory, entry.name, entry.is_dir()):
                continue
            path = os.path.join(directory, entry.name)
            found.add(path)
            if entry.is_dir():
                found |= kept(root, rules, path)
    return found


@needs_rsync
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES, st.lists(PATTERNS, max_size=2), st.lists(PATTERNS, min_size=1, max_size=3))
@example([[b"a", b"b", b"ab"], [b"b", b"a"]], [b"*/", b"ab"], [b"*"])
@example([[b"a", b"b", b"ab"], [b"ab", b"a", b"b"]], [], [b"a/**/ab"])
@example([[b"a", b"b", b"ab"]], [b"a/***"], [b"*"])
@example([[b"a", b"b"], [b"b"]], [], [b"/b"])
@example([[b"a", b"b"], [b"b"]], [], [b"- a", b"+ b"])
@example([[b"a", b"b"], [b"b"]], [], [b"a", b"!", b"b"])
@example([[b"a*", b"b"], [b"ab"]], [], [b"a\\*"])
@example([[b"a\\b"], [b"ab"]], [], [b"a\\b"])
def test_filter_is_rsync(
    tree: list[list[bytes]], include: list[bytes], exclude: list[bytes]
) -> None:
    """The same names are left as rsync copies."""
    root = os.fsencode(tempfile.mkdtemp())
    try:
        source, copy = os.path.join(root, b"source"), os.path.join(root, b"copy")
        os.mkdir(source)
        make(source, tree)
        options = [b"--include=" + p for p in include] + [b"--exclude=" + p for p in exclude]
        done = subprocess.run(
            [b"rsync", b"-a", *options, b"--", source + b"/", copy],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert kept(source, Filter(include, exclude)) == walk(copy)
    finally:
        shutil.rmtree(root)


def test_filter_of_nothing_is_false() -> None:
    assert not Filter()
    assert not Filter([], [b"[unclosed"])


def matched(root: bytes, globs: Globs) -> set[bytes]:
    """What the globs match themselves."""
    found = set()

    def look(directory: bytes, depth: int, active: tuple[int, ...]) -> None:
        with os.scandir(os.path.join(root, directory) if directory else root) as entries:
            for entry in entries:
                path = os.path.join(directory, entry.name)
                whole, further = globs.step(active, depth, entry.name, entry.is_dir())
                if whole:
                    found.add(path)
                if further:
                    look(path, depth + 1, further)

    look(b"", 0, globs.start)
    return found


GLOB_PIECES = st.sampled_from(
    [
        b"a",
        b"b",
        b"ab",
        b"*",
        b"?",
        b".",
        b"[ab]",
        b"[!a]",
        b"[^a-b]",
        b"1",
        b"*/",
        b"/",
        b"[[:alpha:]]",
        b"[]a]",
        b"**",
        b"\xff",
        b"A",
        b"-",
        b"[a",
        b"\\*",
    ]
)


@needs_bash
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES, st.lists(GLOB_PIECES, min_size=1, max_size=4).map(b"".join))
@example([[b"a", b"b", b"ab"]], b"a/*/a*")
@example([[b".a"], [b"..a"], [b"a"]], b"*a")
@example([[b".a"], [b"..a"], [b"a"]], b".*")
@example([[b"a", b"b"], [b"b"]], b"*/")
@example([[b"a"]], b"./a")
def test_glob_is_the_shell(tree: list[list[bytes]], pattern: bytes) -> None:
    """The same names match as in bash (POSIX locale, as names are bytes)."""
    try:
        globs = Globs([pattern])
    except IngestError:
        assert (
            pattern.startswith(b"/") or b"//" in pattern or set(pattern.split(b"/")) & {b".", b".."}
        )
        return
    root = os.fsencode(tempfile.mkdtemp())
    try:
        make(root, tree)
        # The pattern comes in a variable, which the shell splits and expands, but does not parse.
        program = (
            "IFS=; shopt -s nullglob globskipdots 2>/dev/null; "
            'for f in $P; do printf "%s\\0" "$f"; done'
        )
        done = subprocess.run(
            ["bash", "-c", program],
            cwd=root,
            env={"P": pattern, "LC_ALL": "C", "PATH": os.environ["PATH"]},  # type: ignore[dict-item]
            stdout=subprocess.PIPE,
            check=True,
        )
        # Without a wildcard the shell does not look; "." and "..", which an older bash adds, lead
        # elsewhere.
        here = re.match(rb"(\./)*", pattern)
        expected = {
            name.rstrip(b"/")
            for name in (name[here.end() :] for name in done.stdout.split(b"\0") if here)
            if name
            and os.path.lexists(os.path.join(root, name))
            and not set(name.split(b"/")) & {b".", b".."}
        }
        assert matched(root, globs) == expected
    finally:
        shutil.rmtree(root)


@pytest.mark.parametrize("glob", [b"", b"/a", b"a//b", b"../a", b"a/..", b"a\0b", b"a/./b"])
def test_bad_globs_are_named(glob: bytes) -> None:
    with pytest.raises(IngestError, match="globs: "):
        Globs([glob])
