# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' argument specs know every variable, and agree; page and example have them all."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="the roles' specs are YAML, and there is no PyYAML")

from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT  # noqa: E402
from ansible_collections.scaleout.ingest.tests.tools import variables  # noqa: E402

OURS = r"\b(?:ingest|ingestor|tier|index)_\w+"


def options() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (role, name, spec)
        for role, _entry, whole in variables.entries(ROOT)
        for name, spec in (whole.get("options") or {}).items()
    ]


def test_the_page_is_as_the_specs_are() -> None:
    with open(variables.PAGE, encoding="utf-8") as stream:
        assert stream.read() == variables.page(ROOT), (
            "docs/variables.md is not as the argument specs are: run 'make variables' (or "
            ".venv/bin/python tests/tools/variables.py) and commit what it writes"
        )


def test_the_example_has_every_variable() -> None:
    missing = "\n".join(map(variables.example_line, variables.lacking(ROOT)))
    assert not missing, (
        "inventory/example.yml lacks variables: put these lines where they belong, or run 'make "
        f"variables', which puts them at its end:\n{missing}"
    )


def test_the_example_says_nothing_wrong() -> None:
    """With every # taken away it is YAML, and all its variables are known, with such values."""
    pytest.importorskip("ansible", reason="values are checked with ansible-core's own functions")
    from ansible_collections.scaleout.ingest.plugins.plugin_utils import variables as checks  # noqa: PLC0415

    with open(variables.EXAMPLE, encoding="utf-8") as stream:
        text = re.sub(rf"^    # (?={OURS}:)", "    ", stream.read(), flags=re.MULTILINE)
    given = yaml.safe_load(text)["ingestors"]["vars"]
    known = checks.known()
    assert [checks.unknown(name, known) for name in checks.ours(given) if name not in known] == []
    wrong = [checks.wrong(name, given[name], known[name]) for name in checks.ours(given)]
    assert [sentence for sentence in wrong if sentence] == []


def test_a_variable_is_the_same_in_every_role() -> None:
    shapes: dict[str, dict[str, set[str]]] = {}
    for role, name, spec in options():
        shape = repr([spec.get(key) for key in ("type", "elements", "choices", "no_log")])
        shapes.setdefault(name, {}).setdefault(shape, set()).add(role)
    differ = [f"{name}: {found}" for name, found in shapes.items() if len(found) > 1]
    assert not differ, "\n".join(differ)


def test_what_roles_and_playbooks_read_has_a_spec() -> None:
    """A variable without one would be refused as unknown. What only a role itself reads begins
    with an underscore, or with the role's name."""
    known = {name for _role, name, _spec in options()}
    inner = {option for _role, _name, spec in options() for option in spec.get("options", {})}
    missing = []
    for pattern in (
        "roles/*/tasks/*.yml",
        "roles/*/defaults/*.yml",
        "roles/*/templates/*.j2",
        "roles/*/vars/*.yml",
        "playbooks/*.yml",
    ):
        for path in sorted(glob.glob(os.path.join(ROOT, pattern))):
            with open(path, encoding="utf-8") as stream:
                code = re.sub(
                    r"^\s*#.*$|/[\w./-]*|scaleout\.ingest\.\w+",
                    "",
                    stream.read(),
                    flags=re.MULTILINE,
                )
            missing += [
                f"{os.path.relpath(path, ROOT)} reads {name}, which no argument spec has: add it "
                "to the role's meta/argument_specs.yml"
                for name in sorted(set(re.findall(OURS, code)) - known - inner)
            ]
    assert not missing, "\n".join(missing)
