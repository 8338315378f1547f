# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A long job of a module: goes on in a process of its own when the module has answered.

Unlike Ansible's async it needs no further module call to look at it and no temporary file that
another user must read, so it works with pipelining for every become user.
"""

from __future__ import annotations

import json
import os
import select
import time
import traceback
from typing import Any, Callable

from .errors import IngestError

LEASE = 120.0  # s: a job that nobody has asked about for so long ends


class Abandoned(IngestError):
    """Nobody asks for the job any more."""


class Status:
    """The file that tells how a job is doing, and the lease that keeps it alive."""

    def __init__(self, folder: str) -> None:
        self.file = os.path.join(folder, "status.json")
        self.lease = os.path.join(folder, "lease")

    def write(self, state: str, **fields: Any) -> None:
        """Write ``{"state": …}`` so that a reader never sees half of it. Raises OSError."""
        part = self.file + ".part"
        with open(part, "w", encoding="ascii") as stream:
            json.dump({"state": state, "time": time.time(), **fields}, stream)
        os.replace(part, self.file)

    def check_lease(self) -> None:
        """Raises Abandoned if nobody has touched the lease for a while, or it is gone."""
        try:
            age = time.time() - os.stat(self.lease).st_mtime
        except FileNotFoundError:
            age = LEASE * 2
        if age > LEASE:
            raise Abandoned("the controller has not asked for %d s: given up" % LEASE)

    def renew(self) -> None:
        """Touch the lease. Raises OSError."""
        os.close(os.open(self.lease, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.utime(self.lease)


def detach(job: Callable[[], dict[str, Any]], status: Status, wait: float) -> dict[str, Any]:
    """Run ``job`` in a process that outlives this one, and wait ``wait`` seconds for it.

    Returns what the status file holds: ``state`` is ``running``, ``done`` (with the job's
    ``result``) or ``failed`` (with ``msg``); and its ``pid``. Raises OSError if the process can't be started.
    """
    status.renew()
    status.write("running")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(job, status)  # does not return; the pipe closes with the process
    os.close(writer)
    done = select.poll()  # not select(), which knows no descriptor above 1,023
    done.register(reader, select.POLLIN)
    done.poll(wait * 1000)
    os.close(reader)
    with open(status.file, encoding="ascii") as stream:
        return {**json.load(stream), "pid": pid}


def _child(job: Callable[[], dict[str, Any]], status: Status) -> None:
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):  # or the connection would wait for this process
            os.dup2(null, descriptor)
        try:
            status.write("done", result=job())
        except IngestError as error:
            status.write("failed", msg=str(error))
        except BaseException as error:  # pylint: disable=broad-except
            status.write(
                "failed", msg=f"{type(error).__name__}: {error}", exception=traceback.format_exc()
            )
    finally:
        os._exit(0)
