#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the kernel's NFS client."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nfs_tuning
short_description: Set how many calls an NFS client has under way and how far it reads ahead
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Sets what is given and nothing else, now and for the next boot.
requirements:
  - root on the host
options:
  slots:
    description:
      - RPC calls that a connection starts with (C(sunrpc.tcp_slot_table_entries)).
      - For connections that are made from now on, so this comes before the mounts.
    type: int
  max_slots:
    description:
      - RPC calls that a connection may grow to (C(sunrpc.tcp_max_slot_table_entries)), likewise.
    type: int
  readahead:
    description:
      - KiB that are read ahead of a sequential reader on every NFS mount from now on, and on
        O(mounts) at once.
    type: int
  mounts:
    description: Mount points whose readahead is set at once.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    description: Says what it would change.
    support: full
  diff_mode:
    description: RV(files) names what changes.
    support: none
  idempotent:
    description: What is right already is left alone.
    support: full
notes:
  - The slots are options of the kernel's module C(sunrpc) in C(/etc/modprobe.d), as it is loaded
    with the first mount, when the host's sysctl settings have long been applied; sysctl settings
    only where it is part of the kernel.
  - For later mounts the readahead is a rule for udev in C(/etc/udev/rules.d), which comes after
    that of nfs-utils and its C(nfsrahead).
"""

EXAMPLES = r"""
- name: Allow more calls at once
  scaleout.ingest.nfs_tuning:
    slots: 128

- name: Read 15 MiB ahead
  scaleout.ingest.nfs_tuning:
    readahead: 15360
    mounts: [/mnt/source]
"""

RETURN = r"""
files:
  description: What changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/modprobe.d/scaleout-ingest.conf, /proc/sys/sunrpc/tcp_slot_table_entries]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.provision.kernel import Tuning

ARGUMENTS = {
    "slots": {"type": "int"},
    "max_slots": {"type": "int"},
    "readahead": {"type": "int"},
    "mounts": {"type": "list", "elements": "path", "default": []},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    tuning = Tuning(dry=module.check_mode)
    try:
        if given["slots"] is not None or given["max_slots"] is not None:
            tuning.slots(given["slots"], given["max_slots"])
        if given["readahead"] is not None:
            tuning.readahead(given["readahead"], given["mounts"])
    except IngestError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(tuning.changed), files=tuning.changed)


if __name__ == "__main__":
    main()
