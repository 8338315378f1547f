# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report of a run, made on the controller."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.report.make import (
    METRICS,
    PAGE,
    Report,
    make_report,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils import stdout
from ansible_collections.scaleout.ingest.plugins.plugin_utils.published import publish
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import owned, private
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute
from ansible_collections.scaleout.ingest.plugins.plugin_utils.version import collection_version

ASSETS = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    "roles",
    "report",
    "files",
)
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


class ActionModule(ActionBase):
    """Reads plan.db and index/, writes the report, prints the summary. Touches no host."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        try:
            folder = absolute(arguments["run_dir"])
            with owned(folder, self._display.warning, last=True), private():
                report = make_report(folder, ASSETS, collection_version())
                # What watches it is to hear of what was done, not of what would be.
                if arguments["metrics_file"] and not report.stats["check"]:
                    publish(report.files[METRICS], absolute(arguments["metrics_file"]))
        except IngestError as error:
            raise AnsibleActionFail(str(error)) from error
        shown = arguments["show"] and not stdout.for_programs()
        if shown:
            self._display.display("\n%s\n" % "\n".join(report.summary))
        result.update(_result(report), changed=False)
        failed = bool(report.complaint and arguments["fail"])
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
