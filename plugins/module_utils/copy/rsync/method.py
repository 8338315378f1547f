# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host can do what the methods rsync and msrsync ask for."""

from __future__ import annotations

import socket
from typing import Any

from ...core.errors import IngestError
from ...core.vocabulary import METHODS
from .options import accepted_options, command, find_rsync, try_options


def check_rsync(host: str, preserve: frozenset[str], options: list[str]) -> list[str]:
    """The command for this host, tried for both phases.

    Raises:
        IngestError: rsync is missing or too old, or an option is refused; the host is named.
    """
    installed = find_rsync(host)
    made = command(installed, preserve, accepted_options(options))
    try_options(installed, [*made, "--inplace"], host)
    try_options(installed, made, host)
    return made


def check_method(options: dict[str, Any]) -> None:
    """Whether the host can do what ``method`` asks for, with ``rsync_options``; writes nothing.

    Raises IngestError, as :func:`check_rsync`, and for another method.
    """
    method = options["method"]
    if method not in METHODS:
        raise IngestError(f"ingest_method: '{method}' is not one of {', '.join(METHODS)}")
    if method != "copy":
        host = options["host"] or socket.gethostname()
        wanted = [*options["rsync_options"], *(["--fsync"] if options["fsync"] else [])]
        check_rsync(host, frozenset(options["preserve"]), wanted)
