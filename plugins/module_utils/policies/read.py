# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and policies as the inventory has them (docs/tiering.md), as records."""

from __future__ import annotations

import os
from typing import Any, Iterable, Mapping, NamedTuple

from ..core.errors import IngestError
from ..core.units import amount
from ..core.vocabulary import TIER_DRIVERS
from ..search.condition import Condition
from ..search.language import ANY, SYSTEM, Accounts, parse
from ..search.mistake import Mistake, hint
from .doubts import never

_ORDERS = ("size", "allocated", "atime", "mtime", "ctime")
_POOL_KEYS = ("driver", "path", "high", "low")
# What drivers ask of a pool besides.
_SETTINGS = ("file_system", "mounted", "pool", "rebalance", "stubs", "version")
_POLICY_KEYS = ("name", "priority", "from", "to", "when", "order", "limit", "rate", "trigger")
_LIMIT_KEYS = ("files", "bytes", "errors")
_TRIGGER_KEYS = ("user", "group", "above", "below")


class Pool(NamedTuple):
    """A storage pool. ``high`` and ``low``, percent of its space in use: policies that take from
    it begin above the one and end below the other; None: they always may. ``settings``: what its
    driver wants to know besides."""

    name: str
    driver: str
    path: str
    high: float | None = None
    low: float | None = None
    settings: Mapping[str, str] = {}


class Limit(NamedTuple):
    """What one run may do by a policy: files and bytes (0: any number), and which part of its files
    may fail before it ends, from 0.0 to 1.0."""

    files: int = 0
    bytes: int = 0
    errors: float = 1.0


class Trigger(NamedTuple):
    """A policy begins when what a user or group (``field``: uid or gid) has in the pool exceeds
    ``above`` bytes, and ends when it is ``below`` them."""

    field: str
    name: str
    number: int
    above: int
    below: int


class Policy(NamedTuple):
    """Files of the pool ``source`` that meet ``when`` go to ``target``; ``order``: fields, and
    whether the largest come first; ``rate`` in bytes/s, 0: any."""

    name: str
    priority: float
    source: str
    target: str
    when: Condition
    text: str
    order: tuple[tuple[str, bool], ...] = (("size", True),)
    limit: Limit = Limit()
    rate: int = 0
    trigger: Trigger | None = None


class Tiers(NamedTuple):
    """All of it: the policies by priority, those with the same in the order in which they were
    written. ``warnings``: what can't be meant, in sentences."""

    path: str
    pools: dict[str, Pool]
    policies: tuple[Policy, ...]
    warnings: tuple[str, ...]

    def policy(self, name: str) -> Policy:
        """Raises IngestError: there is none of this name."""
        for policy in self.policies:
            if policy.name == name:
                return policy
        names = [policy.name for policy in self.policies]
        raise IngestError(f"there is no policy '{name}'" + hint(name, names))


def read(
    path: str,
    pools: object,
    policies: object,
    classes: Mapping[str, str] | None = None,
    accounts: Accounts = SYSTEM,
) -> Tiers:
    """The records of ``tier_path``, ``tier_pools``, ``tier_policies`` and ``tier_classes``.

    Raises:
        IngestError: something in it can't be used; the sentence names pool or policy, and the key.
    """
    if not path.startswith("/"):
        raise IngestError(f"tier_path: '{path}' is not an absolute path")
    known = read_pools(pools)
    for name, text in (classes or {}).items():
        _condition(f"tier_classes: {name}", text, classes or {}, ANY)
    if not isinstance(policies, (list, tuple)) or not policies:
        raise IngestError("tier_policies: is to be a list of policies")
    found: list[Policy] = []
    for number, raw in enumerate(policies, 1):
        policy = _policy(number, raw, known, classes or {}, accounts)
        if policy.name in [other.name for other in found]:
            raise IngestError(f"tier_policies: the name '{policy.name}' is there twice")
        found.append(policy)
    ordered = tuple(sorted(found, key=lambda policy: policy.priority))
    warnings = [
        f"the policy '{policy.name}' can never match: {why}"
        for policy in ordered
        for why in [never(policy.when)]
        if why
    ]
    return Tiers(path, known, ordered, tuple(warnings))


def _keys(place: str, raw: object, allowed: Iterable[str]) -> Mapping[str, Any]:
    names = tuple(allowed)
    if not isinstance(raw, Mapping):
        raise IngestError(f"{place}: is to have keys, such as {names[0]}")
    for key in raw:
        if key not in names:
            said = hint(str(key), names) or f": it may have {', '.join(names)}"
            raise IngestError(f"{place}: there is no key '{key}'{said}")
    return raw


