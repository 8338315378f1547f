# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this controller can't do for so many hosts, said before anything runs."""

from __future__ import annotations

import resource
import shutil
from typing import Iterator, NamedTuple

from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.units import count, size

# Open files of Ansible's main process for each fork, and without any: with too few it leaves out
# hosts without a word (ansible#82471).
_FILES, _FILES_ALONE = 14, 60
_MEMORY = 20 << 20  # bytes of a fork
# Bytes of index and plan for an entry: 105 were measured with names of 13 bytes.
_DISK = 200


class Controller(NamedTuple):
    """``forks`` as given, ``files`` that a process may have open, ``memory`` that is free (bytes;
    both -1: unlimited, or not known)."""

    forks: int
    files: int
    memory: int


def this_one(forks: int) -> Controller:
    """The machine that this runs on."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return Controller(forks, -1 if files == resource.RLIM_INFINITY else files, _free_memory())


def problems(controller: Controller, hosts: int) -> Iterator[str]:
    """Why it can't serve so many hosts, a sentence each without its full stop."""
    at_once = min(controller.forks, hosts)
    files = _FILES_ALONE + _FILES * at_once
    if 0 <= controller.files < files:
        yield (
            f"The controller may have {controller.files} files open, and Ansible needs {files} to "
            f"serve {at_once} hosts at once; with fewer it leaves out hosts without a word: run "
            f"'ulimit -n {files}' before, or use fewer --forks"
        )


def warnings(controller: Controller, hosts: int) -> Iterator[str]:
    """What it does, but badly."""
    if controller.forks < hosts:
        yield (
            f"forks is {controller.forks} and the play has {hosts} hosts: they can't all copy at "
            f"once. Use --forks {hosts}"
        )
    at_once = min(controller.forks, hosts)
    if 0 <= controller.memory < at_once * _MEMORY:
        yield (
            f"the controller has {size(controller.memory)} of free memory, and {at_once} hosts at "
            f"once take about {size(at_once * _MEMORY)}"
        )


def check_room(folder: str, entries: int) -> None:
    """Raises IngestError if index and plan of so many entries have no room in a folder."""
    free, needed = shutil.disk_usage(folder).free, entries * _DISK
    if free < needed:
        raise IngestError(
            f"the run folder's file system has {size(free)} left, and index and plan of "
            f"{count(entries)} entries need about {size(needed)}: make room, or name another "
            "ingest_run_dir"
        )


def _free_memory() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return -1
