# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of one task, one for each host, tell each other things: files in a folder of the
controller that ends with the playbook. The first host's leads."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import Any, Callable, Iterator

from ansible import constants
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError

_PAUSE = 0.1  # s between looks
_LATE = 60.0  # s in which the leader begins


class Over(Exception):
    """The leader has ended."""


class Meeting:
    """What is told, by its name, each once."""

    def __init__(self, task: str) -> None:
        """``task`` is the task's own number, the same for all hosts."""
        self._folder = os.path.join(str(constants.DEFAULT_LOCAL_TMP), f"ingest-{task}")
        self._playbook = os.getppid()
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def leading(self) -> Iterator[None]:
        """In the block this process leads. All others end after it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(self._path("leader"), flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            self.tell("over", True)
            os.close(lock)

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def tell(self, name: str, what: Any) -> None:
        """Tell all something, JSON-ready."""
        part = self._path(f".{name}.{os.getpid()}")
        with open(part, "w", encoding="ascii") as stream:
            json.dump(what, stream)
        os.replace(part, self._path(name))

    def told(self, name: str) -> Any:
        """What was told, or None."""
        try:
            with open(self._path(name), encoding="ascii") as stream:
                return json.load(stream)
        except FileNotFoundError:
            return None

    def hear(self, name: str, meanwhile: Callable[[], None] = lambda: None) -> Any:
        """Wait for what the leader tells. Raises Over if that never comes."""
        begun = time.monotonic()
        while True:
            found = self.told(name)
            if found is not None:
                return found
            if self.told("over") or not self._led(time.monotonic() - begun):
                found = self.told(name)
                if found is not None:
                    return found
                raise Over
            if os.getppid() != self._playbook:
                raise IngestError("the playbook has ended")
            meanwhile()
            time.sleep(_PAUSE)

    def _led(self, waited: float) -> bool:
        """Whether there is a leader, or may yet be one."""
        try:
            lock = os.open(self._path("leader"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return waited < _LATE
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return waited < 1.0  # it may be about to take it

    def gather(
        self, names: list[str], seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> dict[str, Any]:
        """What was told of some names, after waiting so long for all of them."""
        until = time.monotonic() + seconds
        while True:
            found = {name: told for name in names for told in [self.told(name)] if told is not None}
            if len(found) == len(names) or time.monotonic() > until:
                return found
            meanwhile()
            time.sleep(_PAUSE)
