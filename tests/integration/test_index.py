# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook index.yml, and `make index`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.difference.compare import (
    Difference,
    Options,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.index import gufi_reader
from ansible_collections.scaleout.ingest.plugins.module_utils.index.generations import (
    find,
    generations,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.tests.support import indexes, trees
from ansible_collections.scaleout.ingest.tests.support.playbook import (
    ALONE,
    ROOT,
    Run,
    ansible,
    unsafe,
    words,
)

PLAYBOOK = os.path.join(ROOT, "playbooks", "index.yml")


def play(folder: str, *arguments: str, **variables: object) -> Run:
    """Run the playbook with ``index_…`` variables (named here without the prefix)."""
    path = os.path.join(folder, "variables.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"index_" + name: unsafe(value) for name, value in variables.items()}, file)
    return ansible("playbook", "-i", ALONE, "-e", "@" + path, *arguments, PLAYBOOK)


def same(folder: str, source: bytes) -> None:
    """The newest generation is the tree."""
    found = Index(find(folder))
    assert indexes.contents(found) == indexes.tree(source)
    found.close()


def test_generations_of_a_hostile_tree(folder: str) -> None:
    source, index = os.path.join(folder, "so {{ urce }}"), os.path.join(folder, "in'dex")
    trees.build(os.fsencode(source), trees.hostile())
    checked = play(folder, "--check", source=source, dir=index)
    assert checked.status == 0, checked.output
    assert not os.path.exists(index)
    first = play(folder, source=source, dir=index)
    assert first.status == 0 and first.changed == 1, first.output
    same(index, os.fsencode(source))
    again = play(
        folder,
        source=source,
        dir=index,
        scan="changed",
        policies=[{"name": "all", "when": "type = f"}],
    )
    assert again.status == 0, again.output
    same(index, os.fsencode(source))
    assert len(generations(index)) == 2
    lists = os.path.join(find(index), "lists")
    listed = b"".join(
        open(os.path.join(lists, name), "rb").read() for name in sorted(os.listdir(lists))
    )
    files = [path for path, found in indexes.tree(os.fsencode(source)).items() if found[0] == "f"]
    assert set(listed.split(b"\0")[:-1]) == {os.fsencode(source) + b"/" + path for path in files}


def test_a_page_and_gufis_layout(folder: str) -> None:
    source, index = os.path.join(folder, "so {{ urce }}"), os.path.join(folder, "in'dex")
    page = os.path.join(folder, "page.html")
    trees.build(os.fsencode(source), trees.hostile())
    variables = {"source": source, "dir": index, "page": page, "layout": "gufi"}
    checked = play(folder, "--check", **variables)
    assert checked.status == 0, checked.output
    assert not os.path.exists(index) and not os.path.exists(page)
    for _time in range(2):
        run = play(folder, **variables)
        assert run.status == 0 and run.changed == 3, run.output
    with open(page, encoding="utf-8") as stream:
        assert "so {{ urce }}" in stream.read()
    root = gufi_reader.root_of(os.path.join(index, "gufi"))
    assert root is not None
    with Difference(Options(os.path.join(index, "gufi"), index)) as found:
        assert list(found.changes()) == []
    directories = [path for path, one in indexes.tree(os.fsencode(source)).items() if one[0] == "d"]
    assert sorted(path for path, _file in gufi_reader.directories(root)) == sorted(directories)


def test_what_is_wrong_is_said(folder: str) -> None:
    os.mkdir(folder + "/source")
    for variables, sentence in (
        ({"source": folder + "/source"}, "index_dir"),
        ({"source": folder + "/none", "dir": folder + "/index"}, "does not exist"),
        ({"source": folder + "/source", "dir": folder + "/index", "sacn": "full"}, "index_sacn"),
        ({"source": folder + "/source", "dir": folder + "/source/index"}, "lies inside the source"),
    ):
        done = play(folder, **variables)
        assert done.status != 0 and sentence in words(done), done.output
    assert not os.path.exists(folder + "/index") and os.listdir(folder + "/source") == []


def test_make_index(folder: str) -> None:
    if not os.path.exists(ROOT + "/.venv/ready") or not shutil.which("make"):
        pytest.skip("`make index` was not set up in this checkout")
    os.makedirs(folder + "/source/a b")
    with open(folder + "/source/a b/file", "w", encoding="ascii") as file:
        file.write("x")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        ["make", "-C", ROOT, "index", "SRC=source", "INDEX=$$(id) index"],
        cwd=folder,
        env={**kept, "PWD": folder},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, output
    assert "1 entries and 2 directories" in " ".join(output.split())
    same(folder + "/$$(id) index", os.fsencode(folder + "/source"))
