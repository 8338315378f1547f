#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count a tree, and warm a cache with it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prime
short_description: Count a tree in parallel, and read it once to warm a cache
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Counts files, directories and bytes of a tree with many workers.
  - On request it reads every file once, so that a cache in front of the storage holds it. Several
    hosts share the work without talking to each other; each reads the files whose path falls to
    its part.
  - Symbolic links are not followed.
options:
  directory:
    description: The tree.
    type: path
    required: true
  workers:
    description:
      - Workers at once, or V(auto).
      - V(auto) is one a processor, and 16 a processor, at most 64, on a network mount.
    type: str
    default: auto
  read:
    description: Whether every file of this host's part is read once.
    type: bool
    default: false
  part:
    description: Which part of the files this host reads, from 1 on.
    type: int
    default: 1
  parts:
    description: How many parts there are.
    type: int
    default: 1
  skip:
    description: Names that are left out, with everything below.
    type: list
    elements: str
    default: [.snapshot, .zfs]
  max_failures:
    description: How many failures are returned in full. All of them are counted.
    type: int
    default: 100
attributes:
  check_mode:
    description: Counts and reads nothing.
    support: full
  diff_mode:
    description: Nothing changes.
    support: none
  idempotent:
    description: Nothing changes.
    support: full
"""

EXAMPLES = r"""
- name: How many items are there?
  scaleout.ingest.prime:
    directory: /usr/share/zoneinfo
  register: found

- name: Warm the cache, every ingestor with its part
  scaleout.ingest.prime:
    directory: /mnt/destination1
    read: true
    part: "{{ ansible_play_hosts.index(inventory_hostname) + 1 }}"
    parts: "{{ ansible_play_hosts | length }}"
"""

RETURN = r"""
files:
  description: Regular files in the tree.
  returned: success
  type: int
  sample: 11000
directories:
  description: Directories, the tree itself included.
  returned: success
  type: int
  sample: 812
others:
  description: Symbolic links, fifos, sockets and devices.
  returned: success
  type: int
  sample: 3
bytes:
  description: The sum of the files' sizes, in bytes.
  returned: success
  type: int
  sample: 1304829113
entries:
  description: Files, directories and others together.
  returned: success
  type: int
  sample: 11815
entries_per_process:
  description: The entries divided by 64, rounded up, as C(msrsync -f) wants it.
  returned: success
  type: int
  sample: 185
files_read:
  description: Files that this host read.
  returned: success
  type: int
  sample: 3667
bytes_read:
  description: Bytes that this host read.
  returned: success
  type: int
  sample: 434943037
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 4.2
files_per_second:
  description: Files read a second, or found when none were to be read.
  returned: success
  type: float
  sample: 873.1
bytes_per_second:
  description: Bytes read a second.
  returned: success
  type: float
  sample: 103557866.0
errors:
  description: How many entries could not be listed or read. The task fails if there is one.
  returned: always
  type: int
  sample: 0
failures:
  description: The first of them.
  returned: always
  type: list
  elements: dict
  sample: [{path: closed, operation: list, errno: 13, message: Permission denied}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import display, to_bytes
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.worker_count import workers
from ansible_collections.scaleout.ingest.plugins.module_utils.scan import prime

ARGUMENTS = {
    "directory": {"type": "path", "required": True},
    "workers": {"type": "str", "default": "auto"},
    "read": {"type": "bool", "default": False},
    "part": {"type": "int", "default": 1},
    "parts": {"type": "int", "default": 1},
    "skip": {"type": "list", "elements": "str", "default": [".snapshot", ".zfs"]},
    "max_failures": {"type": "int", "default": 100},
}


def run_module(module: AnsibleModule) -> None:
    """Count, read, answer. Raises IngestError."""
    options = module.params
    directory = to_bytes(options["directory"])
    if not 1 <= options["part"] <= options["parts"]:
        raise IngestError(f"part: {options['part']} is not one of {options['parts']} parts")
    counts = prime.prime(
        directory,
        workers(options["workers"]),
        options["read"] and not module.check_mode,
        prime.Part(options["part"] - 1, options["parts"]),
        frozenset(to_bytes(name) for name in options["skip"]),
    )
    answer = {name: getattr(counts, name) for name in prime.Counts.NAMES}
    seconds = max(counts.seconds, 1e-3)
    answer.update(
        entries=counts.items,
        entries_per_process=counts.per_process,
        seconds=round(counts.seconds, 3),
        files_per_second=round((counts.files_read or counts.files) / seconds, 1),
        bytes_per_second=round(counts.bytes_read / seconds, 1),
        errors=len(counts.failures),
        failures=[
            dict(failure._asdict(), path=display(failure.path))
            for failure in counts.failures[: options["max_failures"]]
        ],
    )
    if counts.failures:
        first = answer["failures"][0] if answer["failures"] else {}
        module.fail_json(
            msg=f"{answer['errors']} entries below {display(directory)} could not be listed or "
            f"read, the first is '{first.get('path')}': {first.get('message')}",
            **answer,
        )
    module.exit_json(changed=False, **answer)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        run_module(module)
    except IngestError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
