# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that shows that this host lives, in the destination's lock.

It is a process of its own, as the mount that it works over may die: then another one does it over
another mount, and nobody waits for the first.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Collection, Sequence

from ..core.clock import elapsed
from ..core.errors import IngestError
from ..core.paths import display
from .destination_lock import RENEWALS, Lock, Member

_CONTEXT = multiprocessing.get_context("fork")
_SILENT = 3  # renewals that may be missing before another mount is tried
_LAST = 5.0  # seconds to leave in
_RENEWED, _GONE, _LEFT = b"renewed", b"gone", b"left"


class Keeper:
    """Keeps a lock that was taken, until :meth:`leave`."""

    def __init__(self, destinations: Sequence[bytes], member: Member) -> None:
        """``destinations``: the same directory over all mounts."""
        self._destinations = list(destinations)
        self._member = member
        self._interval = member.lease / RENEWALS
        self._number = 0
        self._start()

    def _start(self) -> None:
        destination = self._destinations[self._number % len(self._destinations)]
        lock = Lock(destination, self._member)
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=_keep, args=(theirs, lock, self._interval), daemon=True
        )
        self._process.start()
        theirs.close()
        self._heard = elapsed()

    def check(self, left_out: Collection[bytes] = ()) -> None:
        """Call it often. ``left_out``: mounts that are not to be used any more. Raises IngestError
        if another run has taken this one for dead, and the lock."""
        try:
            while self._pipe.poll():
                if self._pipe.recv_bytes() == _GONE:
                    raise IngestError(
                        f"another run has taken the lock of '{display(self._destinations[0])}', "
                        f"as this host showed no life for {self._member.lease:.0f} s: stopped"
                    )
                self._heard = elapsed()
        except (EOFError, OSError):
            self._heard = 0.0  # it died
        if elapsed() - self._heard > _SILENT * self._interval:
            self._next(left_out)

    def _next(self, left_out: Collection[bytes]) -> None:
        """The next mount, while the one that is silent is waited for by nobody."""
        self._process.kill()
        self._pipe.close()
        for _mount in self._destinations:
            self._number += 1
            if self._destinations[self._number % len(self._destinations)] not in left_out:
                break
        self._start()

    def leave(self, lost: Sequence[str] = ()) -> None:
        """Give the lock back, with what hosts that this run has lost have in it. What can't be
        removed in time is dead when its lease has run out."""
        with suppress(EOFError, OSError):
            self._pipe.send_bytes(" ".join(lost).encode("ascii"))
            end = elapsed() + _LAST
            while self._pipe.poll(max(0.0, end - elapsed())):
                if self._pipe.recv_bytes() == _LEFT:
                    break
        self._process.kill()
        self._pipe.close()


def _keep(pipe: Connection, lock: Lock, interval: float) -> None:
    """The process' main function. It ends with its parent, and with the workers that have the other
    end of the pipe: as long as one of them lives, the destination is not free."""
    for told_to_stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(told_to_stop, signal.SIG_IGN)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number != pipe.fileno():
            with suppress(OSError):
                os.close(number)  # other processes wait for the end of these
    try:
        while not pipe.poll(interval):
            try:
                lock.renew()
                pipe.send_bytes(_RENEWED)
            except FileNotFoundError:
                pipe.send_bytes(_GONE)
            except OSError:
                pass  # silent, so another mount is tried
        lost = pipe.recv_bytes().decode("ascii").split()
        lock.leave(lost)
        pipe.send_bytes(_LEFT)
    except (EOFError, OSError):
        pass
