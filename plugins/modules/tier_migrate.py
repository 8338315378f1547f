#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move files between storage pools, their paths unchanged."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tier_migrate
short_description: Move files between storage pools, their paths unchanged
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Moves a list of files from one storage pool to another while users go on working. The path of a
    file stays, and so does everything that the file has.
  - A file that is open, mapped or changed, or that somebody opens meanwhile, stays where it is and
    is counted as V(hot). Whoever opens a file that is just being moved waits for some milliseconds.
  - The contents are read back from the target pool and compared before the old file is removed.
  - What a killed run left is finished or undone first, on the evidence of its journal.
  - Hard links move together. A file of which not all names are in the list is skipped.
requirements:
  - root on the host
  - a mergerfs with its control file, with O(driver=union)
  - the storage's own tool (C(beegfs), C(beegfs-ctl), C(lfs)) with its drivers
options:
  path:
    description: What users see. With O(driver=union) where the mergerfs is mounted.
    type: path
    required: true
  driver:
    description:
      - How files move between the pools.
      - V(union) is for branches of a mergerfs; V(beegfs), V(lustre) and V(ceph) make a new file in
        the other pool and exchange it with the old one; V(beegfs_native) and V(lustre_native) have
        the storage do it; V(stub) moves to another tree and leaves a symbolic link.
    type: str
    required: true
    choices: [union, beegfs, beegfs_native, lustre, lustre_native, ceph, stub]
  source:
    description:
      - The pool that the files are in, as O(target).
    type: dict
    required: true
  target:
    description:
      - The pool that they go to, as in C(tier_pools), with C(name).
      - C(path) is the tree of a branch, with O(driver=union); C(pool) the name or number of a pool
        of the storage, with all others. C(version) of BeeGFS is V(7) or V(8); C(rebalance) has its
        servers move the data.
      - C(stubs) must be V(true) with O(driver=stub).
      - C(mounted) is V(false) for a tree that is on no file system of its own. With C(file_system)
        its type must be that one.
    type: dict
    required: true
  files:
    description:
      - The files, each with its C(paths) relative to the source pool, or to O(path) with drivers of
        one file system, all names of a hard link, and what is C(known) of it, as numbers for
        device, inode, size in bytes, mtime and ctime in ns. What is not as it was is not moved.
    type: list
    elements: dict
  list:
    description: A file on this host with more of them, a JSON object a line.
    type: path
  results:
    description: A file on this host for the outcomes, a JSON object a line.
    type: path
  workers:
    description: Worker processes, or V(auto), one a processor.
    type: str
    default: auto
  guarantee:
    description:
      - With V(lease) nothing is moved where it can't be seen who opens a file.
      - V(best_effort) moves what has been quiet for O(quiet) seconds, and looks before and after.
    type: str
    choices: [lease, best_effort]
    default: lease
  quiet:
    description: Seconds in which a file must not have changed, where there are no leases.
    type: float
    default: 60
  grace:
    description: Seconds in which calls end that were under way.
    type: float
    default: 0.02
  limit_files:
    description: How many files are moved at most, V(0) for all.
    type: int
    default: 0
  limit_bytes:
    description: How many bytes are moved at most, V(0) for all.
    type: int
    default: 0
  limit_errors:
    description:
      - Stop when more than this share of the files has failed, in percent, such as V(5%).
      - V(0) is never.
    type: str
    default: 5%
  rate:
    description: Bytes a second at most, such as V(200M); V(0) without a limit.
    type: str
    default: "0"
attributes:
  check_mode:
    description: Looks at each file, and answers what would be moved now.
    support: full
  diff_mode:
    description: Contents do not change.
    support: none
  idempotent:
    description: What is in the target pool already is not in the source pool.
    support: full
"""

EXAMPLES = r"""
- name: Two cold files to the slow disk
  scaleout.ingest.tier_migrate:
    path: /srv/data
    driver: union
    source: {name: fast, path: /mnt/fast}
    target: {name: slow, path: /mnt/slow}
    files:
      - paths: [projects/old.tar]
      - paths: [projects/older.tar, projects/another name of it.tar]
  register: moved
"""

RETURN = r"""
moved:
  description: Names of files that were moved; in check mode, that would be.
  returned: success
  type: int
  sample: 3
hot:
  description: Names of files that somebody uses or changed meanwhile.
  returned: success
  type: int
  sample: 0
outdated:
  description: Names of files that are not as they were known.
  returned: success
  type: int
  sample: 0
skipped:
  description: Names of what is no regular file, or has names that are not in the list.
  returned: success
  type: int
  sample: 0
failures_total:
  description: Names of files that could not be moved. The task does not fail for them.
  returned: success
  type: int
  sample: 0
bytes:
  description: Bytes that were moved.
  returned: success
  type: int
  sample: 1304829113
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 4.2
guarantee:
  description: V(lease) or V(best_effort), what the pools allow.
  returned: success
  type: str
  sample: lease
stopped:
  description: Why the run ended before its list, or nothing.
  returned: success
  type: str
  sample: ""
mended:
  description: What killed runs had left, and what became of it.
  returned: success
  type: list
  elements: dict
  sample: [{path: a/b, what: finished, message: ""}]
failures:
  description: The first of the failures.
  returned: success
  type: list
  elements: dict
  sample: [{path: a/b, message: No space left on device}]
results:
  description: The file with all outcomes, if one was asked for.
  returned: success
  type: str
  sample: ""
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.interrupted import end_cleanly
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import TIER_DRIVERS
from ansible_collections.scaleout.ingest.plugins.module_utils.tier.start import migrate

ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "driver": {"type": "str", "required": True, "choices": list(TIER_DRIVERS)},
    "source": {"type": "dict", "required": True},
    "target": {"type": "dict", "required": True},
    "files": {"type": "list", "elements": "dict"},
    "list": {"type": "path"},
    "results": {"type": "path"},
    "workers": {"type": "str", "default": "auto"},
    "guarantee": {"type": "str", "choices": ["lease", "best_effort"], "default": "lease"},
    "quiet": {"type": "float", "default": 60},
    "grace": {"type": "float", "default": 0.02},
    "limit_files": {"type": "int", "default": 0},
    "limit_bytes": {"type": "int", "default": 0},
    "limit_errors": {"type": "str", "default": "5%"},
    "rate": {"type": "str", "default": "0"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    end_cleanly()
    try:
        answer = migrate(module.params, module.check_mode)
    except IngestError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(answer["moved"]) and not module.check_mode, **answer)


if __name__ == "__main__":
    main()
