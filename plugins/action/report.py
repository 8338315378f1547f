# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a run, made on the controller."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.plan.again import conclude
from ansible_collections.scaleout.ingest.plugins.module_utils.report.make import (
    METRICS,
    PAGE,
    PLAN,
    Report,
    make_report,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils import stdout
from ansible_collections.scaleout.ingest.plugins.plugin_utils.on_controller import (
    ASSETS,
    OnController,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils.published import publish
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import owned, private
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute
from ansible_collections.scaleout.ingest.plugins.plugin_utils.version import collection_version

ARGUMENTS = {
    "run_dir": {"type": "path", "required": True},
    "fail": {"type": "bool", "default": True},
    "show": {"type": "bool", "default": True},
    "metrics_file": {"type": "path"},
}
TOP = (
    "run_id", "method", "split", "files", "directories", "bytes", "skipped", "failed", "seconds",
    "files_per_second", "bytes_per_second", "bound", "repaired", "removed", "extras",
    "copy_seconds", "check_seconds", "scan_seconds", "plan_seconds",
)  # fmt: skip


class ActionModule(OnController):
    """Reads plan.db and index/, writes the report, prints the summary. Touches no host."""

    ARGUMENTS = ARGUMENTS

    def act(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """See :class:`.OnController`."""
        folder = absolute(options["run_dir"])
        with owned(folder, self._display.warning, last=True), private():
            report = make_report(folder, ASSETS, collection_version())
            conclude(os.path.join(folder, PLAN))
            # What watches it is to hear of what was done, not of what would be.
            if options["metrics_file"] and not report.stats["check"]:
                publish(report.files[METRICS], absolute(options["metrics_file"]))
        shown = options["show"] and stdout.tell(self._display, report.summary)
        result = dict(_result(report), changed=False)
        failed = bool(report.complaint and options["fail"])
        if failed:
            result.update(failed=True, msg=report.complaint)
        if shown and (failed or stdout.shows_results()):
            del result["summary"]  # all of the result is shown, and this was just printed
        return result


def _result(report: Report) -> dict[str, Any]:
    stats = report.stats
    return {
        "stats": {key: stats[key] for key in TOP},
        "summary": report.summary,
        "report": report.files[PAGE],
        "files": sorted(report.files.values()),
        "msg": report.complaint or report.summary[0],
    }
