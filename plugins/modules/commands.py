#!/usr/bin/python
# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the collection's commands."""

from __future__ import annotations

DOCUMENTATION = r"""
module: commands
short_description: Install the commands parallelcp, prime, msrsync and ingest-find
version_added: 0.1.0
author:
  - scaleout.ingest contributors (!UNKNOWN)
description:
  - Installs commands that run on the collection's own engine, each as one executable file that
    needs nothing but Python 3.8 or newer.
options:
  folder:
    description: Where the commands go. It must exist.
    type: path
    default: /usr/local/bin
  names:
    description: Which commands.
    type: list
    elements: str
    choices: [parallelcp, prime, msrsync, ingest-find]
    default: [parallelcp, prime, msrsync, ingest-find]
  state:
    description: Whether they are to be there.
    type: str
    choices: [present, absent]
    default: present
  interpreter:
    description: The Python that runs them. The one that Ansible uses on the host unless given.
    type: path
attributes:
  check_mode:
    description: Says what it would do.
    support: full
  diff_mode:
    description: The files hold compiled code, so there is nothing to read.
    support: none
  idempotent:
    description: A command that is up to date is left alone.
    support: full
"""

EXAMPLES = r"""
- name: Install all of them
  scaleout.ingest.commands:
    folder: /usr/local/bin
"""

RETURN = r"""
paths:
  description: The commands' files.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/parallelcp, /usr/local/bin/prime]
"""

import os
import sys
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError

# The commands are not used here, but must travel to the host to be installed.
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import (  # noqa: F401
    executables,
    ingest_find,
    msrsync,
    parallelcp,
    prime,
)

ARGUMENTS = {
    "folder": {"type": "path", "default": "/usr/local/bin"},
    "names": {
        "type": "list",
        "elements": "str",
        "choices": list(executables.COMMANDS),
        "default": list(executables.COMMANDS),
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "interpreter": {"type": "path"},
}


def install(module: AnsibleModule, path: str, data: bytes) -> bool:
    """Make the file what it is to be. Returns whether it changed. Raises OSError."""
    try:
        with open(path, "rb") as stream:
            same = stream.read() == data and os.stat(path).st_mode & 0o777 == 0o755
    except FileNotFoundError:
        same = False
    if same or module.check_mode:
        return not same
    handle, part = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    os.chmod(part, 0o755)
    module.atomic_move(part, path)
    os.chmod(path, 0o755)
    return True


def remove(module: AnsibleModule, path: str) -> bool:
    """Take the file away. Returns whether it was there. Raises OSError."""
    if not os.path.lexists(path):
        return False
    if not module.check_mode:
        os.unlink(path)
    return True


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    options = module.params
    paths = [os.path.join(options["folder"], name) for name in options["names"]]
    changed = False
    try:
        if not os.path.isdir(options["folder"]):
            raise IngestError(f"folder: '{options['folder']}' is not a directory")
        for name, path in zip(options["names"], paths):
            if options["state"] == "absent":
                changed |= remove(module, path)
            else:
                data = executables.build(name, options["interpreter"] or sys.executable)
                changed |= install(module, path, data)
    except IngestError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or options['folder']}: {error.strerror}")
    module.exit_json(changed=changed, paths=paths)


if __name__ == "__main__":
    main()
