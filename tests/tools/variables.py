# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make variables` runs: docs/variables.md, and what inventory/example.yml lacks, from the
roles' argument specs.

A default that a spec leaves to a module is read from the module's documentation.
"""

from __future__ import annotations

import ast
import glob
import os
import re
from typing import Any, Dict, Iterator, NamedTuple

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
PAGE = os.path.join(ROOT, "docs", "variables.md")
EXAMPLE = os.path.join(ROOT, "inventory", "example.yml")
PREFIXES = ("ingest_", "ingestor_", "tier_", "index_")
FACT = "a fact of the role"  # in the description of what a role sets for the next one
# (role, entry point) in the order of the page; others follow by their names.
ORDER = (
    ("cluster_mounts", "main"),
    ("preflight", "main"),
    ("manifest", "main"),
    ("plan", "main"),
    ("parallel_copy", "main"),
    ("two_phase_rsync", "main"),
    ("msrsync", "main"),
    ("calibrate", "main"),
    ("report", "main"),
    ("report", "notify"),
    ("preflight", "variables"),
    ("ingestor", "main"),
    ("ingestor", "user_data"),
    ("azure_ingestors", "main"),
)
HEAD = """\
# All variables

Of all roles and playbooks, from their argument specs (`make variables` writes this page).
[The README](../README.md) has those to begin with, and `inventory/example.yml` has all of them, as
a file to start from. A name that is not here, and begins as these do, ends a run before anything is
done.
"""
Spec = Dict[str, Any]


class Variable(NamedTuple):
    """A variable, where its spec is, and its default as YAML ("" if there is none)."""

    name: str
    role: str
    entry: str
    spec: Spec
    default: str


def load(path: str) -> Any:
    """The content of a YAML file."""
    with open(path, "rb") as stream:
        return yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def entries(root: str = ROOT) -> Iterator[tuple[str, str, Spec]]:
    """(role, entry point, its spec) in the order of the page."""
    found = {}
    for path in glob.glob(os.path.join(root, "roles", "*", "meta", "argument_specs.yml")):
        role = path.split(os.sep)[-3]
        for entry, spec in load(path)["argument_specs"].items():
            found[role, entry] = spec
    rank = {key: number for number, key in enumerate(ORDER)}
    for key in sorted(found, key=lambda key: (rank.get(key, len(rank)), key)):
        yield (*key, found[key])


def variables(root: str = ROOT) -> list[Variable]:
    """All that users may set, each once, in the order of the page."""
    defaults = module_defaults(root)
    found: dict[str, Variable] = {}
    for role, entry, whole in entries(root):
        for name, spec in (whole.get("options") or {}).items():
            if not name.startswith(PREFIXES) or FACT in _text(spec.get("description", "")):
                continue
            default = spec["default"] if "default" in spec else defaults.get(name)
            value = Variable(name, role, entry, spec, "" if default is None else flow(default))
            if name not in found:
                found[name] = value
            elif not found[name].default and value.default:
                found[name] = found[name]._replace(default=value.default)
    return list(found.values())


def flow(value: Any) -> str:
    """A value as one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6).strip()
    return text[:-4].strip() if text.endswith("\n...") else text


def module_defaults(root: str = ROOT) -> dict[str, Any]:
    """The defaults of variables that tasks hand to this collection's modules as they are."""
    found: dict[str, Any] = {}
    options: dict[str, Spec] = {}
    for path in glob.glob(os.path.join(root, "roles", "*", "tasks", "*.yml")):
        for module, arguments in calls(load(path) or []):
            if module not in options:
                options[module] = documented(root, module)
            for option, value in arguments.items():
                said = re.fullmatch(r"\{\{ (\w+) \| default\(omit\) \}\}", str(value))
                default = options[module].get(option, {}).get("default")
                if said and default not in (None, "", []):
                    found.setdefault(said.group(1), default)
    return found


def calls(tasks: list[Spec]) -> Iterator[tuple[str, Spec]]:
    """(module, arguments) of this collection's modules in tasks and their blocks."""
    for task in tasks:
        for word, value in task.items():
            if word in ("block", "rescue", "always"):
                yield from calls(value)
            elif word.startswith("scaleout.ingest.") and isinstance(value, dict):
                yield word.rpartition(".")[2], value


