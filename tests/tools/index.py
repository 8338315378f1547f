# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make index` runs: playbooks/index.yml on this machine.

SRC, INDEX and ARGS come in the environment, so that no name is ever quoted.
"""

from __future__ import annotations

import json
import os
import shlex
import sys

from ingest import ROOT, caller_directory, variable


def main() -> None:
    """Replace this process by ansible-playbook."""
    environ = dict(os.environ)
    here = caller_directory(environ)
    variables = {}
    for name, option in (("SRC", "index_source"), ("INDEX", "index_dir")):
        if not environ.get(name):
            sys.exit(f"make index: no {name} given: make index SRC=dir INDEX=dir")
        variables[option] = variable(os.path.join(here, environ[name]))
    environ["ANSIBLE_CONFIG"] = os.path.join(ROOT, "ansible.cfg")
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,"]
    command += ["-e", json.dumps(variables), *shlex.split(environ.get("ARGS", ""))]
    os.execve(sys.executable, [*command, os.path.join(ROOT, "playbooks", "index.yml")], environ)


if __name__ == "__main__":
    main()
