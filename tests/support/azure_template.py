# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a Resource Manager template as Azure would: declarations, expressions, copies, and every
property against the classes of Azure's own client libraries, which are made from its API's
definition.

Only the functions that our template uses are known; another one is an error.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Callable, NamedTuple

_TOKEN = re.compile(
    r"\s*(?:('(?:[^']|'')*')|(\d+)|([A-Za-z_][A-Za-z_0-9]*)|([().,\[\]]))", re.DOTALL
)
_OPEN = {"VirtualMachineSizeTypes"}  # which has long stopped listing new sizes, and says so
_PLAIN = {"str": str, "int": int, "bool": bool}


class Wrong(Exception):
    """What Azure would refuse."""


class Reference(str):
    """A value that only the deployment knows."""


class Deployment(NamedTuple):
    """The template with its parameters put in."""

    resources: list[dict[str, Any]]
    outputs: dict[str, Any]
    used: set[tuple[str, str]]


def deploy(template: dict[str, Any], given: dict[str, Any]) -> Deployment:
    """Put the parameters in. Raises Wrong."""
    evaluation = _Evaluation(template, given)
    resources = []
    for resource in template["resources"]:
        count = evaluation.value(resource["copy"]["count"]) if "copy" in resource else 1
        for index in range(count):
            evaluation.index = index
            made = {
                key: evaluation.value(value) for key, value in resource.items() if key != "copy"
            }
            if made.pop("condition", True):
                resources.append(made)
    evaluation.index = None
    outputs = {
        name: evaluation.value(output["value"]) for name, output in template["outputs"].items()
    }
    return Deployment(resources, outputs, evaluation.used)


class _Evaluation:
    def __init__(self, template: dict[str, Any], given: dict[str, Any]) -> None:
        self.index: int | None = None
        self.used: set[tuple[str, str]] = set()
        self._variables = template["variables"]
        self._declared = template["parameters"]
        for name in given:
            if name not in self._declared:
                raise Wrong(f"parameter {name} is not declared")
        self._given = given
        self._functions: dict[str, Callable[..., Any]] = {
            "parameters": self._parameter,
            "variables": self._variable,
            "copyIndex": self._copy_index,
            "concat": _concat,
            "if": lambda test, yes, no: yes if test else no,
            "empty": lambda value: not value,
            "not": lambda value: not value,
            "null": lambda: None,
            "string": _string,
            "base64": _base64,
            "replace": lambda text, old, new: text.replace(old, new),
            "join": lambda words, glue: glue.join(words),
            "resourceGroup": lambda: {"location": "westeurope"},
            "resourceId": _resource_id,
            "reference": lambda name: Reference("reference " + name),
        }

    def value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.value(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.value(part) for part in value]
        if isinstance(value, str) and value.startswith("[") and not value.startswith("[["):
            if not value.endswith("]"):
                raise Wrong(f"{value!r} is not closed")
            return self._expression(value[1:-1])
        return value

    def _parameter(self, name: str) -> Any:
        if name not in self._declared:
            raise Wrong(f"parameter {name} is not declared")
        self.used.add(("parameter", name))
        declared = self._declared[name]
        if name not in self._given and "defaultValue" not in declared:
            raise Wrong(f"parameter {name} is required")
        value = self._given[name] if name in self._given else self.value(declared["defaultValue"])
        kind = {"string": str, "securestring": str, "int": int, "bool": bool, "object": dict}[
            declared["type"]
        ]
        if not _is(value, kind):
            raise Wrong(f"parameter {name} is no {declared['type']}")
        size = value if isinstance(value, int) else len(value)
        low = declared.get("minValue", declared.get("minLength", size))
        if not low <= size <= declared.get("maxValue", declared.get("maxLength", size)):
            raise Wrong(f"parameter {name} is out of bounds")
        return value

    def _variable(self, name: str) -> Any:
        if name not in self._variables:
            raise Wrong(f"variable {name} is not declared")
        self.used.add(("variable", name))
        return self.value(self._variables[name])

    def _copy_index(self) -> int:
        if self.index is None:
            raise Wrong("copyIndex() outside a resource")
        return self.index

    # -- expressions -------------------------------------------------------------------------

    def _expression(self, text: str) -> Any:
        tokens: list[str] = []
        position = 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if not match:
                raise Wrong(f"{text!r} is no expression at {text[position:]!r}")
            tokens.append(match.group(0).strip(" "))
            position = match.end()
        value, rest = self._term(tokens)
        if rest:
            raise Wrong(f"{text!r} goes on after its end: {rest}")
        return value

    def _term(self, tokens: list[str]) -> tuple[Any, list[str]]:
        first, rest = tokens[0], tokens[1:]
        if first.startswith("'"):
            return first[1:-1].replace("''", "'"), rest
        if first.isdigit():
            return int(first), rest
        if first not in self._functions or rest[:1] != ["("]:
            raise Wrong(f"{first!r} is no known function")
        arguments, rest = [], rest[1:]
        while rest[:1] != [")"]:
            argument, rest = self._term(rest)
            arguments.append(argument)
            if rest[:1] == [","]:
                rest = rest[1:]
            elif rest[:1] != [")"]:
                raise Wrong(f"{first}( is not closed")
        value, rest = self._functions[first](*arguments), rest[1:]
        while rest[:1] in (["."], ["["]):
            if isinstance(value, Reference):
                value = Reference(value + rest[0] + rest[1])
            else:
                value = value[rest[1]]
            rest = rest[2:] if rest[0] == "." else rest[3:]
        return value, rest


