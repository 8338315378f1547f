# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings, on a host's files; the lab sets those of a real kernel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.provision.kernel import _UDEV, Tuning

MOUNTS = (
    "36 25 0:31 / /mnt/source ro,relatime - nfs 10.0.0.9:/s ro,vers=3\n"
    "37 25 0:32 / /mnt/with\\040space rw - nfs4 10.0.0.1:/c rw\n"
    "38 25 0:33 / /mnt/other rw - tmpfs tmpfs rw\n"
)


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    """A host that has the module sunrpc loaded, and two NFS mounts."""
    for name, text in {
        "proc/modules": "sunrpc 700416 10 nfs,lockd, Live 0x0\n",
        "proc/self/mountinfo": MOUNTS,
        "proc/sys/sunrpc/tcp_slot_table_entries": "2\n",
        "proc/sys/sunrpc/tcp_max_slot_table_entries": "65536\n",
        "sys/class/bdi/0:31/read_ahead_kb": "128\n",
        "sys/class/bdi/0:32/read_ahead_kb": "128\n",
        "sys/class/bdi/0:33/read_ahead_kb": "128\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return tmp_path


def slots(root: Path, *numbers: Any) -> Any:
    tuning = Tuning(str(root))
    tuning.slots(*numbers)
    return [path.replace(str(root) + "/", "") for path in tuning.changed]


def test_slots_of_a_module_are_its_options(root: Path) -> None:
    assert slots(root, 128, None) == [
        "etc/modprobe.d/scaleout-ingest.conf",
        "proc/sys/sunrpc/tcp_slot_table_entries",
    ]
    text = (root / "etc/modprobe.d/scaleout-ingest.conf").read_text(encoding="ascii")
    assert text.splitlines()[-1] == "options sunrpc tcp_slot_table_entries=128"
    assert (root / "proc/sys/sunrpc/tcp_slot_table_entries").read_text(encoding="ascii") == "128"
    assert (root / "proc/sys/sunrpc/tcp_max_slot_table_entries").read_text(
        encoding="ascii"
    ) == "65536\n"
    assert slots(root, 128, None) == []


def test_slots_before_the_module_is_loaded(tmp_path: Path) -> None:
    assert slots(tmp_path, 16, 128) == ["etc/modprobe.d/scaleout-ingest.conf"]
    text = (tmp_path / "etc/modprobe.d/scaleout-ingest.conf").read_text(encoding="ascii")
    assert (
        text.splitlines()[-1]
        == "options sunrpc tcp_slot_table_entries=16 tcp_max_slot_table_entries=128"
    )


def test_slots_of_a_kernel_without_modules_are_sysctl_settings(root: Path) -> None:
    (root / "proc/modules").write_text("", encoding="ascii")
    assert slots(root, None, 128)[0] == "etc/sysctl.d/90-scaleout-ingest.conf"
    text = (root / "etc/sysctl.d/90-scaleout-ingest.conf").read_text(encoding="ascii")
    assert text.splitlines()[-1] == "sunrpc.tcp_max_slot_table_entries = 128"
    assert not (root / "etc/modprobe.d").exists()


@pytest.mark.parametrize("numbers", [(1, None), (None, 65537), (128, 64)])
def test_slots_out_of_range(root: Path, numbers: Any) -> None:
    with pytest.raises(IngestError, match=r"^ingest_tcp_(max_)?slot_table_entries: \d+ is "):
        slots(root, *numbers)
    assert not (root / "etc").exists()


def readahead(root: Path, dry: bool = False) -> Any:
    tuning = Tuning(str(root), dry)
    tuning.readahead(15360, ["/mnt/source", "/mnt/with space", "/mnt/other", "/mnt/missing"])
    return [path.replace(str(root) + "/", "") for path in tuning.changed]


def test_readahead(root: Path) -> None:
    live = ["sys/class/bdi/0:31/read_ahead_kb", "sys/class/bdi/0:32/read_ahead_kb"]
    assert readahead(root, dry=True) == ["etc/udev/rules.d/99-scaleout-ingest.rules", *live]
    assert not (root / "etc").exists()
    assert readahead(root) == ["etc/udev/rules.d/99-scaleout-ingest.rules", *live]
    assert (root / live[0]).read_text(encoding="ascii") == "15360"
    assert (root / "sys/class/bdi/0:33/read_ahead_kb").read_text(encoding="ascii") == "128\n"
    rule = (
        (root / "etc/udev/rules.d/99-scaleout-ingest.rules")
        .read_text(encoding="ascii")
        .splitlines()[-1]
    )
    assert rule.startswith(
        'SUBSYSTEM=="bdi", ACTION=="add", PROGRAM="/bin/grep -qw %k /proc/fs/nfsfs/volumes"'
    )
    assert rule.endswith('ATTR{read_ahead_kb}="15360"')
    assert readahead(root) == []


def test_readahead_comes_after_nfsrahead() -> None:
    """udev reads the rules of all folders by the order of their names; the last one stays."""
    assert os.path.basename(_UDEV) > "99-nfs.rules"


def test_readahead_out_of_range(root: Path) -> None:
    with pytest.raises(
        IngestError, match="^ingest_readahead: -1 is not a number from 0 to 1048576"
    ):
        Tuning(str(root)).readahead(-1, [])
