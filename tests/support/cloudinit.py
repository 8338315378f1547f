# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of cloud-init's user data, out of Debian's package cloud-init, which is not installed.

Usage: cloudinit.py FOLDER (which gets schema.json)
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import tempfile

_SCHEMA = "usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json"


def schema(folder: str) -> str | None:
    """The path of the schema in ``folder``, fetched if it isn't there; None if that can't be."""
    path = os.path.join(folder, "schema.json")
    if os.path.exists(path):
        return path
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None
    with tempfile.TemporaryDirectory() as work:
        for name in ("lists/partial", "cache/archives/partial", "root"):
            os.makedirs(os.path.join(work, name))
        # Lists of its own: the machine's may be missing or old, and only root may renew them.
        apt = [
            "apt-get",
            "-q",
            "-o",
            f"Dir::State::lists={work}/lists",
            "-o",
            f"Dir::Cache={work}/cache",
        ]
        apt += ["-o", "APT::Sandbox::User="]
        for command in ([*apt, "update"], [*apt, "download", "cloud-init"]):
            done = subprocess.run(
                command,
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if done.returncode:
                return None
        package = glob.glob(work + "/cloud-init_*.deb")[0]
        subprocess.run(["dpkg-deb", "-x", package, work + "/root"], check=True)
        os.makedirs(folder, exist_ok=True)
        shutil.copy(os.path.join(work, "root", _SCHEMA), path + ".part")
        os.replace(path + ".part", path)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(0 if schema(sys.argv[1]) else "Debian's package cloud-init can't be fetched")
