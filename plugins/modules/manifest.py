#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan a source tree into an index."""

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest
short_description: Scan a source tree into an index
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Walks a tree with several processes and writes what is there, with all attributes that a copy
    needs, into a folder of SQLite files. M(scaleout.ingest.plan) deals it out to the hosts.
  - Runs where the task runs, the controller or a host that has the source mounted, and brings the
    index to the controller when O(run_dir) is given.
  - Says how many items there are to copy, and writes the number of entries and the size of each
    item directory, as a loop of C(find | wc -l) and C(du -sh) over the directories would.
  - What cannot be read is noted and counted in RV(errors); the scan goes on with the rest.
  - Symbolic links are never followed, except when O(source) itself is one.
options:
  source:
    description: The tree, as the machine sees it on which the task runs.
    type: str
    required: true
  run_dir:
    description:
      - Folder on the controller for the result, C(index/), C(directories.tsv) and the plain files.
      - The scan writes into a private work directory on its machine, below C(/var/tmp) or
        C(/tmp), which is removed at the end. It ends by itself when the controller is gone.
      - Exactly one of O(run_dir) and O(output) is needed.
    type: str
  output:
    description: Folder for the same files on the machine on which the task runs, and left there.
    type: str
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
      - A leading slash is the top of the source, a trailing slash means only directories, C(*)
        stops at slashes and C(**) does not. A pattern without a slash is for names at any depth.
    type: list
    elements: str
    default: []
  globs:
    description:
      - Predictable names such as C(file0*), relative to the source, as a shell would expand them
        there. Only what matches is taken, directories with all that lies below.
      - A glob that matches nothing is a warning, and an error if nothing matches any.
    type: list
    elements: str
    default: []
  min_depth:
    description:
      - Directories from this depth on are items with the entries right in them. The source has
        depth 0. The same as O(max_depth) if only that is given.
      - What lies less deep is not lost, each entry there is an item of its own.
    type: int
  max_depth:
    description:
      - Directories of this depth are items with all that lies below, as those that
        C(find -mindepth 4 -maxdepth 4 -type d) gives for V(4).
      - Without depths every entry is an item.
    type: int
  one_file_system:
    description: Do not list directories that are mount points of other file systems.
    type: bool
    default: false
  workers:
    description: Processes, at most 64. V(auto) is one for each processor, at most 8.
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
  compare_to:
    description:
      - The destination, as this machine sees it. If it has something already, each of its
        directories is listed beside the source's, and the index keeps what of each entry is new,
        different or right, so that M(scaleout.ingest.plan) leaves out what is right. Nothing is
        written.
      - Right is what has type, size, time and all of O(preserve) as in the source. The contents are
        believed. What can't be told is never right, among it all entries of a directory that has
        more than 50,000 at the destination.
    type: str
  preserve:
    description: What the copy will keep, and so what is compared.
    type: list
    elements: str
    choices: [mode, owner, times, xattrs, acls, links, sparse]
    default: [mode, owner, times, xattrs, acls, links, sparse]
  granularity:
    description:
      - Steps in which the destination keeps times, in ns, as M(scaleout.ingest.capabilities) found.
    type: int
    default: 1
  plain_files:
    description:
      - Also write the manifest as plain files. C(manifest) has a line for each item, and C(client1)
        to C(clientN) have every Nth of its lines, as C(sed -n i~Np) would give them.
      - Copying every line with all that lies below copies everything once. So an item that is only
        part of a directory has a line for each of its entries.
      - With O(include), O(exclude) or O(one_file_system) no line is a directory, except one that
        has nothing left in it; use C(rsync -a --from0 --files-from), which does not descend.
    type: dict
    suboptions:
      clients:
        description:
          - Number of clients. If it is not given, with O(run_dir), the number of hosts in the group
            C(ingestors), or else in the play.
        type: int
      separator:
        description:
          - V(null) ends each path with a NUL, for C(xargs -0) or C(rsync --from0).
          - V(newline) is refused when a name holds a newline.
        type: str
        choices: ["null", newline]
        default: "null"
  _work:
    description: The work directory. Only for the action plugin.
    type: str
  _pack:
    description: The name of the file in it that is to be fetched. Only for the action plugin.
    type: str
  resume:
    description:
      - With V(auto) a run folder whose run was not brought to its end is gone on with. What is
        complete there is not done again, unless an option makes it another one, which is a warning
        that names it; or unless its stage was asked for by its tag.
      - With V(never) all is done again.
    type: str
    choices: [auto, never]
    default: never
  retry_failed:
    description: Whether only what failed in the run of this folder is to be tried again.
    type: bool
    default: false
attributes:
  check_mode:
    description: The index is only ever written to the run folder, in check mode too.
    support: full
  diff_mode:
    description: There is nothing to compare with.
    support: none
  idempotent:
    description: Never changes anything but its own output.
    support: full
seealso:
  - module: scaleout.ingest.plan
"""

EXAMPLES = r"""
- name: Scan on the first ingestor, which has the source mounted
  scaleout.ingest.manifest:
    source: /usr/share/doc
    run_dir: "{{ playbook_dir }}/runs/first"
  run_once: true

