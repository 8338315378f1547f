#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a bootstrap script from the cluster, and run it once."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: bootstrap
short_description: Run a bootstrap script that lies on the cluster
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Mounts the cluster's export read-only from the first address that can be mounted, takes the
    script from there, unmounts it, and runs the script with C(/bin/bash) as root.
  - The script finds E(BASE_DIR), E(NODE_PREFIX), E(NODE_COUNT), E(NFS_IP_CSV), E(NFS_PATH),
    E(BOOTSTRAP_NFS_IP), E(BOOTSTRAP_SCRIPT_PATH) and E(LINUX_USER) in its environment.
  - A script that has run well is not run again until it changes, or its environment other than
    E(BOOTSTRAP_NFS_IP) and E(NODE_COUNT).
requirements:
  - root on the host, and C(mount.nfs)
options:
  path:
    description: The script's path in the export, such as V(/bootstrap/bootstrap.sh).
    type: str
    required: true
  addresses:
    description:
      - The cluster's addresses in the order in which they are tried, as for
        M(scaleout.ingest.cluster_mounts).
    type: list
    elements: str
    required: true
  export:
    description: What the cluster exports; E(NFS_PATH).
    type: str
    required: true
  mount_options:
    description: The mount options; V(ro) is added.
    type: str
    default: vers=3,proto=tcp,softerr,timeo=100,retrans=2
  base_dir:
    description: Where the script is to mount the cluster, if it does; E(BASE_DIR).
    type: path
    default: /nfs
  node_prefix:
    description: What the names of all ingestors begin with; E(NODE_PREFIX).
    type: str
    default: ""
  node_count:
    description: How many ingestors there are; E(NODE_COUNT).
    type: int
    default: 1
  user:
    description: The user who works on the host; E(LINUX_USER). Who logged in, unless given.
    type: str
  environment:
    description: More variables for the script.
    type: dict
    default: {}
  log:
    description: What the script prints is added to this file, which only root may read.
    type: path
    default: /var/log/bootstrap.log
  timeout:
    description: The seconds after which the script is stopped and has failed.
    type: int
    default: 3600
  force:
    description: Whether the script runs even if it has run before.
    type: bool
    default: false
attributes:
  check_mode:
    description: Fetches the script and says whether it would run.
    support: full
  diff_mode:
    description: What a script changes is not known.
    support: none
  idempotent:
    description: A script that has run is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Run the cluster's bootstrap script
  scaleout.ingest.bootstrap:
    path: /bootstrap/bootstrap.dataingestor.sh
    addresses: [10.0.0.101-103]
    export: /msazure
    node_prefix: vm-ingestor
    node_count: 16
"""

RETURN = r"""
address:
  description: The address that the script came from.
  returned: success, when it was fetched
  type: str
  sample: 10.0.0.101
log:
  description: What the script printed is there.
  returned: success
  type: str
  sample: /var/log/bootstrap.log
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.addresses import OPTIONS
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import bootstrap

ARGUMENTS = {
    "path": {"type": "str", "required": True},
    "addresses": {"type": "list", "elements": "str", "required": True},
    "export": {"type": "str", "required": True},
    "mount_options": {"type": "str", "default": OPTIONS},
    "base_dir": {"type": "path", "default": bootstrap.BASE_DIR},
    "node_prefix": {"type": "str", "default": ""},
    "node_count": {"type": "int", "default": 1},
    "user": {"type": "str"},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "log": {"type": "path", "default": bootstrap.LOG},
    "timeout": {"type": "int", "default": bootstrap.SECONDS},
    "force": {"type": "bool", "default": False},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given = module.params
    if module.check_mode and not module.get_bin_path("mount.nfs", opt_dirs=["/sbin", "/usr/sbin"]):
        module.exit_json(changed=True, log=given["log"])
    try:
        wanted = bootstrap.Wanted(
            path=given["path"],
            addresses=given["addresses"],
            export=given["export"],
            options=given["mount_options"],
            base_dir=given["base_dir"],
            node_prefix=given["node_prefix"],
            node_count=given["node_count"],
            user=given["user"] or "",
            environment=bootstrap.texts(given["environment"]),
            log=given["log"],
            seconds=given["timeout"],
            force=given["force"],
        )
        done = bootstrap.bootstrap(wanted, dry=module.check_mode)
    except IngestError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=done.ran, address=done.address, log=given["log"])


if __name__ == "__main__":
    main()
