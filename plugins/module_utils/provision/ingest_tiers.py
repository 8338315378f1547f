# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ingest-find --tiers: what tiering policies would do, how they ask for it, and which one takes a
path."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any, NoReturn

from ..core.errors import IngestError
from ..core.paths import display
from ..core.units import count, duration, size
from ..policies.choose import Wanted, before, condition_of, plan_of, total, which
from ..policies.lists import indexes, preview
from ..policies.read import Policy, Tiers, read
from ..search.condition import Facts
from ..search.mistake import hint
from ..search.source import Source

_HELP = """Usage: ingest-find --tiers FILE [--explain POLICY | --which PATH]

Says what the policies in FILE would move now; FILE has the variables of a
tiering run (tier_path, tier_pools, tier_policies, tier_classes and
tier_dir) as JSON, or as YAML where Python has it.

  --explain POLICY the SQL of a policy, how the database answers it, and how
                   many files and bytes it finds
  --which PATH     which policy takes a file, as it is now, and why the others
                   do not
"""
_FOLDER = "/var/lib/scaleout-ingest/tier"
_KNOWN = ("tier_path", "tier_pools", "tier_policies", "tier_classes", "tier_dir")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}\n{_HELP.splitlines()[0]}\n")
        raise SystemExit(2)

    def format_help(self) -> str:
        return _HELP


def run(words: list[str]) -> int:
    """Run the command without its word ``--tiers``; its exit status. Raises IngestError."""
    parser = _Parser(prog="ingest-find --tiers", allow_abbrev=False)
    parser.add_argument("--explain")
    parser.add_argument("--which")
    parser.add_argument("file")
    options = parser.parse_args(words)
    given = _variables(options.file)
    tiers = read(
        str(given.get("tier_path", "")),
        given.get("tier_pools"),
        given.get("tier_policies"),
        given.get("tier_classes"),
    )
    for warning in tiers.warnings:
        sys.stderr.write(f"ingest-find: {warning}\n")
    now = time.time_ns()
    if options.which is not None:
        return _which(tiers, os.fsencode(options.which), now)
    folder = str(given.get("tier_dir") or _FOLDER)
    sources = indexes(tiers, os.path.join(folder, "index"))
    if options.explain is not None:
        _explain(tiers, tiers.policy(options.explain), sources, now)
    else:
        _preview(tiers, sources, now)
    return 0


def _variables(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeError) as error:
        raise IngestError(f"{path} can't be read: {error}") from error
    try:
        found = json.loads(text)
    except ValueError:
        found = _yaml(path, text)
    if not isinstance(found, dict) or not set(_KNOWN[:3]) <= set(found):
        raise IngestError(f"{path} has not all of {', '.join(_KNOWN[:3])}")
    for name in found:
        if name.startswith("tier_") and name not in _KNOWN and hint(name, _KNOWN):
            sys.stderr.write(f"ingest-find: {path}: {name} is not read{hint(name, _KNOWN)}\n")
    return found


def _yaml(path: str, text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise IngestError(
            f"{path} is no JSON, and this Python ({sys.executable}) has no module yaml"
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise IngestError(f"{path} is neither JSON nor YAML: {error}") from error


def _preview(tiers: Tiers, sources: dict[str, Source], now: int) -> None:
    result = preview(tiers, sources, 1, "", now)
    for name, use in result.uses.items():
        sys.stdout.write(f"pool {name}: {use.percent:.1f} % of {size(use.size)}\n")
    for found in result.found:
        policy = found.policy
        line = f"{policy.name} ({policy.source} to {policy.target}): {found.state}, {found.why}"
        if found.chosen.files:
            line += (
                f"; {count(found.chosen.files)} files of {size(found.chosen.bytes)} would be moved"
            )
        sys.stdout.write(f"{line}\n")


def _explain(tiers: Tiers, policy: Policy, sources: dict[str, Source], now: int) -> None:
    every = [Wanted(other, None, "") for other in tiers.policies]
    others = before(every, policy)
    source = sources[policy.source]
    statement, *steps = plan_of(source, policy, others, now)
    found = total(source, condition_of(policy), others, now)
    sys.stdout.write(f"when: {policy.text}\n")
    if others:
        sys.stdout.write(f"and not what is taken before it, by {len(others)}\n")
    sys.stdout.write("\n  ".join(["Each part of the index is asked:", statement]) + "\n")
    sys.stdout.write("\n  ".join(["The database does that so:", *steps]) + "\n")
    if found.files:
        sys.stdout.write(f"Found: {count(found.files)} files, {size(found.bytes)}\n")
    else:
        sys.stdout.write("Found: no match\n")


def _which(tiers: Tiers, path: bytes, now: int) -> int:
    inner, facts = _facts(tiers, path)
    sys.stdout.write(
        f"{display(inner)}: {'in ' + facts.pool if facts.pool else 'in a pool that is not known'}, "
        f"{size(facts.size)}, last read {_ago(now - facts.atime)}, "
        f"written {_ago(now - facts.mtime)}\n"
    )
    taken = False
    for verdict in which(tiers, facts, now):
        policy = verdict.policy
        if verdict.meets and not verdict.earlier:
            said, taken = f"takes it, to {policy.target}", True
        elif verdict.meets:
            said = f"would take it, but '{verdict.earlier}' comes first"
        elif verdict.meets is None:
            said = "can't tell: the file system does not say what it asks for"
        else:
            said = "does not take it"
        sys.stdout.write(f"  {policy.name}: {said} ({policy.text})\n")
    if not taken:
        sys.stdout.write("  it stays where it is\n")
    return 0


def _ago(nanoseconds: int) -> str:
    return f"{duration(nanoseconds / 1e9)} ago"


def _facts(tiers: Tiers, path: bytes) -> tuple[bytes, Facts]:
    """The path below tier_path, and what the file is like now. Raises IngestError."""
    top = os.fsencode(tiers.path)
    inner = os.path.relpath(path, top) if os.path.isabs(path) else os.path.normpath(path)
    if inner.split(b"/")[0] == b"..":
        raise IngestError(f"{display(path)} is not below tier_path, {display(top)}")
    pools = [pool for pool in tiers.pools.values() if pool.path]
    for name, folder in [*((pool.name, os.fsencode(pool.path)) for pool in pools), ("", top)]:
        place = os.path.join(folder, inner)
        try:
            found = os.lstat(place)
        except OSError:
            continue
        return inner, Facts.of(inner, found, pool=name or None)
    raise IngestError(f"{display(os.path.join(top, inner))} is not there")
