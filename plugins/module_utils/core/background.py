# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A long job of a module: goes on in a process of its own when the module has answered.

Unlike Ansible's async it needs no further module call to look at it and no temporary file that
another user must read, so it works with pipelining for every become user.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import stat
import time
import traceback
from typing import Any, Callable, Sequence

from .clock import elapsed
from .errors import IngestError

LEASE = 120.0  # s: a job that nobody has asked about for so long ends
WORK_FOLDERS = ("/var/tmp", "/tmp", "/dev/shm")  # where the controller makes a job's folder,
PREFIX = ".scaleout-ingest-"  # and how its name begins
_OLD = 3600.0  # s after which nobody asks for what a killed job left, whatever its lease was
_LOOK = 0.5  # s between looks at whether the last word was heard


class Abandoned(IngestError):
    """Nobody asks for the job any more."""


class Status:
    """The file that tells how a job is doing, and the lease that keeps it alive."""

    def __init__(self, folder: str, lease: float = LEASE) -> None:
        """``lease``: seconds that the controller may be silent."""
        self.folder = folder
        self.file = os.path.join(folder, "status.json")
        self.lease = os.path.join(folder, "lease")
        self.news = os.path.join(folder, "news")  # a fifo: who reads it waits for news
        self.seconds = lease
        self._seen = -1
        self._seen_at = 0.0
        self._bell = -1

    def hang_bell(self) -> None:
        """From now on who reads ``news`` waits for :meth:`ring`, or the end of this process and its
        children. Where there can be no fifo, nobody waits there."""
        with contextlib.suppress(OSError):
            os.mkfifo(self.news, 0o600)
            # For both, as to open it must wait for nobody, and what is rung must not get lost.
            self._bell = os.open(self.news, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ring(self) -> None:
        """There is news, for the controller to hear at once."""
        with contextlib.suppress(OSError):  # there is none, or nobody has heard the last thousands
            os.write(self._bell, b"\n")

    def write(self, state: str, **fields: Any) -> None:
        """Write ``{"state": …}`` so that a reader never sees half of it. Raises OSError."""
        part = self.file + ".part"
        with open(part, "w", encoding="ascii") as stream:
            json.dump({"state": state, "time": time.time(), **fields}, stream)
        os.replace(part, self.file)

    def check_lease(self) -> None:
        """Raises Abandoned if nobody touches the lease any more, or it is gone.

        What counts is that the file's time changes, seen on this host's own running clock:
        clocks that are set, or differ, do no harm.
        """
        try:
            seen = os.stat(self.lease).st_mtime_ns
        except OSError as error:
            raise Abandoned("the work folder is gone: given up") from error
        now = elapsed()
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        elif now - self._seen_at > self.seconds:
            raise Abandoned(f"the controller has not asked for {self.seconds:.0f} s: given up")

    def renew(self) -> None:
        """Touch the lease. Raises OSError."""
        os.close(os.open(self.lease, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        os.utime(self.lease)


def detach(job: Callable[[], dict[str, Any]], status: Status, wait: float) -> dict[str, Any]:
    """Run ``job`` in a process that outlives this one, and wait ``wait`` seconds for it.

    Returns what the status file holds: ``state`` is ``running``, ``done`` (with the job's
    ``result``) or ``failed`` (with ``msg``); and its ``pid``. The folder is the controller's to
    remove; if it doesn't, the process does when the lease has run out. Raises OSError if the
    process can't be started.
    """
    sweep()
    status.renew()
    status.write("running")
    status.hang_bell()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(job, status, writer)  # does not return
    os.close(writer)
    done = select.poll()  # not select(), which knows no descriptor above 1,023
    done.register(reader, select.POLLIN)
    done.poll(wait * 1000)
    os.close(reader)
    with open(status.file, encoding="ascii") as stream:
        return {**json.load(stream), "pid": pid}


def _child(job: Callable[[], dict[str, Any]], status: Status, ended: int) -> None:
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):  # or the connection would wait for this process
            os.dup2(null, descriptor)
        try:
            status.write("done", result=job())
        except Abandoned:
            shutil.rmtree(status.folder, ignore_errors=True)  # nobody else will
            return
        except IngestError as error:
            status.write("failed", msg=str(error))
        except BaseException as error:  # pylint: disable=broad-except
            status.write(
                "failed", msg=f"{type(error).__name__}: {error}", exception=traceback.format_exc()
            )
        os.close(ended)  # detach() need not wait any longer
        status.ring()
        _wait_for_removal(status)
    finally:
        os._exit(0)


def _wait_for_removal(status: Status) -> None:
    """The controller removes the folder when it has heard the end; a dead one does not."""
    try:
        while True:
            status.check_lease()
            time.sleep(_LOOK)
    except Abandoned:
        shutil.rmtree(status.folder, ignore_errors=True)


def sweep(bases: Sequence[str] = WORK_FOLDERS, old: float = _OLD) -> None:
    """Remove what killed jobs of this user left: folders that nobody has asked about for ``old``
    seconds. A job that lives would have ended, and removed its own."""
    for base in bases:
        try:
            with os.scandir(base) as entries:
                found = [entry.path for entry in entries if entry.name.startswith(PREFIX)]
        except OSError:
            continue
        for path in found:
            if _age(path) > old:
                shutil.rmtree(path, ignore_errors=True)


def _age(path: str) -> float:
    """Seconds since somebody asked about the job in a folder; 0 for what is not this user's."""
    try:
        own = os.lstat(path)
        if not stat.S_ISDIR(own.st_mode) or own.st_uid != os.geteuid():
            return 0.0
        try:
            touched = os.lstat(os.path.join(path, "lease")).st_mtime
        except FileNotFoundError:
            touched = own.st_mtime
        return time.time() - touched
    except OSError:
        return 0.0
