#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a host before anything is written."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check an ingestor before anything is written
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Checks that the source can be read, and that neither source nor destination lies in the other.
  - Writes a small file with a random name over each mount of the destination and looks for it over
    the next one, so that they are known to be one export that this user can write; removes the
    files and gives the directory its times again.
options:
  source:
    description: The source, as the host sees it.
    type: str
    required: true
  destinations:
    description: The mounts of the destination on the host.
    type: list
    elements: str
  cluster_addresses:
    description: The cluster's addresses, when O(destinations) is not given; each has its own mount.
    type: list
    elements: str
  mounts:
    description:
      - The cluster's mounts that can be used, as M(scaleout.ingest.cluster_mounts) found them; all
        unless given.
    type: list
    elements: str
  left_out:
    description:
      - The cluster's mounts that can't be used, as M(scaleout.ingest.cluster_mounts) found them.
    type: list
    elements: dict
    default: []
  mount_base:
    description:
      - Where the cluster's mounts are; V(/mnt/destination) means C(/mnt/destination1) and so on.
    type: str
    default: /mnt/destination
  destination:
    description: The path below each of the cluster's mounts.
    type: str
    default: ""
  method:
    description: What moves the data; V(rsync) and V(msrsync) need a working rsync on the host.
    type: str
    default: copy
  rsync_options:
    description: The user's options for rsync, which the host's rsync must know.
    type: list
    elements: str
    default: []
  preserve:
    description: What is to be kept, for which rsync must have been built.
    type: list
    elements: str
    choices: [mode, owner, times, xattrs, acls, links, sparse]
    default: [mode, owner, times, xattrs, acls, links, sparse]
  fsync:
    description: Whether files are to be flushed, which rsync must know.
    type: bool
    default: false
  host:
    description: The host's name for messages. Its own name unless given.
    type: str
  workers:
    description: Copies at once on the host, or V(auto); only checked.
    type: str
    default: auto
  bandwidth_limit:
    description: Bytes a second, with or without a unit; only checked.
    type: str
    default: "0"
  min_depth:
    description: From which depth on a directory is an item; only checked.
    type: int
  max_depth:
    description: At which depth a directory is an item with all below; only checked.
    type: int
attributes:
  check_mode:
    description: Only looks.
    support: full
  diff_mode:
    description: Nothing changes.
    support: none
  idempotent:
    description: Nothing stays changed.
    support: full
seealso:
  - module: scaleout.ingest.capabilities
"""

EXAMPLES = r"""
- name: Look before leaping
  scaleout.ingest.preflight:
    source: /usr/share/zoneinfo
    destinations: [/tmp]
"""

RETURN = r"""
destinations:
  description: All destinations on this host whose servers answer.
  returned: success
  type: list
  elements: str
  sample: [/mnt/destination1, /mnt/destination2]
left_out:
  description: O(left_out), and those of O(destinations) whose servers do not answer.
  returned: success
  type: list
  elements: dict
  sample:
    - mount: /mnt/destination2
      source: "10.0.0.102:/msazure"
      address: 10.0.0.102
      message: no answer within 5 s
seen:
  description:
    - What M(scaleout.ingest.capabilities) needs from each host as its
      O(scaleout.ingest.capabilities#module:seen).
  returned: success
  type: dict
  sample: {host: client1, kind: nfs, inode: 42, atime: 0, mtime: 0, created: 0}
file_systems:
  description: The type of file system of the source and of each destination.
  returned: success
  type: dict
  sample: {/mnt/source: nfs4, /mnt/destination1: nfs}
"""

import socket

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync.method import check_method
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.interrupted import end_cleanly
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.probes import answering
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight import checks

ARGUMENTS = {
    "source": {"type": "str", "required": True},
    "destinations": {"type": "list", "elements": "str"},
    "cluster_addresses": {"type": "list", "elements": "str"},
    "mounts": {"type": "list", "elements": "str"},
    "left_out": {"type": "list", "elements": "dict", "default": []},
    "mount_base": {"type": "str", "default": "/mnt/destination"},
    "destination": {"type": "str", "default": ""},
    "method": {"type": "str", "default": "copy"},
    "rsync_options": {"type": "list", "elements": "str", "default": []},
    "preserve": {
        "type": "list",
        "elements": "str",
        "choices": list(PRESERVE),
        "default": list(PRESERVE),
    },
    "fsync": {"type": "bool", "default": False},
    "host": {"type": "str"},
    "workers": {"type": "str", "default": "auto"},
    "bandwidth_limit": {"type": "str", "default": "0"},
    "min_depth": {"type": "int"},
    "max_depth": {"type": "int"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    end_cleanly()
    try:
        checks.check_values(module.params)
        destinations, silent = answering(
            module.params["source"], checks.destinations(module.params)
        )
        check_method(module.params)
        found = checks.check(module.params["source"], destinations, not module.check_mode)
    except IngestError as error:
        module.fail_json(msg=str(error))
    for mount in silent:
        module.warn(f"{module.params['host'] or socket.gethostname()}: {mount!s} is left out")
    left_out = module.params["left_out"] + [mount._asdict() for mount in silent]
    module.exit_json(
        changed=False,
        file_systems=found["kinds"],
        seen=dict(found["seen"], host=module.params["host"] or socket.gethostname()),
        destinations=destinations,
        left_out=left_out,
    )


if __name__ == "__main__":
    main()
