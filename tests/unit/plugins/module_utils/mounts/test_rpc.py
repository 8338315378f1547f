# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The call that does nothing, to servers on this machine."""

from __future__ import annotations

import socket
import threading

from ansible_collections.scaleout.ingest.plugins.module_utils.mounts import addresses
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.rpc import (
    Server,
    server,
    silence,
)


def test_servers_that_answer_and_one_that_does_not() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()  # the kernel takes the call, and nobody answers it
        where = Server("127.0.0.1", line.getsockname()[1])
        assert silence(where, 0.5) == "no answer within 0.5 s"
        answering = threading.Thread(
            target=lambda: [line.accept()[0].sendall(b"\x80\0\0\0") for dummy in "ab"]
        )
        answering.start()
        assert silence(where, 5.0) == ""
        answering.join(10)


def test_what_mount_options_say_of_a_server() -> None:
    def of(text: str) -> object:
        return server("a", addresses.parsed(text))

    assert of("vers=3,proto=tcp") == Server("a", 2049, 3, True)
    assert of("vers=4.1,proto=tcp6,port=2050") == Server("a", 2050, 4, False)
    assert of("vers=3,proto=udp") is None
    assert of("proto=rdma") is None
