# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trees that are copied, from Debian's packages: the sources of Linux 6.1 and of glibc."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from typing import Iterator

ARCHIVE = "/usr/src/linux-source-6.1.tar.xz"
NAME = "linux-source-6.1"
GLIBC = "/usr/src/glibc/glibc-*.tar.xz"


def linux_tree(folder: str) -> str:
    """The tree in ``folder``, unpacked if it is not there yet. Exits if it can't be had."""
    tree = os.path.join(folder, NAME)
    if os.path.isdir(tree):
        return tree
    if not os.path.isfile(ARCHIVE):
        if os.geteuid() or not shutil.which("apt-get"):
            sys.exit(f"make bench: {ARCHIVE} is missing: apt-get install linux-source-6.1")
        subprocess.run(
            ["apt-get", "install", "-y", "--no-install-recommends", "linux-source-6.1"], check=True
        )
    print(f"unpacking {ARCHIVE} into {folder} (once)", flush=True)
    part = os.path.join(folder, ".unpacking-%d" % os.getpid())
    os.makedirs(part)
    subprocess.run(["tar", "-C", part, "-xJf", ARCHIVE], check=True)
    os.rename(os.path.join(part, NAME), tree)
    os.rmdir(part)
    return tree


def glibc_tree(folder: str, files: int = 0) -> str:
    """glibc's source, unpacked in ``folder`` if it is not there yet; with ``files`` only its first
    so many entries in the order of their names. Exits if it can't be had."""
    archives = glob.glob(GLIBC)
    if not archives:
        sys.exit(f"make bench: {GLIBC} is missing: apt-get install glibc-source")
    name = os.path.basename(archives[0])[: -len(".tar.xz")]
    tree = os.path.join(folder, "%s-first-%d" % (name, files) if files else name)
    if os.path.isdir(tree):
        return tree
    os.makedirs(folder, exist_ok=True)
    part = tempfile.mkdtemp(prefix=".unpacking-", dir=folder)
    with tarfile.open(archives[0]) as archive:
        members = sorted(archive.getmembers(), key=lambda member: member.name)
        if files:
            taken = [member for member in members if not member.isdir()][:files]
            parents = {parent for member in taken for parent in _above(member.name)}
            members = [
                member for member in members if member.isdir() and member.name in parents
            ] + taken
        archive.extractall(part, members)
    os.rename(os.path.join(part, name), tree)
    os.rmdir(part)
    return tree


def _above(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name
