# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs mount and umount: the kernel needs mount.nfs to ask the server."""

from __future__ import annotations

import os
import subprocess

_SECONDS = 150  # mount.nfs itself tries for two minutes
_FOLDERS = ":/usr/sbin:/sbin"  # where a first boot, or sudo, may not look


def mount(source: str, point: str, options: str) -> str:
    """Mount an NFS export. Returns why that failed, in mount's own lines, or ""."""
    status, said = _run(["mount", "-t", "nfs", "-o", options, source, point])
    return "" if status == 0 else said or f"mount ended with status {status}"


def unmount(point: str) -> None:
    """Unmount, lazily if need be: the server may have died meanwhile."""
    if _run(["umount", point])[0]:
        _run(["umount", "-l", point])


def _run(command: list[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=_SECONDS,
            env=dict(os.environ, PATH=os.environ.get("PATH", "") + _FOLDERS, LC_ALL="C"),
        )
    except subprocess.TimeoutExpired:
        return 124, f"{command[0]} did not end in {_SECONDS} s"
    except OSError as error:
        return 127, f"{command[0]} can't be run on this host: {error.strerror}"
    return done.returncode, done.stdout.decode("utf-8", "backslashreplace").strip()
