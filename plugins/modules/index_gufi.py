#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An index in GUFI's layout."""

from __future__ import annotations

DOCUMENTATION = r"""
module: index_gufi
short_description: An index as GUFI lays it out
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Writes an index of M(scaleout.ingest.index) as one C(db.db) a directory, in folders as the tree
    has them, with the tables and views that C(gufi_query) reads.
  - Times are whole seconds there, and device numbers are left out. Entries that are neither files
    nor links are there, too, with their types.
  - Everything belongs to the user that writes it, and is open to nobody else, unlike an index of
    C(gufi_dir2index), which has the modes and owners of the tree.
options:
  index_dir:
    description: A folder of an index, or of its generations, of which the newest is taken.
    type: str
    required: true
  dest:
    description:
      - The folder to write, which takes the place of what is there when it is complete. In it is a
        folder of the source's name, for C(gufi_query).
    type: path
    required: true
  workers:
    description:
      - Processes that write, at most one for each part of the index; V(0) is one for each
        processor.
    type: int
    default: 0
attributes:
  check_mode:
    description: Looks at the index, and writes nothing.
    support: full
  diff_mode:
    description: There is nothing to compare with.
    support: none
  idempotent:
    description: The folder is written anew.
    support: none
seealso:
  - module: scaleout.ingest.index
"""

EXAMPLES = r"""
- name: For those who ask with gufi_query
  scaleout.ingest.index_gufi:
    index_dir: /var/lib/scaleout/index/doc
    dest: /var/lib/scaleout/gufi
  run_once: true
"""

RETURN = r"""
directories:
  description: Directories, each with a file.
  returned: when not in check mode
  type: int
  sample: 5096
dest:
  description: The folder.
  returned: success
  type: str
  sample: /var/lib/scaleout/gufi
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.generations import find
from ansible_collections.scaleout.ingest.plugins.module_utils.index.gufi import export
from ansible_collections.scaleout.ingest.plugins.module_utils.index.parts import complete

ARGUMENTS = {
    "index_dir": {"type": "str", "required": True},
    "dest": {"type": "path", "required": True},
    "workers": {"type": "int", "default": 0},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    result = {"dest": options["dest"]}
    try:
        if options["workers"] < 0:
            raise IngestError(f"workers: {options['workers']} is negative")
        folder = find(options["index_dir"])
        if module.check_mode:
            complete(folder)
        else:
            result["directories"] = export(folder, options["dest"], options["workers"])
    except IngestError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
