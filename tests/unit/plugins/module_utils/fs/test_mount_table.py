# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's list of mounts, and the configured ones."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.scaleout.ingest.plugins.module_utils.fs.mount_table import (
    entries,
    file_system,
    fstab,
    holding,
    host_of,
    origin,
)


def test_what_this_machine_has(tmp_path: Path) -> None:
    entry = holding(b"/proc/self")
    assert entry is not None and (entry.point, entry.kind) == (b"/proc", "proc")
    assert (
        entry.device == f"{os.major(os.stat('/proc').st_dev)}:{os.minor(os.stat('/proc').st_dev)}"
    )
    assert origin(b"/proc/self", True) == ("", "")
    (tmp_path / "link").symlink_to("/proc/self")
    assert file_system(bytes(tmp_path / "link")) == "proc"


def test_odd_names_and_optional_fields(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_bytes(
        b"36 25 0:31 / /mnt/a\\040b\\012c ro shared:1 master:2 "
        b"- nfs 10.0.0.9:/s\\040t ro,addr=10.0.0.9\n"
        b"37 25 0:32 / / rw - overlay none rw\n"
    )
    first, second = entries(str(table))
    assert first == (b"/mnt/a b\nc", "10.0.0.9:/s t", "nfs", {"ro": "", "addr": "10.0.0.9"}, "0:31")
    assert (second.point, second.kind) == (b"/", "overlay")


def test_the_server_of_a_source() -> None:
    assert host_of("10.0.0.1:/e") == "10.0.0.1"
    assert host_of("[fd00::1]:/e") == "fd00::1"
    assert host_of("tmpfs") == ""


def test_fstab(tmp_path: os.PathLike) -> None:
    path = os.path.join(tmp_path, "fstab")
    with open(path, "w", encoding="utf-8") as file:
        file.write("# comment\n10.0.0.1:/e /mnt/a\\040b nfs ro 0 0\n\nbroken\n")
    assert fstab(path) == {"/mnt/a b": ("10.0.0.1:/e", "nfs", "ro")}
    assert fstab(path + "x") == {}
