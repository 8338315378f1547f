# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be mounted or unmounted on this host."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from . import addresses
from .addresses import Mount
from .errors import IngestError
from .mounts import fstab, mounted

Fstab = Dict[str, Tuple[str, str, str]]


def needed(wanted: Dict[str, Any]) -> Tuple[List[Dict[str, str]], List[Dict[str, str]]]:
    """All mounts, and those to change with their new ``state``, for the module's options.

    Raises:
        IngestError: an address means nothing, or something else is mounted on a path.
    """
    now, configured = mounted(), fstab()
    if wanted["unmount"]:
        return [], _unmount(wanted, now, configured)
    todo: List[Dict[str, str]] = []
    mounts = _all(wanted, now)
    for mount in mounts:
        known = configured.get(mount.path)
        if wanted["persistent"]:
            done = mount.path in now and known is not None and known[0] == mount.src and known[2] == mount.opts
        else:
            done = mount.path in now
        if not done:
            todo.append(dict(mount._asdict(), state="mounted" if wanted["persistent"] else "ephemeral"))
    return [dict(mount._asdict()) for mount in mounts], todo


def _all(wanted: Dict[str, Any], now: Optional[Dict[str, str]]) -> List[Mount]:
    found: List[Mount] = []
    if wanted["source_address"]:
        address, path = wanted["source_address"].strip().strip("[]"), wanted["source"].rstrip("/")
        mount = Mount(
            path, addresses.server(address, wanted["source_export"]),
            addresses.options(wanted["source_mount_options"], address),
        )
        if now is not None and now.get(path, mount.src) != mount.src:
            raise IngestError("ingest_source: %s has %s mounted, not %s" % (path, now[path], mount.src))
        found.append(mount)
    if wanted["addresses"]:
        found += addresses.cluster_mounts(
            addresses.expand(wanted["addresses"]), wanted["export"], wanted["base"], wanted["mount_options"],
            wanted["client"], wanted["nconnect"], now,
        )
    return found


def _unmount(wanted: Dict[str, Any], now: Dict[str, str], configured: Fstab) -> List[Dict[str, str]]:
    """Only what is ours: what we would mount, where we would mount it."""
    mounts = _all(wanted, None)
    sources = {mount.path: {mount.src} for mount in mounts if wanted["source_address"] and mount is mounts[0]}
    cluster = {mount.src for mount in mounts if mount.path not in sources}
    todo = []
    for mount in mounts:
        ours = sources.get(mount.path, cluster)
        here = now.get(mount.path) in ours
        kept = configured.get(mount.path, ("", "", ""))[0] in ours
        if here or kept:
            todo.append(dict(mount._asdict(), state="absent" if kept else "unmounted"))
    return todo
