#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a host's part of a plan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: parallel_copy
short_description: Copy a host's part of a plan, on all hosts at once
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Copies the shards that M(scaleout.ingest.plan) has given to the host, with many workers, over
    all mounts of the destination, and then checks what arrived.
  - The controller hands each host its shards over Ansible's own connection, follows the work and
    stores the results in C(plan.db). A host that dies costs time, not data; its shards go to the
    others. Each step of the plan begins when the step before is done on every host.
  - Contents, modes with set-id and sticky bits, owners, times in nanoseconds, symbolic links, hard
    links, sparse files, extended attributes, ACLs, fifos, sockets, devices and directory times
    are kept. A symbolic link in the destination is never followed.
  - An item that fails is recorded, and the others go on.
options:
  run_dir:
    description: The run folder on the controller, with the C(plan.db) that M(scaleout.ingest.plan) made.
    type: path
    required: true
  source:
    description: The source as this host sees it. The plan's source unless given.
    type: str
  destinations:
    description:
      - The mounts of the destination on this host. The plan's destinations unless given.
      - They must all be the same directory, seen over different mounts.
    type: list
    elements: str
  workers:
    description:
      - Copies at once on this host, or V(auto).
      - V(auto) is one a processor, and 16 a processor, at most 64, where the source or the
        destination is a network mount.
    type: str
    default: auto
  preserve:
    description: What is kept of an entry besides its contents.
    type: list
    elements: str
    choices: [mode, owner, times, xattrs, acls, links, sparse]
    default: [mode, owner, times, xattrs, acls, links, sparse]
  bandwidth_limit:
    description:
      - Bytes a second that all hosts of the plan together may write, as a number or with a unit
        (V(100M)). Each gets an equal part.
    type: str
    default: "0"
  fsync:
    description: Whether each file is flushed to stable storage before it counts as copied.
    type: bool
    default: false
  lease:
    description:
      - Seconds after which a host that was not heard of counts as dead and its shards go to the
        others. The host itself stops a little earlier.
    type: int
    default: 60
  stall_timeout:
    description:
      - Seconds after which a worker that says nothing is abandoned together with its mount, and
        its work done again over the other mounts. V(0) waits for ever.
    type: int
    default: 300
  tolerate_failures:
    description:
      - Whether the task succeeds although items failed. They are in C(plan.db) all the same, and
        M(scaleout.ingest.report) fails for them.
    type: bool
    default: false
attributes:
  check_mode:
    description: Shows what this host would copy over which mount, and writes nothing.
    support: full
  diff_mode:
    description: In diff mode the planned shards are listed.
    support: full
  idempotent:
    description: A second run copies nothing and reports no change.
    support: full
seealso:
  - module: scaleout.ingest.manifest
  - module: scaleout.ingest.plan
  - module: scaleout.ingest.report
"""

EXAMPLES = r"""
- name: Copy on every ingestor at once
  scaleout.ingest.parallel_copy:
    run_dir: ./runs/first

- name: Copy with 32 workers, at most 200 MiB/s on all hosts together
  scaleout.ingest.parallel_copy:
    run_dir: ./runs/first
    workers: 32
    bandwidth_limit: 200M
"""

RETURN = r"""
files:
  description: Entries but directories that this host copied now.
  returned: success
  type: int
  sample: 26212
bytes:
  description: Bytes that this host copied now.
  returned: success
  type: int
  sample: 457648721
skipped_items:
  description: Entries that were there already.
  returned: success
  type: int
  sample: 0
failed_items:
  description: Items that failed on this host.
  returned: success
  type: int
  sample: 0
planned:
  description: In check mode, per mount what this host would do.
  returned: in check mode
  type: dict
  sample: {/mnt/destination1: {items: 26212, files: 26212, bytes: 457648721, first: README,
    last: usr/share/zoneinfo/UTC}}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils import background, client
from ansible_collections.scaleout.ingest.plugins.module_utils.errors import IngestError

ARGUMENTS = {
    "run_dir": {"type": "path", "required": True},
    "source": {"type": "str"},
    "destinations": {"type": "list", "elements": "str"},
    "workers": {"type": "str", "default": "auto"},
    "preserve": {
        "type": "list",
        "elements": "str",
        "choices": list(client.PRESERVE),
        "default": list(client.PRESERVE),
    },
    "bandwidth_limit": {"type": "str", "default": "0"},
    "fsync": {"type": "bool", "default": False},
    "lease": {"type": "int", "default": 60},
    "stall_timeout": {"type": "int", "default": 300},
    "tolerate_failures": {"type": "bool", "default": False},
    # From the action plugin: the work folder on this host, and how to verify.
    "_work": {"type": "str"},
    "_verify": {"type": "str"},
}


def main() -> None:
    """Entry point: start the client's job and answer at once."""
    module = AnsibleModule(argument_spec=ARGUMENTS)
    work = module.params["_work"]
    if not work:
        module.fail_json(msg="parallel_copy works only through its action plugin")
    status = background.Status(work)
    try:
        settings = client.settings(module.params)
        client.check_mounts(settings)
        os.umask(0o077)
        found = background.detach(
            lambda: client.run(module.params, settings, status), status, 0.0
        )
    except IngestError as error:
        module.fail_json(msg=str(error))
    if found["state"] == "failed":
        module.fail_json(msg=found["msg"])
    module.exit_json(changed=False, status=found)


if __name__ == "__main__":
    main()
