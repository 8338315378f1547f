#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how an ingest is fastest here, and what limits it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: calibrate
short_description: Measure how an ingest is fastest here, and what limits it
version_added: 0.2.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Copies a sample of the source into a folder of its own in the destination, for some seconds at a
    time, with the workers of the real copy, and removes it again. The first host of the play finds
    how many workers are enough on one mount, and how many mounts; then all hosts find how many of
    them are enough.
  - It compares what copying gives with what only reading the source and only writing the
    destination give, and with how much of the client's processors is in use, and says where the
    limit is.
  - It writes a file of variables for the ingest, and a page with charts, on the controller.
  - Nothing outside of the folder C(.ingest-calibrate) is written. A symbolic link, or anything
    else of that name that is not this user's, is refused. What a killed calibration left is removed
    by itself within a minute, or by the next one.
options:
  source:
    description: The tree that is to be ingested, as the hosts see it. It is only read.
    type: str
    required: true
  destinations:
    description:
      - The destination, over one or more mounts. If it does not exist, the directory that it is to
        be made in is written.
    type: list
    elements: str
    required: true
  preserve:
    description: What is kept of an entry besides its contents, as the ingest will.
    type: list
    elements: str
    choices: [mode, owner, times, xattrs, acls, links, sparse]
    default: [mode, owner, times, xattrs, acls, links, sparse]
  index:
    description:
      - A folder on the controller with an index of the source, or of a run, such as one that was
        made with C(--tags preflight,scan). The sample is taken from it, and there is an estimate of
        the whole.
      - Without it the first host looks for some files in the source.
    type: path
  sizes:
    description:
      - Sizes (bytes) of files to be made on the hosts instead of a sample of the source, which is
        then not read.
    type: list
    elements: int
    default: []
  seconds:
    description: How long it may take in all.
    type: int
    default: 180
  most_bytes:
    description:
      - How much may be written in all, by each host. No more than half of the destination's free
        space is used.
    type: str
    default: 50G
  most_workers:
    description: How many workers are tried on one mount, at most.
    type: int
    default: 128
  dest:
    description:
      - The file of variables on the controller. A relative path begins where the command was
        started.
    type: path
    default: calibrated.yml
  page:
    description: The page on the controller. None if it is empty.
    type: path
    default: calibrated.html
  result:
    description: A file on the controller for all numbers, as JSON.
    type: path
attributes:
  check_mode:
    description: Looks at source and destination, and answers what would be done.
    support: full
  diff_mode:
    description: Nothing stays changed on the hosts.
    support: none
seealso:
  - module: scaleout.ingest.parallel_copy
  - module: scaleout.ingest.plan
"""

EXAMPLES = r"""
- name: What is fastest here?
  scaleout.ingest.calibrate:
    source: /mnt/source
    destinations: [/mnt/destination1/copy, /mnt/destination2/copy]
    index: runs/first
    seconds: 120
  register: calibrated
"""

RETURN = r"""
bound:
  description: The rate that counts, V(files) or V(bytes) a second.
  returned: on the first host of the play, not in check mode
  type: str
  sample: files
workers:
  description: How many workers a client needs, over all mounts.
  returned: on the first host of the play, not in check mode
  type: int
  sample: 48
workers_per_mount:
  description: With how many workers the rate of one mount stops growing.
  returned: on the first host of the play, not in check mode
  type: int
  sample: 16
mounts:
  description: How many mounts of a client help.
  returned: on the first host of the play, not in check mode
  type: int
  sample: 3
clients:
  description: How many clients help.
  returned: on the first host of the play, not in check mode
  type: int
  sample: 4
range_size:
  description: The size (bytes) of ranges of large files that is best; 0 if it was not measured.
  returned: on the first host of the play, not in check mode
  type: int
  sample: 16777216
limit:
  description:
    - What limits all of it, V(latency), V(client processor), V(client link), V(address),
      V(cluster), V(source) or V(unclear).
  returned: on the first host of the play, not in check mode
  type: str
  sample: address
because:
  description: The measurements that say so.
  returned: on the first host of the play, not in check mode
  type: list
  elements: str
  sample: [3 mounts are 1.49 times as fast as 2]
estimate:
  description: Between how many seconds and how many the copy will take, if there is an index.
  returned: on the first host of the play, not in check mode
  type: dict
  sample: {low: 2310.5, high: 2904.0}
variables:
  description: What to set, as it is in O(dest).
  returned: on the first host of the play, not in check mode
  type: dict
  sample: {ingest_workers: 48}
said:
  description: The outcome in sentences; in check mode, what would be done.
  returned: on the first host of the play
  type: list
  elements: str
  sample: ["What counts here is files a second: 1,250 files/s to 1,410 files/s."]
dest:
  description: The file of variables.
  returned: on the first host of the play, not in check mode
  type: str
  sample: /home/ingest/calibrated.yml
page:
  description: The page.
  returned: on the first host of the play, not in check mode, if one was asked for
  type: str
  sample: /home/ingest/calibrated.html
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate import bench
from ansible_collections.scaleout.ingest.plugins.module_utils.calibrate.arguments import ARGUMENTS
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError


def main() -> None:
    """Entry point: start the client's job and answer at once."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        if module.check_mode:
            module.exit_json(changed=False, planned=bench.plan(module.params))
        started = bench.start(bench.Options.from_params(module.params))
        module.exit_json(changed=False, status=started)
    except IngestError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
