# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of a run may do in a second: what was said, by the time of day, and by hand.

What people say in mid-run is in ``control.json`` in the run folder; each host's process looks
there whenever it hears its host.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, NamedTuple, Optional, Sequence

from ansible_collections.scaleout.ingest.plugins.module_utils.core.atomic import written
from ansible_collections.scaleout.ingest.plugins.module_utils.core.units import rate
from ansible_collections.scaleout.ingest.plugins.module_utils.core.windows import (
    Budget,
    Window,
    budget_at,
    file_rate,
    read_windows,
)

FILE = "control.json"


class Control(NamedTuple):
    """What was said by hand; None: what the variables say."""

    bytes: Optional[int] = None
    files: Optional[int] = None
    paused: Optional[bool] = None

    @classmethod
    def read(cls, folder: str) -> Control:
        """Of a run folder. What can't be read was not said."""
        try:
            with open(os.path.join(folder, FILE), encoding="ascii") as stream:
                return cls(**json.load(stream))
        except (OSError, ValueError, TypeError):
            return cls()

    def write(self, folder: str) -> None:
        """Say it. Raises IngestError."""
        with written(os.path.join(folder, FILE)) as stream:
            json.dump(self._asdict(), stream)

    def over(self, budget: Budget) -> Budget:
        """What holds of what else would."""
        said = {name: value for name, value in self._asdict().items() if value is not None}
        return budget._replace(**said)


def forget(folder: str) -> None:
    """What was said of an earlier run does not hold for a new one. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, FILE))


class Limits(NamedTuple):
    """What the variables say."""

    outside: Budget = Budget()
    windows: Sequence[Window] = ()

    @classmethod
    def of(cls, options: dict[str, Any]) -> Limits:
        """Of a task's options. Raises IngestError."""
        return cls(
            Budget(rate(options["bandwidth_limit"]), file_rate(options["file_rate_limit"])),
            read_windows(options["windows"]),
        )

    def now(self, folder: str) -> Budget:
        """What all hosts together may do now."""
        return Control.read(folder).over(budget_at(self.outside, self.windows, time.localtime()))