def _is(value: Any, kind: type) -> bool:
    """In JSON a boolean is no number."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _concat(*parts: Any) -> Any:
    if isinstance(parts[0], list):
        return [item for part in parts for item in part]
    if any(isinstance(part, (bool, dict, list)) for part in parts):
        raise Wrong(f"concat() of {parts!r}")
    return "".join(map(str, parts))


def _string(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _resource_id(*words: str) -> str:
    """With or without the resource group before the type, which alone has a slash."""
    group = "" if "/" in words[0] else words[0]
    kind, names = (words[1], words[2:]) if group else (words[0], words[1:])
    provider, *types = kind.split("/")
    if len(types) != len(names):
        raise Wrong(f"resourceId() of {kind} with {len(names)} names")
    pairs = "".join("/%s/%s" % pair for pair in zip(types, names))
    return f"/resourceGroups/{group or 'own'}/providers/{provider}{pairs}"


# -- against Azure's client libraries --------------------------------------------------------------


def check(value: Any, kind: str, models: Any, where: str) -> list[str]:
    """What is wrong with a value that is to be of a library's class (or ``[class]``,
    ``{class}``)."""
    if value is None:
        return []
    if kind in _PLAIN or kind == "object":
        good = kind == "object" or _is(value, _PLAIN[kind])
        return [] if good else [f"{where}: {value!r} is no {kind}"]
    if kind[0] in "[{":
        if not isinstance(value, list if kind[0] == "[" else dict):
            return [f"{where}: {value!r} is no {kind}"]
        items = enumerate(value) if kind[0] == "[" else value.items()
        return [
            line
            for key, item in items
            for line in check(item, kind[1:-1], models, f"{where}[{key}]")
        ]
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no {kind}"]
    return _check_class(value, getattr(models, kind), models, where)


def _check_class(value: dict[str, Any], model: Any, models: Any, where: str) -> list[str]:
    attributes = {
        attribute["key"].replace("\\.", "."): (name, attribute["type"])
        for name, attribute in model._attribute_map.items()
    }
    # "properties.x" is one level down in JSON, flat in the class.
    inner = value.get("properties")
    flat = {
        key: item
        for key, item in value.items()
        if key != "properties" or not isinstance(inner, dict)
    }
    if isinstance(inner, dict):
        flat.update({"properties." + key: item for key, item in inner.items()})
    problems = []
    for key, item in flat.items():
        if key not in attributes:
            problems.append(f"{where}: {model.__name__} has no {key}")
            continue
        name, kind = attributes[key]
        if model._validation.get(name, {}).get("readonly"):
            problems.append(f"{where}: {key} may not be set")
        problems += check(item, kind, models, f"{where}.{key}")
        allowed = _choices(model, name, models)
        if allowed and item not in allowed:
            problems.append(f"{where}.{key}: {item!r} is none of {', '.join(sorted(allowed))}")
    for key, (name, _kind) in attributes.items():
        if model._validation.get(name, {}).get("required") and key not in flat:
            problems.append(f"{where}: {key} is required")
    return problems


def _choices(model: Any, name: str, models: Any) -> set[str]:
    """The values of an enumeration, which the libraries name in their documentation only."""
    found = re.search(rf":vartype {name}: str or\s+~[\w.]+\.(\w+)", model.__doc__ or "")
    if not found or found.group(1) in _OPEN:
        return set()
    return {member.value for member in getattr(models, found.group(1))}
