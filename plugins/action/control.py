# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes the limits of a run that is at work, from the controller."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.units import rate
from ansible_collections.scaleout.ingest.plugins.module_utils.core.windows import file_rate
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.queries import (
    hosts_at_work,
    is_done,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.plugin_utils.budget import Control
from ansible_collections.scaleout.ingest.plugins.plugin_utils.on_controller import OnController
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import private
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute

AS_SET = "auto"  # as the variables say
ARGUMENTS = {
    "run_dir": {"type": "path", "required": True},
    "rate": {"type": "str"},
    "file_rate": {"type": "str"},
    "pause": {"type": "str", "choices": ["true", "false", AS_SET]},
}


class ActionModule(OnController):
    """Writes what each host's process of the run reads. Touches no host."""

    ARGUMENTS = ARGUMENTS

    def act(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """See :class:`.OnController`."""
        folder = absolute(options["run_dir"])
        given = {name: options[name] for name in ("rate", "file_rate", "pause")}
        if all(value is None for value in given.values()):
            raise IngestError("nothing is said: give rate, file_rate or pause")
        at_work = _at_work(folder)
        before = Control.read(folder)
        after = before
        if given["rate"] is not None:
            after = after._replace(bytes=_read(given["rate"], rate, "rate"))
        if given["file_rate"] is not None:
            after = after._replace(files=_read(given["file_rate"], file_rate, "file_rate"))
        if given["pause"] is not None:
            after = after._replace(
                paused=None if given["pause"] == AS_SET else given["pause"] == "true"
            )
        if after != before and not self._task.check_mode:
            with private():
                after.write(folder)
        return {"changed": after != before, "control": after._asdict(), "hosts": sorted(at_work)}


def _read(text: str, read: Any, name: str) -> int | None:
    return None if text == AS_SET else int(read(text, name))


def _at_work(folder: str) -> set[str]:
    """The hosts that have something to do. Raises IngestError: the run is over, or none."""
    try:
        with PlanStore.open(os.path.join(folder, "plan.db"), readonly=True) as store:
            if is_done(store):
                raise IngestError(f"the run in {folder} is done: there is nothing to control")
            return hosts_at_work(store)
    except sqlite3.Error as error:
        raise IngestError(f"the plan in {folder} can't be read: {error}") from error
