#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out what a destination can hold."""

from __future__ import annotations

DOCUMENTATION = r"""
module: capabilities
short_description: Find out what a destination can hold
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Makes a directory with a random name in the destination, tries everything in it that an ingest
    may have to keep, and removes it again; says in warnings what will not survive.
  - One host is enough, as all see the same destination.
options:
  source:
    description: The source; no warning is given for attributes that its file system can't have.
    type: str
  destinations:
    description: The mounts of the destination; only the first is used.
    type: list
    elements: str
    required: true
  preserve:
    description: What is to be kept, and so what is worth a warning.
    type: list
    elements: str
    choices: [mode, owner, times, xattrs, acls, links, sparse]
    default: [mode, owner, times, xattrs, acls, links, sparse]
  seen:
    description:
      - What M(scaleout.ingest.preflight) returned as RV(scaleout.ingest.preflight#module:seen) on
        each host.
      - Hosts that see different directories are refused, and the directory gets the time back that
        it had before any of them wrote.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    description: Writes nothing.
    support: partial
    details: >-
      Without writing, only how much space there is and whether the destination is empty is found.
  diff_mode:
    description: Nothing changes.
    support: none
  idempotent:
    description: Nothing stays changed.
    support: full
seealso:
  - module: scaleout.ingest.preflight
"""

EXAMPLES = r"""
- name: What can /tmp hold
  scaleout.ingest.capabilities:
    destinations: [/tmp]
  run_once: true
"""

RETURN = r"""
holds:
  description:
    - What the destination can hold; the fact C(ingest_destination_holds) of the role
      P(scaleout.ingest.preflight#role).
  returned: success
  type: dict
  contains:
    lacks:
      description:
        - What it does not keep, and why. Kinds are C(mode), C(set_id), C(sticky), C(owner),
          C(user_xattrs), C(trusted_xattrs), C(security_xattrs), C(acls), C(symbolic_links),
          C(link_times), C(hard_links), C(sparse), C(fifos), C(sockets), C(devices),
          C(any_name) (names that aren't UTF-8), C(utf8_names), C(case) and C(forms) (names that
          differ only in case or in the form of accents).
      type: dict
      sample: {acls: Operation not supported, user_xattrs: Operation not supported}
    granularity:
      description: The step of times, in ns.
      type: int
      sample: 1
    oldest:
      description: The first second since 1970 that it holds; null if none was found.
      type: int
      sample: 0
    newest:
      description: The last second.
      type: int
      sample: 4294967295
    longest_name:
      description: Bytes in a name.
      type: int
      sample: 255
    uid:
      description: The user that tried.
      type: int
      sample: 0
    owner:
      description: Whom its new file belonged to; another one than C(uid) is a squashed root.
      type: int
      sample: 65534
    bytes:
      description: The size of the file system.
      type: int
      sample: 270553579520
    bytes_free:
      description: Bytes that this user may still use.
      type: int
      sample: 82305875968
    inodes:
      description: Inodes of the file system, V(0) if it does not count them.
      type: int
      sample: 16777216
    inodes_free:
      description: Inodes that this user may still use.
      type: int
      sample: 16251074
    source_lacks:
      description: Those kinds of C(lacks) that the source can't have.
      type: list
      elements: str
      sample: [trusted_xattrs]
    empty:
      description: Whether the destination is empty or missing.
      type: bool
      sample: true
not_kept:
  description: What will not survive, in sentences.
  returned: success
  type: list
  elements: str
  sample: [the destination keeps no POSIX ACLs (Operation not supported)]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.interrupted import end_cleanly
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import to_bytes
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight import capabilities
from ansible_collections.scaleout.ingest.plugins.module_utils.preflight.shortfalls import in_general

ARGUMENTS = {
    "source": {"type": "str"},
    "destinations": {"type": "list", "elements": "str", "required": True},
    "preserve": {
        "type": "list",
        "elements": "str",
        "choices": list(PRESERVE),
        "default": list(PRESERVE),
    },
    "seen": {"type": "list", "elements": "dict", "default": []},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    end_cleanly()
    try:
        source = module.params["source"]
        holds = capabilities.of_destination(
            to_bytes(source) if source else None,
            to_bytes(module.params["destinations"][0]),
            module.params["seen"],
            not module.check_mode,
        )
    except IngestError as error:
        module.fail_json(msg=str(error))
    lost = in_general(holds, module.params["preserve"])
    for sentence in lost:
        module.warn(sentence)
    module.exit_json(changed=False, not_kept=lost, holds=holds)


if __name__ == "__main__":
    main()