- name: Items as find -mindepth 4 -maxdepth 4 -type d would give them, and files for five clients
  scaleout.ingest.manifest:
    source: /usr/share/doc
    run_dir: "{{ playbook_dir }}/runs/depth"
    max_depth: 4
    plain_files:
      clients: 5
  run_once: true

- name: Predictable names, without temporary files, left on the machine that scans
  scaleout.ingest.manifest:
    source: /usr/share/doc
    output: /var/tmp/manifest
    globs:
      - a*
      - lib[a-m]*/c*
    exclude:
      - "*.tmp"
      - /apt/examples/
  register: manifest
  run_once: true

- name: Show what there is to do
  ansible.builtin.debug:
    msg: "{{ manifest.files }} files, {{ manifest.bytes }} bytes, {{ manifest.item_count }} items"
  run_once: true
"""

RETURN = r"""
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
item_count:
  description: Items to be dealt out to the hosts.
  returned: success
  type: int
  sample: 78635
item_directories:
  description: >-
    Lines in C(directories.tsv), one for each directory from O(min_depth) to O(max_depth), or
    without depths for each right in the source. Its columns are the number of entries with the
    directory itself, bytes, allocated space as C(du -h) shows it, and the path, escaped.
  returned: success
  type: int
  sample: 22
lines:
  description: Lines in the file C(manifest).
  returned: when O(plain_files) is given
  type: int
  sample: 4013
errors:
  description: How often something could not be read. The source is not complete if it is not 0.
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
unmatched_globs:
  description: The globs that match nothing.
  returned: success
  type: list
  elements: str
  sample: ["file9*"]
seconds:
  description: Duration of the walk.
  returned: success
  type: float
  sample: 0.41
entries_per_second:
  description: Entries and directories per second of the walk.
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
output:
  description: The folder with the result, on the controller with O(run_dir).
  returned: success
  type: str
  sample: /home/user/runs/20260101T120000
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core import background
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.index import transfer
from ansible_collections.scaleout.ingest.plugins.module_utils.index.result import finish
from ansible_collections.scaleout.ingest.plugins.module_utils.index.rows import Totals
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import manifest
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.manifest import ManifestOptions

ARGUMENTS = {
    "source": {"type": "str", "required": True},
    "run_dir": {"type": "str"},
    "output": {"type": "str"},
    "include": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "globs": {"type": "list", "elements": "str", "default": []},
    "min_depth": {"type": "int"},
    "max_depth": {"type": "int"},
    "one_file_system": {"type": "bool", "default": False},
    "workers": {"type": "str", "default": "auto"},
    "threads": {"type": "str", "default": "auto"},
    "stall_timeout": {"type": "int", "default": 60},
    "compare_to": {"type": "str"},
    "preserve": {
        "type": "list",
        "elements": "str",
        "choices": list(PRESERVE),
        "default": list(PRESERVE),
    },
    "granularity": {"type": "int", "default": 1},
    "plain_files": {
        "type": "dict",
        "options": {
            "clients": {"type": "int"},
            "separator": {"type": "str", "choices": ["null", "newline"], "default": "null"},
        },
    },
    # For the action plugin alone.
    "resume": {"type": "str", "choices": ["auto", "never"], "default": "never"},
    "retry_failed": {"type": "bool", "default": False},
    # From the action plugin: a work directory of this run, and the name of the file in it that is
    # to be fetched (none: the controller is this machine and O(output) is its run folder).
    "_work": {"type": "str"},
    "_pack": {"type": "str"},
}
_WAIT = 1.0  # s: a scan shorter than that is answered at once


def run_module(params: dict[str, Any]) -> dict[str, Any]:
    """The module's result. Raises IngestError."""
    work = params["_work"]
    if work is None:
        if not params["output"]:
            raise IngestError("output is not given")
        options = ManifestOptions.from_params(params, params["output"])
        manifest.check(options)
        manifest.make(options)
        return finish(options.result, options.output)
    os.umask(0o077)  # the work directory is open to all; the names in the tree are not
    options = ManifestOptions.from_params(params, params["output"] or work)
    manifest.check(options, "run_dir" if params["output"] else "the work directory")
    status = background.Status(work)
    packed = os.path.join(work, params["_pack"]) if params["_pack"] else None
    found = background.detach(lambda: _job(options, status, packed), status, _WAIT)
    if found["state"] == "failed":
        raise IngestError(found["msg"])
    return {"status": found}


def _job(options: ManifestOptions, status: background.Status, packed: str | None) -> dict[str, Any]:
    """Scan in the background, tell the progress, and end when nobody asks for it any more."""

    def progress(totals: Totals) -> None:
        status.check_lease()
        status.write("running", totals=totals._asdict())

    totals = manifest.make(options, progress)
    if packed is None:
        return finish(options.result, options.output)
    transfer.pack(options.scan.folder, packed, 0o644)
    return totals._asdict()


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[("run_dir", "output")],
        supports_check_mode=True,
    )
    try:
        result = run_module(module.params)
    except IngestError as error:
        module.fail_json(msg=str(error))
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