def read_pools(raw: object) -> dict[str, Pool]:
    """The records of ``tier_pools``. Raises IngestError as :func:`read`."""
    if not isinstance(raw, Mapping) or len(raw) < 2:
        raise IngestError("tier_pools: is to name two pools or more")
    found = {}
    for name, values in raw.items():
        place = f"tier_pools: {name}"
        keys = _keys(place, values, (*_POOL_KEYS, *_SETTINGS))
        driver = str(keys.get("driver", ""))
        if driver not in TIER_DRIVERS:
            said = hint(driver, TIER_DRIVERS) or f": there are {', '.join(TIER_DRIVERS)}"
            raise IngestError(f"{place}: driver: '{driver}' is none{said}")
        path = str(keys.get("path", ""))
        if driver == "union" and not path.startswith("/"):
            raise IngestError(f"{place}: path: the driver union needs the branch's absolute path")
        high, low = (_percent(f"{place}: {key}", keys.get(key)) for key in ("high", "low"))
        if (high is None) != (low is None):
            raise IngestError(f"{place}: 'high' and 'low' belong together")
        if high is not None and low is not None and low >= high:
            raise IngestError(f"{place}: low: {low:g} is not below high, {high:g}")
        settings = {key: str(keys[key]) for key in _SETTINGS if key in keys}
        path = os.path.normpath(path) if path else ""
        found[str(name)] = Pool(str(name), driver, path, high, low, settings)
    return found


def _policy(
    number: int,
    raw: object,
    pools: Mapping[str, Pool],
    classes: Mapping[str, str],
    accounts: Accounts,
) -> Policy:
    keys = _keys(f"tier_policies: number {number}", raw, _POLICY_KEYS)
    name = str(keys.get("name", "") or "")
    if not name or not name.isprintable():
        raise IngestError(f"tier_policies: number {number}: name: a policy needs one")
    place = f"tier_policies: {name}"
    ends = []
    for key in ("from", "to"):
        pool = str(keys.get(key, ""))
        if pool not in pools:
            said = hint(pool, pools) or f": there are {', '.join(pools)}"
            raise IngestError(f"{place}: {key}: there is no pool '{pool}'{said}")
        ends.append(pool)
    if ends[0] == ends[1]:
        raise IngestError(f"{place}: from and to are the same pool")
    if not isinstance(keys.get("when"), str):
        raise IngestError(f"{place}: when: a condition is missing, such as 'age(atime) > 30d'")
    return Policy(
        name,
        _number(f"{place}: priority", keys.get("priority", 0)),
        ends[0],
        ends[1],
        _condition(f"{place}: when", keys["when"], classes, accounts),
        keys["when"],
        _order(f"{place}: order", keys.get("order", "size desc")),
        _limit(f"{place}: limit", keys.get("limit") or {}),
        amount(str(keys.get("rate") or 0), f"{place}: rate", "bytes a second"),
        _trigger(f"{place}: trigger", keys["trigger"], accounts) if keys.get("trigger") else None,
    )


def _condition(
    place: str, text: object, classes: Mapping[str, str], accounts: Accounts
) -> Condition:
    try:
        return parse(str(text), classes, accounts)
    except Mistake as error:
        raise Mistake(f"{place}: {error.sentence}", error.text, error.at) from error


def _order(place: str, text: object) -> tuple[tuple[str, bool], ...]:
    found = []
    for part in str(text).split(","):
        field, dummy, direction = part.strip().partition(" ")
        direction = direction.strip().lower() or "asc"
        if field not in _ORDERS or direction not in ("asc", "desc"):
            raise IngestError(
                f"{place}: '{part.strip()}' is not one of {', '.join(_ORDERS)}, with asc or desc"
            )
        found.append((field, direction == "desc"))
    return tuple(found)


def _limit(place: str, raw: object) -> Limit:
    keys = _keys(place, raw, _LIMIT_KEYS)
    files = _number(f"{place}: files", keys.get("files", 0))
    if files != int(files) or files < 0:
        raise IngestError(f"{place}: files: '{keys['files']}' is not a number of files")
    errors = _percent(f"{place}: errors", keys.get("errors", 100))
    return Limit(
        int(files),
        amount(str(keys.get("bytes", 0)), f"{place}: bytes", "bytes"),
        1.0 if errors is None else errors / 100,
    )


def _trigger(place: str, raw: object, accounts: Accounts) -> Trigger:
    keys = _keys(place, raw, _TRIGGER_KEYS)
    if ("user" in keys) == ("group" in keys):
        raise IngestError(f"{place}: either a user or a group is needed")
    field, find, key = (
        ("uid", accounts.user, "user") if "user" in keys else ("gid", accounts.group, "group")
    )
    name = str(keys[key])
    try:
        number = int(name) if name.isdigit() else find(name)
    except (KeyError, ValueError) as error:
        raise IngestError(f"{place}: {key}: there is no {key} '{name}' on this host") from error
    above, below = (
        amount(str(keys.get(bound, "")), f"{place}: {bound}", "bytes")
        for bound in ("above", "below")
    )
    if below > above:
        raise IngestError(f"{place}: below is more than above")
    return Trigger(field, name, number, above, below)


def _number(place: str, value: object) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise IngestError(f"{place}: '{value}' is not a number") from error


def _percent(place: str, value: object) -> float | None:
    if value is None:
        return None
    number = _number(place, str(value).rstrip("% "))
    if not 0 <= number <= 100:
        raise IngestError(f"{place}: {value} is not between 0 and 100 percent")
    return number
