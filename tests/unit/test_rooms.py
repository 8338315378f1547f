# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walls of the engine's rooms: who may import whom. docs/code.md says what each room is for."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Callable, Iterator, List

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import executables
from ansible_collections.scaleout.ingest.tests.support import rooms
from ansible_collections.scaleout.ingest.tests.support.playbook import ROOT

# The controller holds playbooks for a thousand hosts: of what works on a host it loads only what
# the arguments of both halves are checked by.
ENGINE_ROOMS = ("copy", "client", "scan", "provision")
CONTROLLER_MAY_LOAD = (
    "client.arguments",
    "copy.rsync.options",
    "provision.executables",
    "scan.globs",
)
CONTROLLER = ("action", "plugin_utils", "callback", "lookup")
# Where the SQL is: of an index, and of plan.db.
DATABASES = ("index.", "plan.", "search.", "difference.", "policies.")
# Sorts names in a database that nobody else sees.
OWN_DATABASE = (os.path.join(rooms.ENGINE, "preflight", "shortfalls.py"),)
# What has no room for any word of the tests.
PRODUCT = ("playbooks", "roles", "plugins")

Check = Callable[[str], List[str]]


def _within(module: str, names: tuple) -> bool:
    return any(module == name or module.startswith(name + ".") for name in names)


def walls(root: str) -> list[str]:
    """Imports that go through a wall."""
    broken = []
    for file in rooms.files(root):
        room = rooms.module_of(file).split(".")[0]
        for one in rooms.imports(root, file):
            if one.target.split(".")[0] == room or _within(
                one.target, rooms.MAY_IMPORT.get(room, ())
            ):
                continue
            may = ", ".join(rooms.MAY_IMPORT.get(room, ())) or "nothing of the engine"
            broken.append(f"{one}, but the room {room} may import {may}")
    return broken


def homeless(root: str) -> list[str]:
    """Files outside any room, and rooms without a table's line."""
    return [
        f"{file} is in no room: docs/code.md says which there are"
        for file in rooms.files(root)
        if os.path.basename(file) != "__init__.py"
        and rooms.module_of(file).split(".")[0] not in rooms.MAY_IMPORT
    ]


def controller(root: str) -> list[str]:
    """What the controller loads of the engine that works on hosts."""
    broken = []
    for kind in CONTROLLER:
        for file in rooms.files(root, os.path.join("plugins", kind)):
            brought = rooms.closure(root, rooms.imports(root, file))
            broken += [
                f"{file} runs on the controller, and loads {rooms.path_of(module)}, as {one}"
                for module, one in sorted(brought.items())
                if module.split(".")[0] in ENGINE_ROOMS and module not in CONTROLLER_MAY_LOAD
            ]
    return broken


def ansible(root: str) -> list[str]:
    """Imports of Ansible in the engine, which is plain Python."""
    broken = []
    for file in rooms.files(root):
        for node in ast.walk(rooms.tree(root, file)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            broken += [
                f"{file}:{node.lineno} imports {name}: the engine knows no Ansible, and imports "
                "its own files relatively"
                for name in names
                if name.partition(".")[0].startswith("ansible")
            ]
    return broken


def private(root: str) -> list[str]:
    """Names with an underscore in front that another file uses."""
    broken = []
    for file in rooms.files(root, "plugins"):
        aliases = {}
        for one in rooms.imports(root, file):
            if one.name.startswith("_"):
                broken.append(f"{one}'s private name {one.name}")
            if not one.name:
                aliases[one.target.rpartition(".")[2]] = one
        for node in ast.walk(rooms.tree(root, file)):
            if (
                isinstance(node, ast.Attribute)
                and node.attr.startswith("_")
                and isinstance(node.value, ast.Name)
                and node.value.id in aliases
            ):
                one = aliases[node.value.id]
                broken.append(
                    f"{file}:{node.lineno} uses the private name {node.attr} of "
                    f"{rooms.path_of(one.target)}"
                )
    return broken


def circles(root: str) -> list[str]:
    """Files that import each other, be it over others."""
    arrows = {
        module: sorted({one.target for one in rooms.imports(root, rooms.path_of(module))})
        for module in rooms.modules(root)
    }
    broken: list[str] = []
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> None:
        if module in way:
            circle = [*way[way.index(module) :], module]
            broken.append(" imports ".join(map(rooms.path_of, circle)) + ": a circle")
        elif module not in done:
            for target in arrows.get(module, ()):
                visit(target, [*way, module])
            done.add(module)

    for module in arrows:
        visit(module, [])
    return broken


def signs(root: str) -> list[str]:
    """Packages whose own file is more than a docstring: every __init__.py on the way to a file is
    sent with it; and packages without one."""
    broken = []
    for folder in sorted({os.path.dirname(file) for file in rooms.files(root)} - {rooms.ENGINE}):
        sign = os.path.join(folder, "__init__.py")
        if not os.path.exists(os.path.join(root, sign)):
            broken.append(f"{sign} is missing: one sentence says what the room is for")
        elif len(rooms.tree(root, sign).body) != 1 or not ast.get_docstring(rooms.tree(root, sign)):
            broken.append(f"{sign} is to hold a docstring and nothing else")
    return broken


def strays(root: str) -> list[str]:
    """Files that ask a database themselves, and not its room."""
    broken = []
    for file in rooms.files(root, "plugins"):
        if rooms.module_of(file).startswith(DATABASES):
            continue
        for node in ast.walk(rooms.tree(root, file)):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("execute", "executemany", "executescript")
                and file not in OWN_DATABASE
            ):
                broken.append(f"{file}:{node.lineno} asks a database, which only its rooms do")
    return broken


