#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference of two indexes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: index_diff
short_description: What differs between two indexes
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Compares two generations of an index, or the indexes of two trees, by directory and name, and
    tells what was added, removed, changed and moved. No file system is looked at.
  - An object is followed from path to path by its device, its inode and its times, so that inodes
    that were given to other files and further names of a file do not count as moves. A directory
    that was moved is one move; what it holds is listed only where it is not the same.
  - Memory stays flat whatever has changed. What was found is kept in a temporary folder meanwhile.
options:
  old:
    description:
      - The older index. A folder of an index, of its generations (of which the newest is taken), or
        of an ingest's run.
      - Without it the generation before the newest in O(new) is taken.
    type: path
  new:
    description: The newer index, or that of the other tree.
    type: path
    required: true
  fields:
    description:
      - What makes a difference.
      - By default type, size, mtime, ctime, mode, uid, gid, inode, rdev and linkname; of two trees
        (their roots have different inodes) the same without ctime and inode. C(linkname) counts if
        both scans read it.
    type: list
    elements: str
    choices: [type, inode, device, mode, uid, gid, size, rdev, mtime, ctime, crtime, linkname,
      nlink, blocks, atime, xattr_names]
  moves:
    description:
      - Whether objects are followed from path to path. What was moved is otherwise removed here and
        added there.
      - By default they are, if both indexes are of one tree.
    type: bool
  changes:
    description: The kinds of change that are listed. All are counted.
    type: list
    elements: str
    choices: [added, removed, changed, moved]
    default: [added, removed, changed, moved]
  rows:
    description: The most rows in the result.
    type: int
    default: 100
  dest:
    description: A file for all that are listed; it is replaced when it is complete.
    type: path
  format:
    description:
      - How O(dest) lists them. V(json) is a JSON object a line, V(text) a line for people, V(null)
        the paths, each with a NUL behind it.
      - In V(json) a name that is no UTF-8 has its other bytes as lone surrogates, as Python's
        C(os.fsdecode) makes them; in V(text) what is not printable is an escape.
    type: str
    choices: [json, text, "null"]
    default: json
  workers:
    description: Processes that compare; V(0) is one for each processor, at most 8.
    type: int
    default: 0
  temporary:
    description: A folder for what is found until all is known; TMPDIR or /var/tmp by default.
    type: path
  own_moves:
    description:
      - Tell what policies moved between pools, too. C(migrated.db) beside the generations of an
        index knows it, see M(scaleout.ingest.tier_fold); otherwise it is left out where the file is
        as it was then.
    type: bool
    default: false
attributes:
  check_mode:
    description: Compares, and writes no file.
    support: full
  diff_mode:
    description: The rows are in the result.
    support: none
  idempotent:
    description: The same indexes give the same file, which is written anew.
    support: partial
"""

EXAMPLES = r"""
- name: What has changed since the last generation?
  scaleout.ingest.index_diff:
    new: /var/lib/index
  register: found

- name: What is new or changed, as a list of paths
  scaleout.ingest.index_diff:
    old: /var/lib/index/20260101T120000.000000
    new: /var/lib/index
    changes: [added, changed, moved]
    dest: /var/tmp/increment
    format: "null"

- name: Do both trees hold the same?
  scaleout.ingest.index_diff:
    old: /var/lib/index-of-the-source
    new: /var/lib/index-of-the-copy
    fields: [type, size, mtime]
  register: found
  failed_when: found.listed > 0
"""

RETURN = r"""
counts:
  description:
    - For each kind of change, how many C(files), C(links), C(others) and C(directories), and the
      C(bytes) of the files (of what was removed those that they had).
    - A directory that was moved counts as one directory, with nothing of what it holds.
  returned: success
  type: dict
  sample:
    added: {files: 3, links: 0, others: 0, directories: 1, bytes: 48211}
    removed: {files: 0, links: 0, others: 0, directories: 0, bytes: 0}
    changed: {files: 7, links: 0, others: 0, directories: 2, bytes: 91205}
    moved: {files: 0, links: 0, others: 0, directories: 1, bytes: 0}
rows:
  description:
    - The first of those that O(changes) asks for, in the order of their paths.
    - Each has C(change), C(path), C(type); C(from) if it had another path; of what was changed or
      moved C(fields) and what they were and are in C(old) and C(new), of what was added or removed
      all that is known there. Times in ns. What is not printable in a name is an escape.
  returned: success
  type: list
  elements: dict
  sample:
    - {change: changed, path: d/f, type: f, fields: [size], old: {size: 4}, new: {size: 7}}
listed:
  description: How many there are of those that O(changes) asks for.
  returned: success
  type: int
  sample: 13
fields:
  description: What made a difference.
  returned: success
  type: list
  elements: str
  sample: [type, size, mtime, mode, uid, gid, rdev]
followed:
  description: Whether objects were followed from path to path.
  returned: success
  type: bool
  sample: true
own_moves:
  description: How many files that policies moved between pools were left out.
  returned: success
  type: int
  sample: 0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.difference.compare import (
    CHANGES,
    Options,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.difference.output import (
    FORMATS,
    listed,
    pair,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.difference.rows import FIELDS

ARGUMENTS = {
    "old": {"type": "path"},
    "new": {"type": "path", "required": True},
    "fields": {"type": "list", "elements": "str", "choices": list(FIELDS)},
    "moves": {"type": "bool"},
    "changes": {
        "type": "list",
        "elements": "str",
        "choices": list(CHANGES),
        "default": list(CHANGES),
    },
    "rows": {"type": "int", "default": 100},
    "dest": {"type": "path"},
    "format": {"type": "str", "choices": list(FORMATS), "default": "json"},
    "workers": {"type": "int", "default": 0},
    "temporary": {"type": "path"},
    "own_moves": {"type": "bool", "default": False},
}


def run_module(module: AnsibleModule) -> None:
    """Compare, list, answer. Raises IngestError."""
    options = module.params
    for name in ("rows", "workers"):
        if options[name] < 0:
            raise IngestError(f"{name}: {options[name]} is negative")
    old, new = pair(options["old"], options["new"])
    fields = None if options["fields"] is None else tuple(options["fields"])
    if fields == ():
        raise IngestError("fields: an empty list makes no difference; leave it out for the default")
    dest = None if module.check_mode else options["dest"]
    result = listed(
        Options(
            old,
            new,
            fields,
            options["moves"],
            options["workers"],
            options["temporary"],
            options["own_moves"],
        ),
        options["changes"],
        options["rows"],
        dest,
        options["format"],
    )
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(changed=dest is not None, **result)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        run_module(module)
    except IngestError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
