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
  - Compares what an ingestor needs, a mount for each address of a scale-out NFS cluster and one of the source, with what
    it has mounted and configured, and says what M(ansible.posix.mount) has to do about it. Changes nothing itself.
options:
  addresses:
    description:
      - The cluster's addresses. Each is an address, a range such as V(10.0.0.101-112), or a host name, which stands for
        all its addresses.
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
      - The mount options for the cluster. V(softerr) makes an address that does not answer an error, which is tried again
        over another mount, instead of a process that hangs; V(hard) is for whoever wants that.
    type: str
    default: vers=3,proto=tcp,softerr,timeo=100,retrans=2
  nconnect:
    description: Connections for each mount of the cluster (Linux 5.3 and later); V(0) leaves it to the kernel.
    type: int
    default: 0
  client:
    description: The number of this ingestor, from 0 on. Each starts with another address, so that the load is even.
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
    description: The mount options for the source; V(nocto) saves a call for each file of a tree that stands still.
    type: str
    default: vers=3,proto=tcp,ro,nocto
  persistent:
    description: Whether the mounts are written to C(/etc/fstab) as well.
    type: bool
    default: false
  unmount:
    description: Say what has to be unmounted instead.
    type: bool
    default: false
attributes:
  check_mode:
    description: Only ever looks.
    support: full
  diff_mode:
    description: Nothing changes.
    support: none
  idempotent:
    description: Nothing changes.
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
"""

RETURN = r"""
mounts:
  description: All mounts of this ingestor.
  returned: success
  type: list
  elements: dict
  sample: [{path: /mnt/destination1, src: "10.0.0.101:/msazure", opts: "vers=3,proto=tcp"}]
todo:
  description: Those that M(ansible.posix.mount) has to change, with its O(ansible.posix.mount#module:state).
  returned: success
  type: list
  elements: dict
  sample: [{path: /mnt/destination1, src: "10.0.0.101:/msazure", opts: "vers=3,proto=tcp", state: ephemeral}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils import addresses
from ansible_collections.scaleout.ingest.plugins.module_utils.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.mounting import needed

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
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_by={"addresses": ["export"], "source_address": ["source_export", "source"]},
    )
    try:
        mounts, todo = needed(module.params)
    except IngestError as error:
        module.fail_json(msg=str(error))
    if todo and not module.params["unmount"] and not module.get_bin_path("mount.nfs", opt_dirs=["/sbin", "/usr/sbin"]):
        module.fail_json(msg="there is no mount.nfs on this host: install nfs-common (Debian) or nfs-utils (Red Hat)")
    module.exit_json(changed=False, mounts=mounts, todo=todo)


if __name__ == "__main__":
    main()
