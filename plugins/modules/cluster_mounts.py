#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cluster_mounts
short_description: Say what an ingestor has to mount
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Compares what an ingestor needs, a mount for each address of a scale-out NFS cluster and one of
    the source, with what it has mounted and configured, and says what M(ansible.posix.mount) has to
    do about it. Called again with the O(outcome), it says what came of it.
  - Asks all servers at the same time, with a call that does nothing, whether they answer. An
    address that does not is left out, so that nothing hangs on it; the others are used. It is an
    error if none answers, or the source does not.
  - Changes nothing itself, but for one thing. With O(unmount) it detaches a mount whose server is
    dead and which nothing uses, as to unmount it would hang.
requirements:
  - C(mount.nfs) (Debian's nfs-common, nfs-utils elsewhere)
options:
  addresses:
    description:
      - The cluster's addresses. Each is an address, a range such as V(10.0.0.101-112), or a host
        name, which stands for all its addresses.
    type: list
    elements: str
    default: []
  export:
    description: What the cluster exports. Required with O(addresses).
    type: str
  base:
    description: Where the mounts are; a number from 1 on is added.
    type: str
    default: /mnt/destination
  mount_options:
    description:
      - The mount options for the cluster. V(softerr) makes an address that does not answer an
        error, which is tried again over another mount, instead of a process that hangs; V(hard) is
        for whoever wants that.
    type: str
    default: vers=3,proto=tcp,softerr,timeo=100,retrans=2
  nconnect:
    description:
      - Connections for each mount of the cluster (Linux 5.3 and later); V(0) leaves it to the
        kernel.
    type: int
    default: 0
  client:
    description:
      - The number of this ingestor, from 0 on. Each starts with another address, so that the load
        is even.
    type: int
    default: 0
  source_address:
    description: The server of the source.
    type: str
  source_export:
    description: What that server exports. Required with O(source_address).
    type: str
  source:
    description: Where the source is mounted. Required with O(source_address).
    type: path
  source_mount_options:
    description:
      - The mount options for the source; V(nocto) saves a call for each file of a tree that stands
        still.
    type: str
    default: vers=3,proto=tcp,ro,nocto
  persistent:
    description: Whether the mounts are written to C(/etc/fstab) as well.
    type: bool
    default: false
  unmount:
    description:
      - Say what has to be unmounted instead, and removed from C(/etc/fstab).
      - A mount that something uses is left alone, with a warning that names the process.
    type: bool
    default: false
  only:
    description: With O(unmount), the mount points that may be unmounted; all unless given.
    type: list
    elements: path
  timeout:
    description:
      - Seconds in which a server must answer. V(0) does not ask the servers of what is not mounted
        yet.
    type: int
    default: 5
  outcome:
    description:
      - What M(ansible.posix.mount) answered for each entry of RV(todo), as RV(ignore:results) of
        its loop.
    type: list
    elements: dict
  left_out:
    description: With O(outcome), the RV(left_out) of the first call.
    type: list
    elements: dict
    default: []
  host:
    description: The host's name for messages. Its own name unless given.
    type: str
attributes:
  check_mode:
    description: Changes nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  idempotent:
    description: What is mounted and configured already is not among what is to be done.
    support: full
"""

EXAMPLES = r"""
- name: See what has to be mounted
  scaleout.ingest.cluster_mounts:
    addresses: [10.0.0.101-103]
    export: /msazure
  register: cluster

- name: Mount it
  ansible.posix.mount:
    path: "{{ item.path }}"
    src: "{{ item.src }}"
    fstype: nfs
    opts: "{{ item.opts }}"
    state: "{{ item.state }}"
  loop: "{{ cluster.todo }}"
  register: mounting
  failed_when: false

- name: See what came of it
  scaleout.ingest.cluster_mounts:
    addresses: [10.0.0.101-103]
    export: /msazure
    outcome: "{{ mounting.results }}"
    left_out: "{{ cluster.left_out }}"
"""

RETURN = r"""
mounts:
  description: All mounts of this ingestor.
  returned: success
  type: list
  elements: dict
  sample: [{path: /mnt/destination1, src: "10.0.0.101:/msazure", opts: "vers=3,proto=tcp"}]
todo:
  description:
    - Those that M(ansible.posix.mount) has to change, with its O(ansible.posix.mount#module:state).
  returned: success
  type: list
  elements: dict
  sample:
    - path: /mnt/destination1
      src: "10.0.0.101:/msazure"
      opts: "vers=3,proto=tcp"
      state: ephemeral
left_out:
  description: The cluster's mounts that can't be used, each with its server's address and why.
  returned: success
  type: list
  elements: dict
  sample:
    - mount: /mnt/destination2
      source: "10.0.0.102:/msazure"
      address: 10.0.0.102
      message: no answer within 5 s
busy:
  description: With O(unmount), the mounts that something uses.
  returned: success
  type: list
  elements: dict
  sample: [{path: /mnt/destination1, src: "10.0.0.101:/msazure", by: bash (process 4711)}]
usable:
  description: The cluster's mounts that can be used on this host; none with O(unmount).
  returned: success
  type: list
  elements: str
  sample: [/mnt/destination1, /mnt/destination3]
"""

import socket
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts import (
    addresses,
    changes,
    removal,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.changes import State
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.left_out import LeftOut
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.wanted import WantedMounts

ARGUMENTS = {
    "addresses": {"type": "list", "elements": "str", "default": []},
    "export": {"type": "str"},
    "base": {"type": "str", "default": "/mnt/destination"},
    "mount_options": {"type": "str", "default": addresses.OPTIONS},
    "nconnect": {"type": "int", "default": 0},
    "client": {"type": "int", "default": 0},
    "source_address": {"type": "str"},
    "source_export": {"type": "str"},
    "source": {"type": "path"},
    "source_mount_options": {"type": "str", "default": addresses.SOURCE_OPTIONS},
    "persistent": {"type": "bool", "default": False},
    "unmount": {"type": "bool", "default": False},
    "only": {"type": "list", "elements": "path"},
    "timeout": {"type": "int", "default": 5},
    "outcome": {"type": "list", "elements": "dict"},
    "left_out": {"type": "list", "elements": "dict", "default": []},
    "host": {"type": "str"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_by={"addresses": ["export"], "source_address": ["source_export", "source"]},
    )
    options = module.params
    wanted = WantedMounts.from_params(options)
    try:
        state = look(wanted, options["outcome"], options["left_out"], options["host"])
        mounts = bool(state.todo) and not wanted.unmount
        if mounts and not module.get_bin_path("mount.nfs", opt_dirs=["/sbin", "/usr/sbin"]):
            raise IngestError(
                "there is no mount.nfs on this host: install nfs-common (Debian) or nfs-utils "
                "(Red Hat)"
            )
        detach(module, state)
    except IngestError as error:
        module.fail_json(msg=str(error))
    for warning in state.warnings:
        module.warn(warning)
    module.exit_json(
        changed=bool(state.stale),
        mounts=[mount._asdict() for mount in state.mounts],
        todo=state.todo,
        usable=state.usable,
        left_out=[mount._asdict() for mount in state.left_out],
        busy=state.busy,
    )


def look(wanted: WantedMounts, outcome: Any, left_out: Any, host: Any) -> State:
    """What has to change, or what came of it if there is an outcome. Raises IngestError."""
    host = host or socket.gethostname()
    if wanted.unmount:
        if outcome is None:
            return removal.needed(wanted, host)
        return removal.settled(wanted, outcome, host)
    if outcome is None:
        return changes.needed(wanted, host)
    before = [LeftOut(**{name: entry[name] for name in LeftOut._fields}) for entry in left_out]
    return changes.settled(wanted, outcome, before, host)


def detach(module: AnsibleModule, state: State) -> None:
    """Take dead mounts out of the tree; to unmount them would wait for their servers. Raises
    IngestError."""
    for mount in state.stale:
        if not module.check_mode:
            umount = module.get_bin_path("umount", required=True)
            status, dummy, why = module.run_command(
                [umount, "--lazy", "--internal-only", mount.path]
            )
            if status:
                raise IngestError(f"{mount.path} can't be detached: {why.strip()}")


if __name__ == "__main__":
    main()
