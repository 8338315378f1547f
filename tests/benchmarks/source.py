# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree that is copied: Linux 6.1's source, from Debian's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

ARCHIVE = "/usr/src/linux-source-6.1.tar.xz"
NAME = "linux-source-6.1"


def linux_tree(folder: str) -> str:
    """The tree in ``folder``, unpacked if it is not there yet. Exits if it can't be had."""
    tree = os.path.join(folder, NAME)
    if os.path.isdir(tree):
        return tree
    if not os.path.isfile(ARCHIVE):
        if os.geteuid() or not shutil.which("apt-get"):
            sys.exit("make bench: %s is missing: apt-get install linux-source-6.1" % ARCHIVE)
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", "linux-source-6.1"], check=True)
    print("unpacking %s into %s (once)" % (ARCHIVE, folder), flush=True)
    part = os.path.join(folder, ".unpacking-%d" % os.getpid())
    os.makedirs(part)
    subprocess.run(["tar", "-C", part, "-xJf", ARCHIVE], check=True)
    os.rename(os.path.join(part, NAME), tree)
    os.rmdir(part)
    return tree