def documented(root: str, module: str) -> dict[str, Spec]:
    """A module's documented options, with those of its fragments."""
    docs = _documentation(os.path.join(root, "plugins", "modules", module + ".py"))
    found: dict[str, Spec] = {}
    for fragment in docs.get("extends_documentation_fragment", []):
        path = os.path.join(root, "plugins", "doc_fragments", fragment.rpartition(".")[2] + ".py")
        if os.path.exists(path):
            found.update(_documentation(path).get("options", {}))
    found.update(docs.get("options") or {})
    return found


def _documentation(path: str) -> Spec:
    with open(path, "rb") as stream:
        tree = ast.parse(stream.read())
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "DOCUMENTATION"
        ):
            found: Spec = yaml.safe_load(ast.literal_eval(node.value))
            return found
    return {}


def page(root: str = ROOT) -> str:
    """What docs/variables.md is to hold."""
    titles = {(role, entry): spec["short_description"] for role, entry, spec in entries(root)}
    lines, last = [HEAD], None
    for variable in variables(root):
        if (variable.role, variable.entry) != last:
            last = (variable.role, variable.entry)
            role = f"[{variable.role}](../roles/{variable.role}/)"
            lines.append(f"\n## {titles[last]}\n\nRole {role}.\n")
            lines += ["| variable | takes | default | meaning |", "|---|---|---|---|"]
        default = f"`{variable.default}`" if variable.default else ""
        if variable.spec.get("required"):
            default = "(required)"
        lines.append(
            f"| `{variable.name}` | {_takes(variable.spec)} | {_cell(default)} "
            f"| {_cell(markdown(_text(variable.spec['description'])))} |"
        )
    return "\n".join(lines) + "\n"


def _takes(spec: Spec) -> str:
    if spec.get("choices"):
        words = ", ".join(f"`{choice}`" for choice in spec["choices"])
        return f"any of {words}" if spec.get("type") == "list" else words
    kind = str(spec.get("type", "str"))
    if kind == "list":
        return f"list of {spec.get('elements', 'str')}"
    if spec.get("options"):
        return "dict of " + ", ".join(f"`{name}`" for name in spec["options"])
    return kind


def _text(description: Any) -> str:
    return " ".join([description] if isinstance(description, str) else description)


def markdown(text: str) -> str:
    """Ansible's markup as Markdown."""
    text = re.sub(r"\bP\(([\w.]+)#\w+\)", r"`\1`", text)
    text = re.sub(r"\b[OV]\((?:ignore:|\w+:|[\w.]+#\w+:)?([^)]*)\)", r"`\1`", text)
    return re.sub(r"\b[CMEIB]\(([^)]*)\)", r"`\1`", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def lacking(root: str = ROOT) -> list[Variable]:
    """What inventory/example.yml does not have."""
    with open(os.path.join(root, "inventory", "example.yml"), encoding="utf-8") as stream:
        named = set(re.findall(r"^ +(?:# )?(\w+):", stream.read(), re.MULTILINE))
    return [variable for variable in variables(root) if variable.name not in named]


def example_line(variable: Variable) -> str:
    """A line for inventory/example.yml, to be put in its place."""
    value = variable.default or {"list": "[]", "dict": "{}", "bool": "false", "int": "0"}.get(
        variable.spec.get("type", "str"), '""'
    )
    first = markdown(_text(variable.spec["description"])).replace("`", "").split(". ")[0]
    return f"    # {first.rstrip('.')}.\n    # {variable.name}: {value}\n"


def main() -> None:
    """Write the page, and what the example lacks at its end."""
    with open(PAGE, "w", encoding="utf-8") as stream:
        stream.write(page())
    missing = lacking()
    with open(EXAMPLE, "a", encoding="utf-8") as stream:
        stream.writelines(map(example_line, missing))
    for variable in missing:
        print(f"inventory/example.yml has {variable.name} at its end now: put it in its place")


if __name__ == "__main__":
    main()
