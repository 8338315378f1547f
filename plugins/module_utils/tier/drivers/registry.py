# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers by name: a new one is a file and a line here."""

from __future__ import annotations

from ...core.errors import IngestError
from .base import Driver, Job
from .beegfs import BeegfsNative, BeegfsPlacement
from .ceph import Ceph
from .lustre import LustreNative, LustrePlacement
from .stub import Stub
from .union import Union

DRIVERS: dict[str, type[Driver]] = {
    "union": Union,
    "beegfs": BeegfsPlacement,
    "beegfs_native": BeegfsNative,
    "lustre": LustrePlacement,
    "lustre_native": LustreNative,
    "ceph": Ceph,
    "stub": Stub,
}


def driver_of(name: str, job: Job) -> Driver:
    """The driver of that name. Raises IngestError."""
    try:
        found = DRIVERS[name]
    except KeyError:
        raise IngestError(f"driver: {name} is none of {', '.join(DRIVERS)}") from None
    return found(job)
