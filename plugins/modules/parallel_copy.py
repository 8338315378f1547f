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
  preserve:
    description: What is kept of an entry besides its contents.
    type: list
    elements: str
    choices: [mode, owner, times, xattrs, acls, links, sparse]
    default: [mode, owner, times, xattrs, acls, links, sparse]
extends_documentation_fragment:
  - scaleout.ingest.client
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
lost:
  description: Whether the host died on the way; its work goes to the others.
  returned: when it did
  type: bool
  sample: true
planned:
  description: In check mode, per mount what this host would do.
  returned: in check mode
  type: dict
  sample: {/mnt/destination1: {items: 26212, files: 26212, bytes: 457648721, first: README,
    last: usr/share/zoneinfo/UTC}}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.client.arguments import ARGUMENTS
from ansible_collections.scaleout.ingest.plugins.module_utils.client.options import CopyOptions
from ansible_collections.scaleout.ingest.plugins.module_utils.client.settings import Settings
from ansible_collections.scaleout.ingest.plugins.module_utils.client.start import Scanners, start
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError


def scanners() -> Scanners:
    """What makes what scans while this host copies. Loaded where it is needed: other runs begin
    sooner without it; and now, as the module's files are gone when it goes on by itself."""
    # pylint: disable=import-outside-toplevel
    from ansible_collections.scaleout.ingest.plugins.module_utils.overlap.piece_work import ScanWork
    from ansible_collections.scaleout.ingest.plugins.module_utils.overlap.scanner import Scanner

    def make(options: CopyOptions, wanted: Settings) -> Scanner:
        folder = os.path.join(options.work, "found")
        os.mkdir(folder)
        destination = os.fsdecode(wanted.destinations[0])
        work = ScanWork.of(options.grows or {}, options.source, destination, folder)
        return Scanner(work, options.stall_timeout)

    return make


def main() -> None:
    """Entry point: start the client's job and answer at once."""
    module = AnsibleModule(argument_spec=ARGUMENTS)
    try:
        options = CopyOptions.from_params(module.params)
        status = start(options, scanners=scanners() if options.grows else None)
        module.exit_json(changed=False, status=status)
    except IngestError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
