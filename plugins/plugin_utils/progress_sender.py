# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What any process of a run says to the progress callback: one datagram, sent and forgotten."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import Any

VARIABLE = "SCALEOUT_INGEST_PROGRESS"


class _Sender:
    """The socket, kept open between calls; a forked process makes its own."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._process = 0

    def send(self, data: bytes, address: str) -> None:
        if self._socket is None or self._process != os.getpid():
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
            self._process = os.getpid()
        self._socket.sendto(data, address)


_sender = _Sender()


def heard() -> bool:
    """Whether there is a progress callback."""
    return bool(os.environ.get(VARIABLE))


def send(**fields: Any) -> None:
    """Tell the progress callback, if there is one, how far a host is. About once a second will do.

    Never raises and never blocks: a message that can't be delivered at once is dropped.

    Fields, all optional but the first two: ``stage`` (``scan``, ``copy``), ``host``, ``state``
    (``running``, ``waiting``, ``done``, ``dead``), of this host so far ``files``, ``bytes`` and
    ``failed``, and ``retrying``, what waits to be tried again; its planned share ``total_files``,
    ``total_bytes``, and how much of that is dealt with, copied now or up to date, ``done_files``,
    ``done_bytes``.
    """
    address = os.environ.get(VARIABLE)
    if not address:
        return
    with contextlib.suppress(OSError, TypeError, ValueError):
        _sender.send(json.dumps(fields).encode(), address)
