#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree is made of."""

from __future__ import annotations

DOCUMENTATION = r"""
module: index_report
short_description: What a tree is made of, as one page
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Reads an index of M(scaleout.ingest.index) where the task runs, and writes one HTML page on the
    controller, which needs nothing but a browser. The tree itself is not looked at.
  - The page has sizes and ages of the files, owners, groups and kinds, the directories of the first
    level, the widest and deepest ones, the largest files, and what each generation held.
options:
  index_dir:
    description: A folder of an index, of its generations, or of an ingest's run.
    type: str
    required: true
  dest:
    description:
      - The page, on the controller; it is replaced when it is complete. A relative path begins
        where the command was started. Without it the numbers are only returned.
    type: path
  workers:
    description: Processes that read; V(0) is one for each processor.
    type: int
    default: 0
attributes:
  check_mode:
    description: Reads the index and writes no page.
    support: full
  diff_mode:
    description: There is nothing to compare with.
    support: none
  idempotent:
    description: The same index gives the same page.
    support: full
seealso:
  - module: scaleout.ingest.index
"""

EXAMPLES = r"""
- name: What is in the tree?
  scaleout.ingest.index_report:
    index_dir: /var/lib/scaleout/index/doc
    dest: ./tree.html
  run_once: true
"""

RETURN = r"""
profile:
  description:
    - The numbers. Names are printable, sizes are in bytes, times in seconds since 1970.
    - C(sizes) are [low, high, files, bytes] in powers of two; C(modified) and C(accessed) [files,
      bytes] from what is later than the scan over ages of less than 1, 7, 30, 90, 180, 365, 730,
      1095 and 1825 days to what is older; C(owners), C(groups) and C(suffixes) [name, number,
      bytes], the last of which may be all others together.
  returned: success
  type: dict
  sample: {source: /usr/share/doc, totals: {files: 78579, bytes: 1298681992}}
dest:
  description: The page.
  returned: when O(dest)
  type: str
  sample: /home/ingest/tree.html
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.profile import profile

ARGUMENTS = {
    "index_dir": {"type": "str", "required": True},
    "dest": {"type": "path"},
    "workers": {"type": "int", "default": 0},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        if module.params["workers"] < 0:
            raise IngestError(f"workers: {module.params['workers']} is negative")
        found = profile(module.params["index_dir"], module.params["workers"])
    except IngestError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, profile=found)


if __name__ == "__main__":
    main()
