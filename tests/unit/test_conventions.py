# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Galaxy and its reviewers expect of a collection, where no checker of `make lint` looks."""

from __future__ import annotations

import os
import re

from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT


def _text(*path: str) -> str:
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def test_the_action_group_has_every_module() -> None:
    group = re.findall(r"^    - (\w+)$", _text("meta", "runtime.yml"), re.MULTILINE)
    modules = [name[:-3] for name in os.listdir(ROOT + "/plugins/modules") if name.endswith(".py")]
    assert group == sorted(modules), (
        "meta/runtime.yml: action_groups lacks a module, or has one too many"
    )


def test_every_role_explains_itself() -> None:
    for role in os.listdir(ROOT + "/roles"):
        for file in ("README.md", "meta/main.yml", "meta/argument_specs.yml"):
            assert os.path.isfile(os.path.join(ROOT, "roles", role, file)), (
                f"roles/{role} lacks {file}"
            )


def test_one_place_says_where_the_collection_is_published() -> None:
    found = re.search(r"^repository: (\S+)$", _text("galaxy.yml"), re.MULTILINE)
    assert found
    where = found.group(1)
    for key in ("homepage", "issues", "documentation"):
        assert re.search(rf"^{key}: {re.escape(where)}", _text("galaxy.yml"), re.MULTILINE), key
    name = where.split("github.com/")[1]
    assert f"repository: {name}\n" in _text("docs", "docsite", "links.yml")


def test_each_supported_core_has_its_list_and_the_oldest_knows_the_rooms() -> None:
    """ansible-core 2.17 wants an empty sign; what may be ignored is said for each version."""
    matrix = _text("tests", "tools", "run_matrix.py")
    for core in re.findall(r'^    "(2\.\d+)": \(', matrix, re.MULTILINE):
        assert os.path.isfile(os.path.join(ROOT, "tests", "sanity", f"ignore-{core}.txt")), core
    lines = _text("tests", "sanity", "ignore-2.17.txt").splitlines()
    why = "empty-init # the sign of a room says who may import what"
    for folder, _folders, names in os.walk(ROOT + "/plugins/module_utils"):
        sign = os.path.relpath(os.path.join(folder, "__init__.py"), ROOT)
        if "__init__.py" in names and os.path.getsize(os.path.join(ROOT, sign)):
            assert f"{sign} {why}" in lines, f"tests/sanity/ignore-2.17.txt lacks: {sign} {why}"