CHECKS = (walls, homeless, controller, ansible, private, circles, signs, strays)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_walls_stand(check: Check) -> None:
    broken = check(ROOT)
    assert not broken, "\n".join(broken)


# -- each check finds what it is for ---------------------------------------------------------------

BROKEN = [
    (
        walls,
        {"plan/planner.py": "from ..copy import entry", "copy/entry.py": ""},
        "plugins/module_utils/plan/planner.py:1 imports plugins/module_utils/copy/entry.py",
    ),
    (
        walls,
        {"client/runner.py": "def f():\n    from ..plan.store import x", "plan/store.py": "x = 1"},
        "plugins/module_utils/client/runner.py:2 imports plugins/module_utils/plan/store.py",
    ),
    (homeless, {"attic/box.py": ""}, "plugins/module_utils/attic/box.py is in no room"),
    (
        controller,
        {
            "../action/run.py": f"from {rooms.FULL}.plan import dispatch",
            "plan/dispatch.py": "from ..client.runner import Header",
            "client/runner.py": "Header = 1",
        },
        "plugins/action/run.py runs on the controller, and loads "
        "plugins/module_utils/client/runner.py, as plugins/module_utils/plan/dispatch.py:1",
    ),
    (
        ansible,
        {"core/x.py": "from ansible.module_utils import y"},
        "plugins/module_utils/core/x.py:1 imports ansible.module_utils",
    ),
    (
        private,
        {"core/x.py": "from .y import _z", "core/y.py": "_z = 1"},
        "plugins/module_utils/core/x.py:1 imports plugins/module_utils/core/y.py's private name _z",
    ),
    (
        private,
        {"core/x.py": "from . import y\ny._z()", "core/y.py": "_z = 1"},
        "plugins/module_utils/core/x.py:2 uses the private name _z of plugins/module_utils/core/y",
    ),
    (
        circles,
        {"core/x.py": "from .y import a", "core/y.py": "from . import x\na = 1"},
        "plugins/module_utils/core/x.py imports plugins/module_utils/core/y.py imports plugins/",
    ),
    (
        signs,
        {"core/__init__.py": "'''Words.'''\nfrom .x import a", "core/x.py": "a = 1"},
        "plugins/module_utils/core/__init__.py is to hold a docstring",
    ),
    (signs, {"core/x.py": ""}, "plugins/module_utils/core/__init__.py is missing"),
    (
        strays,
        {"report/x.py": "db.execute('SELECT 1')", "plan/y.py": "db.execute('SELECT 1')"},
        "plugins/module_utils/report/x.py:1 asks a database",
    ),
]


@pytest.mark.parametrize(("check", "sources", "sentence"), BROKEN, ids=range(len(BROKEN)))
def test_what_breaks_a_wall_is_named(
    tmp_path: Path, check: Check, sources: dict, sentence: str
) -> None:
    for name, text in sources.items():
        file = tmp_path / os.path.normpath(os.path.join(rooms.ENGINE, name))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")

    assert [said for said in check(str(tmp_path)) if said.startswith(sentence)]


# -- what a host needs comes with what it is sent --------------------------------------------------


def test_the_commands_travel_with_the_module_that_installs_them() -> None:
    sent = rooms.closure(
        ROOT, rooms.imports(ROOT, os.path.join("plugins", "modules", "commands.py"))
    )
    assert {f"provision.{name.replace('-', '_')}" for name in executables.COMMANDS} <= set(sent)


# The rooms of which a module that is small sends something to a host.
SENT = {
    "bootstrap": {"core", "mounts", "provision"},
    "cluster_mounts": {"core", "fs", "mounts"},
    "manifest": {"core", "fs", "index", "mounts", "scan"},
    "nfs_tuning": {"core", "fs", "provision"},
    "prime": {"core", "fs", "scan"},
}


@pytest.mark.parametrize("module", sorted(SENT))
def test_a_module_sends_no_more_than_it_needs(module: str) -> None:
    file = os.path.join("plugins", "modules", module + ".py")
    sent = rooms.closure(ROOT, rooms.imports(ROOT, file))
    assert {name.split(".")[0] for name in sent} == SENT[module], "\n".join(map(str, sent.values()))


# -- the product stands without its tests ----------------------------------------------------------


def _lines(root: str) -> Iterator[tuple]:
    for folder in PRODUCT:
        for where, dummy, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                path = os.path.join(where, name)
                if name.endswith((".pyc", ".zip")):
                    continue
                with open(path, encoding="utf-8", errors="replace") as stream:
                    for number, line in enumerate(stream, 1):
                        yield os.path.relpath(path, root), number, line


def test_the_product_names_no_file_of_its_tests() -> None:
    named = [
        f"{file}:{number}: {line.strip()}"
        for file, number, line in _lines(ROOT)
        if "tests/" in line or "ingest.tests" in line
    ]

    assert not named, "\n".join(named)
