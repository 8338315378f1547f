#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a host's part of a plan with rsync."""

from __future__ import annotations

DOCUMENTATION = r"""
module: parallel_rsync
short_description: Copy a host's part of a plan with rsync, in two phases
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Copies the shards that M(scaleout.ingest.plan) has given to the host with many rsync processes
    at once, over all mounts of the destination. As with M(scaleout.ingest.parallel_copy) every host
    works at the same time, and the work of a host that dies goes to the others.
  - The first phase writes new files in place (C(--inplace)), without the temporary file and rename
    that cost a cache half of its metadata calls. The second phase runs the same list without it,
    and copies again what differs in size or time, or in contents with O(verify=checksum). It begins
    for each list as soon as its first phase is done.
  - Names travel byte for byte. As root each rsync works in a mount namespace of its own, where no
    link is followed that others put in its way; elsewhere it gets only directories that nobody else
    can change, and the engine copies what is in the others.
  - What rsync reports (its exit statuses 23, 24 and the others) becomes the failures of the items
    that it names. Hard links and the metadata of directories are made by the plan, after the data.
requirements:
  - rsync 3.0.9 or newer on the host
options:
  method:
    description:
      - V(rsync) gives each rsync a whole shard.
      - V(msrsync) cuts the host's part into buckets of O(bucket_files) and O(bucket_bytes), and
        runs 64 processes at once where the source or the destination is a network mount.
    type: str
    choices: [rsync, msrsync]
    default: rsync
  rsync_options:
    description:
      - More options for rsync, such as C(-z), C(--bwlimit=10m) or C(--chmod=F644).
      - C(-a) is always there. Options that would break the plan are refused, among them
        C(--delete), C(--files-from), C(--exclude), C(--inplace), C(--temp-dir), C(--dry-run) and
        C(--size-only).
    type: list
    elements: str
    default: []
  bucket_files:
    description:
      - The most files for one rsync. V(0) means a whole shard, and with O(method=msrsync) the items
        of the host's part divided by 64, but at least 100. A bucket is never larger than a shard.
    type: int
    default: 0
  bucket_bytes:
    description: The most bytes for one rsync, unless a single file is larger. V(0) means 1 GiB.
    type: int
    default: 0
  verify:
    description:
      - The second phase. V(metadata) compares size and time, V(checksum) the contents, V(none)
        leaves it out, V(plan) does what the plan says.
    type: str
    choices: [plan, none, metadata, checksum]
    default: plan
  preserve:
    description: What is kept of an entry besides its contents. V(times) must be in it.
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
- name: Copy in two phases on every ingestor at once
  scaleout.ingest.parallel_rsync:
    run_dir: ./runs/first

- name: As msrsync -p 64 -f 170 does
  scaleout.ingest.parallel_rsync:
    run_dir: ./runs/first
    method: msrsync
    workers: 64
    bucket_files: 170
    rsync_options: [-hv]
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
repaired:
  description: Items that the second phase had to copy again.
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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.client.arguments import (
    RSYNC_ARGUMENTS,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.client.options import CopyOptions
from ansible_collections.scaleout.ingest.plugins.module_utils.client.rsync_lines import configure
from ansible_collections.scaleout.ingest.plugins.module_utils.client.start import start
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError


def main() -> None:
    """Entry point: start the client's job and answer at once."""
    module = AnsibleModule(argument_spec=RSYNC_ARGUMENTS)
    try:
        status = start(CopyOptions.from_params(module.params), configure)
        module.exit_json(changed=False, status=status)
    except IngestError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
