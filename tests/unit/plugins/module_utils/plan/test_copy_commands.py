# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy commands for people, run with bash."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import copy_commands
from ansible_collections.scaleout.ingest.tests.support import compare, trees
from ansible_collections.scaleout.ingest.tests.support.indexes import scan

# cp -p keeps neither hard links nor extended attributes
IGNORE = frozenset({"links", "xattr", "sparse"})


def source_tree(root: bytes) -> None:
    os.mkdir(root)
    nodes = [
        node for node in trees.hostile() if node.path[0] not in (b"sparse", b"xattrs", b"acls")
    ]
    trees.build(root, nodes)


def write(
    tmp_path: Path, clients: int, destinations: list[bytes], depths: dict[str, Any], **filters: Any
) -> list[str]:
    source = os.fsencode(tmp_path / "it's the source")
    if not os.path.exists(source):
        source_tree(source)
    folder = str(tmp_path / "index")
    scan(source, folder, **filters)
    index = Index(folder)
    try:
        return copy_commands.write_commands(
            index, str(tmp_path), clients, source, destinations, **depths
        )
    finally:
        index.close()


def run(paths: list[str]) -> None:
    clients = [subprocess.Popen(["bash", path]) for path in paths[:-1]]
    assert [client.wait() for client in clients] == [0] * len(clients)
    assert subprocess.run(["bash", paths[-1]], check=False).returncode == 0


@pytest.mark.parametrize(
    "depths", [{}, {"max_depth": 1}, {"min_depth": 1, "max_depth": 2}, {"max_depth": 0}]
)
def test_clients_copy_everything_twice(tmp_path: Path, depths: dict[str, Any]) -> None:
    destination = tmp_path / "the\ndestination"
    destination.mkdir()
    paths = write(tmp_path, 3, [os.fsencode(destination)], depths)
    assert [os.path.basename(path) for path in paths] == [
        "client1_copy_commands",
        "client2_copy_commands",
        "client3_copy_commands",
        "last_copy_commands",
    ]
    source = os.fsencode(tmp_path / "it's the source")
    for _attempt in range(2):
        run(paths)
        assert compare.compare_trees(source, os.fsencode(destination), ignore=IGNORE) == []


def test_excluded_entries_are_not_copied(tmp_path: Path) -> None:
    destination = tmp_path / "destination"
    destination.mkdir()
    paths = write(
        tmp_path, 2, [os.fsencode(destination)], {"max_depth": 1}, exclude=[b"plain", b"types"]
    )
    run(paths)
    found = compare.compare_trees(
        os.fsencode(tmp_path / "it's the source"), os.fsencode(destination), ignore=IGNORE
    )
    left_out = {"files/plain", "directories/plain", "links/plain", "types"}
    assert {line.split(":")[0] for line in found} == left_out


def test_every_mount_is_used_and_one_line_is_one_command(tmp_path: Path) -> None:
    paths = write(tmp_path, 1, [b"/mnt/destination1", b"/mnt/destination2"], {})
    lines = Path(paths[0]).read_bytes().split(b"\n")
    copies = [line for line in lines if b"cp -p -R -- " in line]
    for mount in (b"/mnt/destination1/", b"/mnt/destination2/"):
        assert any(mount in line for line in copies)
    assert all(line.endswith(b"|| status=1") for line in copies)


def test_a_failing_copy_is_said(tmp_path: Path) -> None:
    paths = write(tmp_path, 1, [b"/proc/nowhere"], {"max_depth": 1})
    done = subprocess.run(["bash", paths[0]], stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert b"mkdir" in done.stderr


@pytest.mark.parametrize(
    "word", [*trees.NAMES, b"'", b"$'\\''", b"\\n", bytes(range(1, 256)).replace(b"/", b"")]
)
def test_quoted_words_come_back(word: bytes) -> None:
    quoted = copy_commands.quote(word)
    assert b"\n" not in quoted
    done = subprocess.run(
        ["bash", "-c", b"printf %s " + quoted], stdout=subprocess.PIPE, check=True
    )
    assert done.stdout == word


def test_number_of_clients(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="clients: 0"):
        write(tmp_path, 0, [b"/d"], {})
