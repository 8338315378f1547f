# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a tiering run, made on the controller."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.report import tiering
from ansible_collections.scaleout.ingest.plugins.plugin_utils import stdout
from ansible_collections.scaleout.ingest.plugins.plugin_utils.on_controller import (
    ASSETS,
    OnController,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils.published import publish
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import make, private
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute
from ansible_collections.scaleout.ingest.plugins.plugin_utils.version import collection_version

ARGUMENTS = {
    "run_dir": {"type": "path", "required": True},
    "path": {"type": "str", "required": True},
    "plan": {"type": "dict", "required": True},
    "moves": {"type": "list", "elements": "dict", "default": []},
    "use": {"type": "dict", "default": {}},
    "started": {"type": "float", "required": True},
    "metrics_file": {"type": "path"},
    "fail": {"type": "bool", "default": True},
}


class ActionModule(OnController):
    """Writes the files, prints the summary. Touches no host."""

    ARGUMENTS = ARGUMENTS

    def act(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """See :class:`.OnController`."""
        check = bool(self._task.check_mode)
        folder = absolute(options["run_dir"])
        stats = tiering.gather(
            os.path.basename(folder),
            options["path"],
            check,
            options["plan"],
            options["moves"],
            options["use"],
            (options["started"], time.time()),
        )
        make(folder)
        with private():
            paths = tiering.write(stats, folder, ASSETS, collection_version())
            if options["metrics_file"] and not check:
                publish(paths[tiering.METRICS], absolute(options["metrics_file"]))
        lines = tiering.summary(stats, paths)
        shown = stdout.tell(self._display, lines)
        complaint = tiering.complaint(stats, paths[tiering.NUMBERS])
        result: dict[str, Any] = {
            "changed": False,
            "summary": lines,
            "files": sorted(paths.values()),
            "totals": stats["totals"],
        }
        failed = bool(complaint and options["fail"])
        if failed:
            result.update(failed=True, msg=complaint)
        if shown and (failed or stdout.shows_results()):
            del result["summary"]  # all of the result is shown, and this was just printed
        return result
