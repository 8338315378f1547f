# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mounts have died, while workers are silent or their calls time out.

Silence alone proves nothing: a busy server is silent as well, and so is every worker when it is the
source that has died. So the servers are asked.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Iterable

from ..core.errors import IngestError
from ..core.paths import to_text
from ..core.steps import ON_DESTINATION
from ..fs.mount_table import origin
from .left_out import LeftOut, listing
from .probes import Look, look

PATIENCE = 5  # times the limit: for what answers, but says nothing, and when there is nothing else
_STRIKES = 3
_PAUSE = 5.0  # seconds between questions, at most
_SOFT = 60.0  # seconds without any answer, when nothing else is asked for


class Watch:
    """Watches the mounts of one client. Not a thread: call :meth:`step` often."""

    def __init__(self, source: bytes, mounts: Iterable[bytes], stall: float) -> None:
        """``stall``: seconds that a mount's workers may be silent (0: for ever)."""
        self._source = source
        self._stall = stall
        # While all of them answer: later a link that leads to one could not be followed.
        self._origins = {path: origin(path, True) for path in [source, *mounts]}
        self._look: Look | None = None
        self._looked = 0.0
        self._failed: dict[bytes, set[str]] = {}
        self._asked: dict[bytes, set[str]] = {}
        self._strikes: Counter[bytes] = Counter()
        self._waiting_since = 0.0
        self._soft = False

    def name(self, path: bytes, why: str) -> LeftOut:
        """A mount that does not answer, for people."""
        return LeftOut(to_text(path), *self._origins[path], why)

    @property
    def waiting(self) -> bool:
        """Whether nothing can be done now: the source is silent, or every mount is."""
        return self._waiting_since > 0

    def failed(self, mount: bytes, operation: str) -> None:
        """A worker of this mount had a call that failed as calls to dead servers do."""
        self._failed.setdefault(mount, set()).add(operation)

    def step(self, silences: dict[bytes, float], usable: list[bytes]) -> dict[bytes, str]:
        """The mounts to be left out from now on, and why.

        Args:
            silences: for how many seconds the workers of a mount, which have work, said nothing.
            usable: the mounts that are not left out.

        Raises:
            IngestError: the source, or every mount, has not answered for too long.
        """
        longest = max(silences.values(), default=0.0)
        if self._look is None:
            late = bool(self._stall) and longest > self._stall / 2
            pause = min(_PAUSE, self._stall / 10) if self._stall else _PAUSE
            if (late or self._failed or self.waiting) and time.monotonic() - self._looked > pause:
                self._asked, self._failed = self._failed, {}
                self._look = look([self._source, *usable])
        else:
            found = self._look.result()
            if found is not None:
                self._look, self._looked = None, time.monotonic()
                return self._judge(found, silences, usable)
        for mount, seconds in silences.items():
            if (
                self._stall
                and seconds > PATIENCE * self._stall
                and mount in usable
                and not self.waiting
            ):
                return {mount: f"nothing was done over it for {PATIENCE * self._stall:g} s"}
        return {}

    def _judge(
        self, found: dict[bytes, str], silences: dict[bytes, float], usable: list[bytes]
    ) -> dict[bytes, str]:
        silent = {mount: found[mount] for mount in usable if found.get(mount)}
        answering = [mount for mount in usable if mount not in silent]
        if found.get(self._source) or (usable and not answering):
            self._wait(found)
            return {}
        self._waiting_since, self._soft = 0.0, False
        gone = {
            mount: why
            for mount, why in silent.items()
            if mount in self._asked
            or (self._stall and silences.get(mount, 0.0) >= 0.8 * self._stall)
        }
        for mount, operations in self._asked.items():
            if mount in answering and operations & ON_DESTINATION:
                self._strikes[mount] += 1
                if self._strikes[mount] >= _STRIKES and any(
                    not self._strikes[other] for other in answering
                ):
                    gone[mount] = (
                        "calls over it failed again and again, although its server answers"
                    )
        return gone

    def _wait(self, found: dict[bytes, str]) -> None:
        """Nothing can be done but to wait. Raises IngestError when that has taken too long."""
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        self._soft = self._soft or bool(self._asked)
        # A mount that fails calls has waited already, and would fail all that comes.
        limit = (self._stall or _SOFT) if self._soft else PATIENCE * self._stall
        if not limit or now - self._waiting_since < limit:
            return
        why = found.pop(self._source, "")
        if why:
            raise IngestError(f"the source {self.name(self._source, why)!s} does not answer")
        gone = listing(self.name(mount, said) for mount, said in found.items())
        raise IngestError(f"no mount answers: {gone}")

    def close(self) -> None:
        """Ask no longer."""
        if self._look:
            self._look.close()
            self._look = None
