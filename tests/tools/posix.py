# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection ansible.posix for this checkout, out of PyPI's package `ansible`: no Galaxy
needed.

Usage: posix.py FOLDER (which gets ansible_collections/ansible/posix)
"""

from __future__ import annotations

import glob
import os
import subprocess
import sys
import tempfile
import zipfile

WANTED = "ansible_collections/ansible/posix/"


def add_posix(folder: str) -> bool:
    """Whether the collection is in ``folder`` now."""
    if os.path.exists(os.path.join(folder, WANTED, "MANIFEST.json")):
        return True
    with tempfile.TemporaryDirectory() as work:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
        ]
        command += ["--no-deps", "--only-binary", ":all:", "--dest", work, "ansible"]
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            return False
        with zipfile.ZipFile(glob.glob(work + "/ansible-*.whl")[0]) as wheel:
            wheel.extractall(folder, [name for name in wheel.namelist() if name.startswith(WANTED)])
    return True


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(0 if add_posix(sys.argv[1]) else "ansible.posix can't be fetched from PyPI")
