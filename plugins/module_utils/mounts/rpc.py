# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file server answers: the call of NFS that does nothing."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from typing import NamedTuple

ANSWER = 5.0  # seconds in which a server answers a call that does nothing
_NFS, _PORT, _RPCBIND = 100003, 2049, 111


class Server(NamedTuple):
    """An NFS server over TCP. ``guess``: its port may be another, which its rpcbind knows."""

    address: str
    port: int = _PORT
    version: int = 3
    guess: bool = False


def server(address: str, options: dict[str, str]) -> Server | None:
    """The server that mount options speak of; None if it is not reached over TCP."""
    if not options.get("proto", "tcp").startswith("tcp"):
        return None
    version = options.get("vers", options.get("nfsvers", "3")).partition(".")[0]
    port = options.get("port", "0")
    return Server(
        address,
        int(port) if port.isdigit() and int(port) else _PORT,
        int(version) if version.isdigit() else 3,
        version == "3" and "port" not in options,
    )


def silence(where: Server, seconds: float = ANSWER) -> str:
    """Why a server does not answer the call that does nothing (RFC 5531, procedure 0), or ""."""
    end = time.monotonic() + seconds
    while True:
        try:
            _call(where, max(0.1, end - time.monotonic()))
            return ""
        except socket.gaierror as error:
            return f"its name can't be resolved: {error.strerror}"
        except OSError as error:
            why = error
        if (
            isinstance(why, ConnectionRefusedError)
            and where.guess
            and _listens(where.address, _RPCBIND)
        ):
            return ""
        left = end - time.monotonic()
        if left < 0.5 or isinstance(why, socket.timeout):
            break
        time.sleep(0.5)  # a server that starts again refuses for a moment
    if isinstance(why, socket.timeout) or why.errno == errno.ETIMEDOUT:
        return f"no answer within {seconds:g} s"
    return why.strerror or str(why)


def _call(where: Server, seconds: float) -> None:
    """Raises OSError, socket.timeout among them, unless something comes back."""
    call = struct.pack(
        ">10I", int.from_bytes(os.urandom(4), "big"), 0, 2, _NFS, where.version, 0, 0, 0, 0, 0
    )
    with socket.create_connection((where.address, where.port), seconds) as line:
        line.sendall(struct.pack(">I", 1 << 31 | len(call)) + call)
        # Even a server that does not like the call is one that lives.
        line.recv(4)


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 1.0).close()
    except OSError:
        return False
    return True
