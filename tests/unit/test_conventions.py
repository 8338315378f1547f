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
