#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Index what a tree holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: index
short_description: Index what a tree holds, for queries, differences and policies
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Walks a tree with several processes and writes what is there, with sums for each directory, into
    a folder of SQLite files on the machine on which the task runs.
  - Each scan writes a new generation into O(index_dir), which takes its place when it is complete.
    Until then, and if the scan fails or is killed, the last one stays the current one.
  - What cannot be read is noted and counted in RV(errors); the scan goes on with the rest.
  - Symbolic links are never followed, except when O(source) itself is one.
options:
  source:
    description: The tree, as the machine sees it on which the task runs.
    type: str
    required: true
  index_dir:
    description: Folder for the generations on that machine, outside of O(source), made if missing.
    type: str
    required: true
  generations:
    description: How many are kept.
    type: int
    default: 2
  scan:
    description:
      - V(full) lists everything.
      - V(changed) lists again the directories whose times have changed since the last generation,
        and looks at the known entries of the others.
      - V(directories) takes the entries of the others over, unseen. What was written to a file, or
        done to its mode or owner, is missed then.
      - If the last generation was made with other options, or there is none, all is listed, with
        a warning.
    type: str
    choices: [full, changed, directories]
    default: full
  settled:
    description:
      - A period such as V(90d). With O(scan=changed), the entries of a directory in which nothing
        has changed for so long are taken over unseen, except once in ten generations.
      - V(0) is never.
    type: str
    default: "0"
  subtrees:
    description:
      - Directories, relative to the source. Only these are looked at; the rest is taken over from
        the last generation, unseen.
    type: list
    elements: str
    default: []
  policies:
    description:
      - Conditions in the language of C(docs/search.md) that are asked of the new index before it
        takes its place. The first policy, by priority, that an entry other than a directory meets
        has it. It is marked in the index (the view C(marked)), and its path stands in the policy's
        lists, in the folder C(lists) of the generation, one for each part of the index.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Letters, digits and C(_.-).
        type: str
        required: true
      when:
        description: The condition.
        type: str
        required: true
      priority:
        description: The lowest number comes first.
        type: float
        default: 0
  list_format:
    description:
      - V(null) ends each path in a list with a NUL, for C(xargs -0) or C(rsync --from0).
      - V(newline) is refused when a name holds a newline.
      - V(sqlite) is a database with a table C(files) of paths and their attributes.
    type: str
    choices: ["null", newline, sqlite]
    default: "null"
  include:
    description:
      - Patterns that C(rsync -a --include=PATTERN) would take. They come before all O(exclude).
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Patterns that C(rsync -a --exclude=PATTERN) would leave out. An excluded directory is left
        out with all that lies below, unread.
    type: list
    elements: str
    default: []
  xattrs:
    description: Note the names of extended attributes, too. That costs a call for each entry.
    type: bool
    default: false
  one_file_system:
    description: Do not list directories that are mount points of other file systems.
    type: bool
    default: false
  workers:
    description:
      - Processes, at most 64. Each writes a part of the index, and as many processes can query it.
      - V(auto) is one for each processor, at most 8.
    type: str
    default: auto
  threads:
    description:
      - Threads in each process. More than one only helps where the source answers slowly.
        V(auto) is 8 on a network mount, else 1.
    type: str
    default: auto
  stall_timeout:
    description:
      - Seconds. If nothing is heard of the source for half of them, its server is asked. If it does
        not answer for five times as long, the scan fails; a source whose calls time out (C(soft))
        gets only one time as long.
        V(0) waits for ever.
    type: int
    default: 60
  _work:
    description: The work directory. Only for the action plugin.
    type: str
attributes:
  check_mode:
    description: Looks at the source and the options, and writes nothing.
    support: full
  diff_mode:
    description: There is nothing to compare with.
    support: none
  idempotent:
    description: Each scan writes a generation.
    support: none
seealso:
  - module: scaleout.ingest.manifest
"""

EXAMPLES = r"""
- name: Index a tree
  scaleout.ingest.index:
    source: /usr/share/doc
    index_dir: /var/lib/scaleout/index/doc
  run_once: true
  register: index

