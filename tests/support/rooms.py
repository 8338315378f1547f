# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from the sources which file of the collection imports which file of the engine."""

from __future__ import annotations

import ast
import os
from functools import lru_cache
from typing import Iterable, Iterator, NamedTuple

ENGINE = os.path.join("plugins", "module_utils")
FULL = "ansible_collections.scaleout.ingest.plugins.module_utils"
# A room, and the rooms, or single files of rooms, that it may import besides its own.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "core": (),
    "fs": ("core",),
    "index": ("core",),
    "search": ("core", "index"),
    "difference": ("core", "index"),
    "policies": ("core", "index", "search"),
    "mounts": ("core", "fs"),
    "scan": ("core", "fs", "mounts", "index", "search"),
    "plan": ("core", "index", "difference", "search"),
    "copy": ("core", "fs"),
    "client": ("core", "fs", "mounts", "copy", "plan.shards", "plan.cost", "scan.selection"),
    "overlap": ("core", "fs", "index", "mounts", "scan", "plan"),
    "tier": ("core", "fs", "copy"),
    "calibrate": ("core", "fs", "mounts", "index", "client", "plan.shards"),
    "preflight": ("core", "fs", "mounts", "index", "copy.rsync"),
    "report": ("core", "index", "plan.store", "plan.results", "plan.cost"),
    "provision": (
        "core",
        "fs",
        "mounts",
        "index",
        "scan",
        "plan",
        "copy",
        "client",
        "search",
        "difference",
        "policies",
    ),
}


class Import(NamedTuple):
    """``file`` (relative to the root) imports in ``line`` the engine's module ``target``, dotted
    below the engine, and of it ``name`` ("" if it is the module itself)."""

    file: str
    line: int
    target: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {path_of(self.target)}"


def path_of(module: str) -> str:
    """The file of a module of the engine, relative to the root."""
    return os.path.join(ENGINE, *module.split(".")) + ".py"


def module_of(file: str) -> str:
    """The module of a file of the engine, dotted below it."""
    return os.path.relpath(file, ENGINE)[: -len(".py")].replace(os.sep, ".")


def files(root: str, folder: str = ENGINE) -> list[str]:
    """The Python files below a folder, relative to the root, in order."""
    found = [
        os.path.relpath(os.path.join(where, name), root)
        for where, dummy, names in os.walk(os.path.join(root, folder))
        for name in names
        if name.endswith(".py")
    ]
    return sorted(found)


def modules(root: str) -> list[str]:
    """The engine's modules, without the packages' own files."""
    return [module_of(file) for file in files(root) if os.path.basename(file) != "__init__.py"]


@lru_cache(maxsize=None)
def tree(root: str, file: str) -> ast.Module:
    """The file as Python reads it."""
    with open(os.path.join(root, file), encoding="utf-8") as stream:
        return ast.parse(stream.read(), file)


@lru_cache(maxsize=None)
def imports(root: str, file: str) -> tuple[Import, ...]:
    """What a file imports of the engine, wherever in it: a function's and a type's count as well,
    as Ansible sends them all."""
    return tuple(_imports(root, file))


def _imports(root: str, file: str) -> Iterator[Import]:
    inside = file.startswith(ENGINE + os.sep)
    package = module_of(file).split(".")[:-1] if inside else []
    for node in ast.walk(tree(root, file)):
        if not isinstance(node, ast.ImportFrom):
            continue
        said = node.module or ""
        if node.level and inside:
            at = package[: len(package) - node.level + 1] + (said.split(".") if said else [])
        elif not node.level and (said + ".").startswith(FULL + "."):
            at = said[len(FULL) + 1 :].split(".") if said != FULL else []
        else:
            continue
        for alias in node.names:
            whole = ".".join([*at, alias.name])
            if os.path.exists(os.path.join(root, path_of(whole))):
                yield Import(file, node.lineno, whole, "")
            else:
                yield Import(file, node.lineno, ".".join(at), alias.name)


def closure(root: str, start: Iterable[Import]) -> dict[str, Import]:
    """The engine's modules that come with some imports, each with the import that brought it."""
    found: dict[str, Import] = {}
    todo = list(start)
    while todo:
        one = todo.pop()
        if one.target not in found:
            found[one.target] = one
            if os.path.exists(os.path.join(root, path_of(one.target))):
                todo += imports(root, path_of(one.target))
    return found
