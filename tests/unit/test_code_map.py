# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/code.md says where in the code a thing is, and is true."""

from __future__ import annotations

import ast
import os
import re

import pytest
from ansible_collections.scaleout.ingest.tests.support import rooms
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT

with open(os.path.join(ROOT, "docs", "code.md"), encoding="utf-8") as stream:
    TEXT = stream.read()
NAMED = set(re.findall(r"`([\w/]+\.py)`", TEXT))
BELOW = (rooms.ENGINE, "plugins", "")  # what the names are relative to


def test_every_file_of_the_engine_has_its_line() -> None:
    files = [os.path.relpath(file, rooms.ENGINE) for file in rooms.files(ROOT)]
    without = [
        f"docs/code.md has no line for {file}"
        for file in files
        if os.path.basename(file) != "__init__.py" and f"| `{file}` |" not in TEXT
    ]
    assert not without, "\n".join(without)


def test_every_file_around_it_is_named() -> None:
    for kind in ("action", "plugin_utils", "callback", "lookup", "filter"):
        for file in rooms.files(ROOT, os.path.join("plugins", kind)):
            name = os.path.relpath(file, "plugins")
            assert name in NAMED or name.endswith("__init__.py"), f"docs/code.md lacks {name}"


def test_nothing_is_named_that_is_not_there() -> None:
    missing = [
        f"docs/code.md names {name}, which is not there"
        for name in sorted(NAMED)
        if not any(os.path.isfile(os.path.join(ROOT, folder, name)) for folder in BELOW)
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("room", sorted(rooms.MAY_IMPORT))
def test_the_walls_are_as_the_page_and_the_sign_say(room: str) -> None:
    (row,) = re.findall(rf"^\| `{room}` \| .* \| (.*) \|$", TEXT, re.MULTILINE)
    sign = ast.get_docstring(rooms.tree(ROOT, os.path.join(rooms.ENGINE, room, "__init__.py")))
    (may,) = re.findall(r"May import: (.*)\.$", sign or "", re.MULTILINE)
    if rooms.MAY_IMPORT[room]:
        assert tuple(re.findall(r"`([\w.]+)`", row)) == rooms.MAY_IMPORT[room]
        assert tuple(may.split(", ")) == rooms.MAY_IMPORT[room]
    else:
        assert "standard library" in row and "standard library" in may