- name: Index it again, looking only where something may have changed, and list what is cold
  scaleout.ingest.index:
    source: /usr/share/doc
    index_dir: /var/lib/scaleout/index/doc
    scan: changed
    policies:
      - name: cold
        when: type = f and size > 1M and age(atime) > 90d
  run_once: true

- name: Show how much there is
  ansible.builtin.debug:
    msg: "{{ index.entries }} entries, {{ index.bytes }} bytes, in {{ index.generation }}"
  run_once: true
"""

RETURN = r"""
generation:
  description: The folder of the new index.
  returned: success
  type: str
  sample: /var/lib/scaleout/index/doc/20260101T120000.000000
files:
  description: Regular files.
  returned: success
  type: int
  sample: 78579
links:
  description: Symbolic links.
  returned: success
  type: int
  sample: 56
specials:
  description: Fifos, sockets and devices.
  returned: success
  type: int
  sample: 0
directories:
  description: Directories, the source among them.
  returned: success
  type: int
  sample: 5096
entries:
  description: All that is no directory.
  returned: success
  type: int
  sample: 78635
bytes:
  description: Sum of the sizes of the regular files, in bytes.
  returned: success
  type: int
  sample: 1298681992
disk:
  description: Space allocated for the regular files, in bytes.
  returned: success
  type: int
  sample: 1485758464
errors:
  description: How often something could not be read. The index is not complete if it is not 0.
  returned: success
  type: int
  sample: 0
failures:
  description: The first 20 of them.
  returned: success
  type: list
  elements: dict
  sample:
    - path: projects/secret
      operation: open
      errno: 13
      message: Permission denied
listed:
  description: Directories that were listed.
  returned: success
  type: int
  sample: 5096
policies:
  description: What each policy has.
  returned: when O(policies) are given
  type: dict
  sample:
    cold:
      entries: 120
      bytes: 4831838208
      lists: [/var/lib/scaleout/index/doc/20260101T120000.000000/lists/cold.0.list]
seconds:
  description: Duration.
  returned: success
  type: float
  sample: 0.41
entries_per_second:
  description: Entries and directories per second.
  returned: success
  type: int
  sample: 204222
workers:
  description: Processes used.
  returned: success
  type: int
  sample: 2
threads:
  description: Threads used in each process.
  returned: success
  type: int
  sample: 1
source:
  description: The source, printable.
  returned: success
  type: str
  sample: /mnt/source
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core import background
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.rows import Totals
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import indexing
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.indexing import IndexOptions

ARGUMENTS = {
    "source": {"type": "str", "required": True},
    "index_dir": {"type": "str", "required": True},
    "generations": {"type": "int", "default": 2},
    "scan": {"type": "str", "choices": ["full", "changed", "directories"], "default": "full"},
    "settled": {"type": "str", "default": "0"},
    "subtrees": {"type": "list", "elements": "str", "default": []},
    "policies": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "when": {"type": "str", "required": True},
            "priority": {"type": "float", "default": 0},
        },
    },
    "list_format": {"type": "str", "choices": ["null", "newline", "sqlite"], "default": "null"},
    "include": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "xattrs": {"type": "bool", "default": False},
    "one_file_system": {"type": "bool", "default": False},
    "workers": {"type": "str", "default": "auto"},
    "threads": {"type": "str", "default": "auto"},
    "stall_timeout": {"type": "int", "default": 60},
    "_work": {"type": "str"},
}
_WAIT = 1.0  # s: a scan shorter than that is answered at once


def run_module(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises IngestError."""
    os.umask(0o077)  # the names in the tree are not for everybody
    options = IndexOptions.from_params(params)
    indexing.check(options)
    if check_mode:
        return {}
    if params["_work"] is None:
        return indexing.make(options)
    status = background.Status(params["_work"])

    def progress(totals: Totals) -> None:
        status.check_lease()
        status.write("running", totals=totals._asdict())

    found = background.detach(lambda: indexing.make(options, progress), status, _WAIT)
    if found["state"] == "failed":
        raise IngestError(found["msg"])
    return {"status": found}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = run_module(module.params, module.check_mode)
    except IngestError as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
