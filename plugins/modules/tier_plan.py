#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply tiering policies to indexes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_plan
short_description: Apply tiering policies to indexes, and list what is to be moved
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Asks the index of each storage pool which files the policies take now, and writes a list for
    each host that is to move them, for M(scaleout.ingest.tier_migrate).
  - The first policy by priority that a file meets has it. A policy is at work if its pool is fuller
    than C(high), if its trigger is reached, or if it has neither.
  - Runs where the indexes are. It reads the file systems' use, and nothing else of the pools.
options:
  path:
    description: What users see.
    type: path
    required: true
  pools:
    description:
      - The pools by name, each with C(driver), C(path), C(high), C(low), and what else its driver
        needs.
    type: dict
    required: true
  policies:
    description:
      - The policies, each with C(name), C(from), C(to), C(when), and on request C(priority),
        C(order), C(limit), C(rate) and C(trigger).
    type: list
    elements: dict
    required: true
  classes:
    description: Conditions with names, which policies may use.
    type: dict
    default: {}
  index_dir:
    description:
      - The folder of the indexes, each in a folder with its pool's name, or C(tree) where pools
        share one tree; and of what M(scaleout.ingest.tier_fold) remembers.
    type: path
    required: true
  hosts:
    description:
      - How many hosts are to move. There are some pieces of work for each, so that a faster one
        takes more of them.
    type: int
    default: 1
  lists:
    description: An existing folder for the lists; without it nothing is written.
    type: path
  explain:
    description: Whether to say the SQL of each policy, and how the database would answer it.
    type: bool
    default: false
attributes:
  check_mode:
    description: Writes no lists.
    support: full
  diff_mode:
    description: Nothing changes.
    support: none
  idempotent:
    description: It changes nothing.
    support: full
seealso:
  - module: scaleout.ingest.index
  - module: scaleout.ingest.tier_fold
  - module: scaleout.ingest.tier_migrate
"""

EXAMPLES = r"""
- name: What would be moved now
  scaleout.ingest.tier_plan:
    path: /srv/data
    pools:
      fast: {driver: union, path: /mnt/fast, high: 85, low: 70}
      slow: {driver: union, path: /mnt/slow}
    policies:
      - {name: cold, from: fast, to: slow, when: "age(atime) > 30d and size >= 1M"}
    index_dir: /var/lib/tier
  check_mode: true
"""

RETURN = r"""
policies:
  description: Each policy, by priority.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    state:
      description: One of V(at work), V(idle), V(no match), V(shadowed).
      type: str
      returned: always
    why:
      description: Why it is that.
      type: str
      returned: always
    matching:
      description: How many files it takes.
      type: int
      returned: always
    files:
      description: How many of them are within its limits.
      type: int
      returned: always
    bytes:
      description: What these hold.
      type: int
      returned: always
    sql:
      description: What is asked of a part of the index, and the database's plan.
      type: list
      elements: str
      returned: with O(explain)
  sample:
    - {name: cold, state: at work, why: the pool 'fast' is 91.0 % full,
       matching: 5000, files: 4100, bytes: 81604378624}
pieces:
  description: The work, in the order in which it is to be taken by M(scaleout.ingest.tier_move).
  returned: success
  type: list
  elements: dict
  contains:
    policy:
      description: The policy's name.
      type: str
      returned: always
    file:
      description: The list.
      type: str
      returned: always
    files:
      description: How many files are in it.
      type: int
      returned: always
    bytes:
      description: What these hold.
      type: int
      returned: always
    arguments:
      description: What M(scaleout.ingest.tier_migrate) is to be given for it, besides the list.
      type: dict
      returned: always
  sample: [{policy: cold, file: /shared/0-0.jsonl, files: 2050, bytes: 40802189312}]
results:
  description: Where the movers' results belong (C(file)), and the C(pool) that they moved to.
  returned: success
  type: list
  elements: dict
  sample: [{file: /shared/0-0.jsonl.results, pool: slow}]
use:
  description: How full the pools are, in percent.
  returned: success
  type: dict
  sample: {fast: 91.0, slow: 12.5}
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.policies.choose import (
    Wanted,
    before,
    plan_of,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.policies.lists import indexes, preview
from ansible_collections.scaleout.ingest.plugins.module_utils.policies.read import Tiers, read
from ansible_collections.scaleout.ingest.plugins.module_utils.search.source import Source

ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "pools": {"type": "dict", "required": True},
    "policies": {"type": "list", "elements": "dict", "required": True},
    "classes": {"type": "dict", "default": {}},
    "index_dir": {"type": "path", "required": True},
    "hosts": {"type": "int", "default": 1},
    "lists": {"type": "path"},
    "explain": {"type": "bool", "default": False},
}


def explained(tiers: Tiers, found: dict[str, Source], now: int) -> dict[str, list[str]]:
    """The SQL of each policy, and the database's plan. Raises IngestError."""
    every = [Wanted(policy, None, "") for policy in tiers.policies]
    return {
        policy.name: plan_of(found[policy.source], policy, before(every, policy), now)
        for policy in tiers.policies
        if policy.source in found
    }


def arguments_of(tiers: Tiers, name: str, given: dict[str, Any], hosts: int) -> dict[str, Any]:
    """The mover's arguments for a policy; its rate is shared by the hosts."""
    policy = tiers.policy(name)
    pools = {
        side: {**given[pool], "name": pool}
        for side, pool in (("source", policy.source), ("target", policy.target))
    }
    return {
        "path": tiers.path,
        "driver": tiers.pools[policy.target].driver,
        "limit_errors": 0 if policy.limit.errors >= 1 else policy.limit.errors * 100,
        "rate": policy.rate / hosts,
        **pools,
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    now = time.time_ns()
    try:
        if options["hosts"] < 1:
            raise IngestError(f"hosts: {options['hosts']} is less than 1")
        tiers = read(options["path"], options["pools"], options["policies"], options["classes"])
        found = indexes(tiers, options["index_dir"])
        folder = "" if module.check_mode else options["lists"] or ""
        result = preview(tiers, found, options["hosts"], folder, now, options["index_dir"])
        sql = explained(tiers, found, now) if options["explain"] else {}
    except IngestError as error:
        module.fail_json(msg=str(error))
    for warning in tiers.warnings:
        module.warn(warning)
    policies = []
    for one in result.found:
        entry = {
            "name": one.policy.name,
            "state": one.state,
            "why": one.why,
            "matching": one.matches.files,
            "files": one.chosen.files,
            "bytes": one.chosen.bytes,
        }
        if sql:
            entry["sql"] = sql.get(one.policy.name, [])
        policies.append(entry)
    module.exit_json(
        changed=False,
        policies=policies,
        pieces=[
            {
                **one._asdict(),
                "arguments": arguments_of(tiers, one.policy, options["pools"], options["hosts"]),
            }
            for one in result.pieces
        ],
        results=[
            {"file": one.file + ".results", "pool": tiers.policy(one.policy).target}
            for one in result.pieces
            if one.file
        ],
        use={name: round(use.percent, 1) for name, use in result.uses.items()},
    )


if __name__ == "__main__":
    main()
