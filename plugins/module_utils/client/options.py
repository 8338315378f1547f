# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of the copying modules as records that nobody changes."""

from __future__ import annotations

import socket
from typing import Any, Mapping, NamedTuple

from ..core.errors import IngestError
from ..core.units import rate
from ..core.windows import Budget, file_rate


class RsyncOptions(NamedTuple):
    """What the methods with rsync take besides."""

    method: str  # rsync or msrsync
    options: tuple[str, ...] = ()
    bucket_files: int = 0  # 0: as the method has it
    bucket_bytes: int = 0
    verify: str = "metadata"  # the second phase: none, metadata or checksum
    host: str = ""  # for messages

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> RsyncOptions:
        """Of the parameters of the module parallel_rsync."""
        return cls(
            params["method"],
            tuple(params["rsync_options"]),
            params["bucket_files"],
            params["bucket_bytes"],
            params["_verify"] if params["verify"] == "plan" else params["verify"],
            params["_host"] or socket.gethostname(),
        )


class CopyOptions(NamedTuple):
    """What a client is to do, and how."""

    work: str  # the folder that the controller made
    source: str
    destinations: tuple[str, ...]
    preserve: tuple[str, ...]
    verify: str
    workers: str
    budget: Budget  # of this host, at first
    fsync: bool
    repair: bool
    lease: float  # seconds
    stall_timeout: float  # seconds
    destination_lock: bool
    run: str  # its name in the destination's lock, and this host's
    entry: str
    host: str
    run_dir: str
    rsync: RsyncOptions | None  # None: the engine copies
    selection: Mapping[str, Any] | None = None  # what the scan took, as its index says
    compared: bool = False  # whether the plan holds only what is missing or different
    verify_all: bool = False
    retries: int = 0
    grows: Mapping[str, Any] | None = None  # how the source is scanned meanwhile

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> CopyOptions:
        """Of a module's parameters. Raises IngestError."""
        if not params["_work"]:
            raise IngestError("this module works only through its action plugin")
        return cls(
            work=params["_work"],
            source=params["source"],
            destinations=tuple(params["destinations"]),
            preserve=tuple(params["preserve"]),
            verify=params["_verify"],
            workers=params["workers"],
            budget=Budget(
                rate(params["bandwidth_limit"]),
                file_rate(params["file_rate_limit"]),
                bool(params["_paused"]),
            ),
            fsync=params["fsync"],
            repair=params["repair"],
            lease=float(params["lease"]),
            stall_timeout=float(params["stall_timeout"]),
            destination_lock=params["destination_lock"],
            run=params["_run"],
            entry=params["_entry"],
            host=params["_host"],
            run_dir=params["run_dir"],
            rsync=RsyncOptions.from_params(params) if "method" in params else None,
            selection=params.get("_selection"),
            compared=bool(params.get("_compared")),
            verify_all=bool(params["_verify_all"]),
            retries=params["retries"],
            grows=params.get("_grows"),
        )
