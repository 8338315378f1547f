# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be mounted on this host, as a user says it, and the mounts that this means."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Dict, Mapping, NamedTuple, Sequence, Tuple

from ..core.errors import IngestError
from . import addresses
from .addresses import OPTIONS, SOURCE_OPTIONS, Mount

Fstab = Dict[str, Tuple[str, str, str]]
# Their kernel 4.18 has nconnect and softerr since 8.3.
_RED_HAT_8 = re.compile(r"4\.18\.0-(\d+)\..*el8")


class WantedMounts(NamedTuple):
    """The module's options of these names. ``client`` is this host's number, from 0; ``timeout``
    the seconds in which a server must answer (0: servers of what is not mounted are not asked)."""

    addresses: Sequence[str] = ()
    export: str = ""
    base: str = "/mnt/destination"
    mount_options: str = OPTIONS
    nconnect: int = 0
    client: int = 0
    source_address: str = ""
    source_export: str = ""
    source: str = ""
    source_mount_options: str = SOURCE_OPTIONS
    persistent: bool = False
    unmount: bool = False
    only: Sequence[str] | None = None  # mount points that may be unmounted, None: all
    timeout: float = 5.0

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> WantedMounts:
        """Of a module's parameters; what is None or missing has its default."""
        given = {name: params[name] for name in cls._fields if params.get(name) is not None}
        return cls(**given)

    def for_kernel(self, release: str) -> tuple[WantedMounts, list[str]]:
        """Without what the NFS client of a kernel does not know, and the warnings about it."""
        wanted, warnings = self, []
        if self.nconnect and not knows(release, (5, 3)):
            warnings.append(f"Linux {release} has no nconnect: the mounts have one connection each")
            wanted = wanted._replace(nconnect=0)
        words = self.mount_options.split(",")
        if "softerr" in words and not knows(release, (5, 2)):
            warnings.append(f"Linux {release} has no softerr: soft is used instead")
            soft = ["soft" if word == "softerr" else word for word in words]
            wanted = wanted._replace(mount_options=",".join(soft))
        return wanted, warnings

    def mounts(
        self, now: dict[str, str] | None = None, configured: Fstab | None = None
    ) -> list[Mount]:
        """The source, if there is one, and then the cluster's. What is mounted ``now`` (source by
        mount point) or ``configured`` in /etc/fstab stays where it is; None: by the options alone.

        Raises:
            IngestError: an address means nothing, or something else is mounted or configured on
                a path.
        """
        found = [self._source_mount(now, configured or {})] if self.source_address else []
        if not self.addresses:
            return found
        meant = addresses.expand(self.addresses)
        there = None if now is None else self._placed(meant, now, configured or {})
        return found + addresses.cluster_mounts(
            meant, self.export, self.base, self.mount_options, self.client, self.nconnect, there
        )

    def _source_mount(self, now: dict[str, str] | None, configured: Fstab) -> Mount:
        address = self.source_address.strip().strip("[]")
        mount = Mount(
            self.source.rstrip("/") or "/",
            addresses.server(address, self.source_export),
            addresses.options(self.source_mount_options, address),
        )
        if now is not None:
            kept = configured.get(mount.path, (mount.src,))[0]
            for there, how in (
                (now.get(mount.path, mount.src), "mounted"),
                (kept, "in /etc/fstab"),
            ):
                if there != mount.src:
                    raise IngestError(
                        f"ingest_source: {mount.path} has {there} {how}, not {mount.src}"
                    )
        return mount

    def _placed(self, meant: list[str], now: dict[str, str], configured: Fstab) -> dict[str, str]:
        """What is at the mount points: mounted, or configured to be."""
        there = dict(now)
        points = addresses.paths(self.base, len(meant))
        left = Counter(addresses.server(address, self.export) for address in meant)
        left.subtract(now[point] for point in points if point in now)
        for point in points:
            if point in now or point not in configured:
                continue
            source = configured[point][0]
            if source not in left:
                raise IngestError(
                    f"ingest_mount_base: /etc/fstab has {source} for {point}, which is not among "
                    "what is to be mounted: remove it or choose another ingest_mount_base"
                )
            if left[source] > 0:
                left[source] -= 1
                there[point] = source
        return there


def knows(release: str, since: tuple[int, int]) -> bool:
    """Whether the NFS client of a kernel has what came with version ``since``."""
    number = re.match(r"(\d+)\.(\d+)", release)
    backported = _RED_HAT_8.match(release)
    if backported and int(backported.group(1)) >= 240:
        return True
    return number is None or (int(number.group(1)), int(number.group(2))) >= since
