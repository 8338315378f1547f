#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember what was moved between storage pools."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_fold
short_description: Remember what was moved between storage pools, beside their indexes
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Folds the results of M(scaleout.ingest.tier_migrate) into C(migrated.db) in a folder, with pool,
    run and time of each file, and says how full the pools are now.
  - Runs where the indexes are.
options:
  memory:
    description: The folder.
    type: path
    required: true
  results:
    description:
      - What was moved, each with C(file), a mover's results on this host, and C(pool), where it
        went. A file that is not there is of a mover that moved nothing.
    type: list
    elements: dict
    default: []
  sent_from:
    description: A folder on the controller with the files, which go to the host first.
    type: path
  run:
    description: The run's name.
    type: str
    required: true
  path:
    description: What users see.
    type: path
    required: true
  pools:
    description: The pools by name, as for M(scaleout.ingest.tier_plan).
    type: dict
    required: true
attributes:
  check_mode:
    description: Only says how full the pools are.
    support: full
  diff_mode:
    description: Nothing that people read changes.
    support: none
  idempotent:
    description: What is known already is not changed.
    support: full
seealso:
  - module: scaleout.ingest.tier_plan
"""

EXAMPLES = r"""
- name: Remember it
  scaleout.ingest.tier_fold:
    memory: /var/lib/tier
    run: 20260102T030405
    results:
      - {file: /var/lib/tier/results.jsonl, pool: slow}
    path: /srv/data
    pools:
      fast: {driver: beegfs, pool: fast}
      slow: {driver: beegfs, pool: slow}
"""

RETURN = r"""
folded:
  description: Names of files that were moved.
  returned: success
  type: int
  sample: 4100
use:
  description: How full the pools are, in percent.
  returned: success
  type: dict
  sample: {fast: 69.8, slow: 33.0}
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.migrated import Migrated
from ansible_collections.scaleout.ingest.plugins.module_utils.policies.lists import use_of
from ansible_collections.scaleout.ingest.plugins.module_utils.policies.read import read_pools

ARGUMENTS = {
    "memory": {"type": "path", "required": True},
    "results": {"type": "list", "elements": "dict", "default": []},
    "sent_from": {"type": "path"},
    "run": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "pools": {"type": "dict", "required": True},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    folded = 0
    try:
        pools = read_pools(options["pools"])
        if options["results"] and not module.check_mode:
            memory = Migrated(options["memory"])
            for one in options["results"]:
                if set(one) != {"file", "pool"}:
                    raise IngestError(f"results: {one} is to have file and pool, and nothing else")
                if os.path.exists(str(one["file"])):
                    folded += memory.fold(
                        str(one["file"]), str(one["pool"]), options["run"], time.time()
                    )
            memory.close()
        use = {name: round(use_of(p, options["path"]).percent, 1) for name, p in pools.items()}
    except IngestError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=folded > 0, folded=folded, use=use)


if __name__ == "__main__":
    main()
