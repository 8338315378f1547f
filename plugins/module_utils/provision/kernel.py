# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the kernel's NFS client: how many calls are under way, how far it reads ahead.

Both are set now and for the next boot. Nothing else on the host is touched.
"""

from __future__ import annotations

import os
from typing import Iterable

from ..core.atomic import written
from ..core.errors import IngestError
from ..core.paths import to_text
from ..fs.mount_table import entries

SLOTS = (2, 65536)  # what net/sunrpc/xprtsock.c takes
READAHEAD = (0, 1 << 20)  # KiB
_NOTE = "# Written by scaleout.ingest.\n"
_MODPROBE = "etc/modprobe.d/scaleout-ingest.conf"
_SYSCTL = "etc/sysctl.d/90-scaleout-ingest.conf"
_UDEV = "etc/udev/rules.d/99-scaleout-ingest.rules"
_RULE = 'SUBSYSTEM=="bdi", ACTION=="add", PROGRAM="/bin/grep -qw %k /proc/fs/nfsfs/volumes", '


class Tuning:
    """Compares the host with what is wanted, and sets what differs; ``changed`` names it.

    Args:
        root: where the host's files are.
        dry: only look.
    """

    def __init__(self, root: str = "/", dry: bool = False) -> None:
        self.changed: list[str] = []
        self._root = root
        self._dry = dry

    def slots(self, initial: int | None, most: int | None) -> None:
        """RPC calls under way on one connection: the slots that it starts with, and the most that
        it may grow to. Connections that exist keep theirs, so this comes before the mounts.

        The parameters belong to the module sunrpc, which is loaded with the first mount: long after
        the host's sysctl settings are applied. So they are options of the module; only where it is
        part of the kernel are they sysctl settings.

        Raises:
            IngestError: a number is out of range, or a file can't be written.
        """
        _check("ingest_tcp_slot_table_entries", initial, SLOTS)
        _check("ingest_tcp_max_slot_table_entries", most, SLOTS)
        if initial is not None and most is not None and initial > most:
            raise IngestError(
                f"ingest_tcp_slot_table_entries: {initial} is more than "
                f"ingest_tcp_max_slot_table_entries, which is {most}"
            )
        pairs = (("tcp_slot_table_entries", initial), ("tcp_max_slot_table_entries", most))
        wanted = {name: number for name, number in pairs if number is not None}
        live = os.path.isdir(self._path("proc/sys/sunrpc"))
        if live and not self._is_module("sunrpc"):
            lines = [f"sunrpc.{name} = {number}\n" for name, number in wanted.items()]
            self._file(_SYSCTL, _NOTE + "".join(lines))
        else:
            words = [f"{name}={number}" for name, number in wanted.items()]
            self._file(_MODPROBE, _NOTE + f"options sunrpc {' '.join(words)}\n")
        if live:
            for name, number in wanted.items():
                self._kernel("proc/sys/sunrpc/" + name, number)

    def readahead(self, kib: int, points: Iterable[str]) -> None:
        """How many KiB are read ahead of a sequential reader, on every NFS mount of the host from
        the next mount on, and on the mounts at ``points`` now.

        A rule for udev says so to later mounts. That of nfs-utils, 99-nfs.rules, which asks
        nfsrahead, comes before it; nfsrahead's own configuration would not do, as RHEL 8 has it
        without nfs.conf.d.

        Raises:
            IngestError: the number is out of range, or a file can't be written.
        """
        _check("ingest_readahead", kib, READAHEAD)
        self._file(_UDEV, _NOTE + _RULE + f'ATTR{{read_ahead_kb}}="{kib}"\n')
        devices = self._devices()
        for point in points:
            device = devices.get(point.rstrip("/"))
            if device:
                self._kernel(f"sys/class/bdi/{device}/read_ahead_kb", kib)

    def _devices(self) -> dict[str, str]:
        """The device number of each NFS mount by its mount point. To stat one would hang if its
        server is dead."""
        mounts = entries(self._path("proc/self/mountinfo"))
        return {to_text(one.point): one.device for one in mounts if one.kind in ("nfs", "nfs4")}

    def _is_module(self, name: str) -> bool:
        try:
            with open(self._path("proc/modules"), encoding="ascii", errors="replace") as modules:
                return any(line.split(" ", 1)[0] == name for line in modules)
        except OSError:
            return False

    def _path(self, name: str) -> str:
        return os.path.join(self._root, name)

    def _kernel(self, name: str, number: int) -> None:
        """Write a number to the kernel, if it differs."""
        path = self._path(name)
        try:
            with open(path, encoding="ascii") as file:
                if file.read().strip() == str(number):
                    return
            self.changed.append(path)
            if not self._dry:
                with open(path, "w", encoding="ascii") as file:
                    file.write(str(number))
        except OSError as error:
            raise IngestError(f"{path} can't be set to {number}: {error.strerror}") from error

    def _file(self, name: str, text: str) -> None:
        """Make a file of ours hold ``text``."""
        path = self._path(name)
        try:
            with open(path, encoding="utf-8") as file:
                if file.read() == text:
                    return
        except FileNotFoundError:
            pass
        except OSError as error:
            raise IngestError(f"{path} can't be read: {error.strerror}") from error
        self.changed.append(path)
        if self._dry:
            return
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as error:
            raise IngestError(f"{path} can't be written: {error.strerror}") from error
        with written(path) as stream:
            stream.write(text)


def _check(name: str, number: int | None, limits: tuple[int, int]) -> None:
    if number is not None and not limits[0] <= number <= limits[1]:
        raise IngestError(f"{name}: {number} is not a number from {limits[0]} to {limits[1]}")
