# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a tiering run, made on the controller."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.report import tiering
from ansible_collections.scaleout.ingest.plugins.plugin_utils.published import publish
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import make, private
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
    "path": {"type": "str", "required": True},
    "plan": {"type": "dict", "required": True},
    "moves": {"type": "list", "elements": "dict", "default": []},
    "use": {"type": "dict", "default": {}},
    "started": {"type": "float", "required": True},
    "metrics_file": {"type": "path"},
    "fail": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    """Writes the files, prints the summary. Touches no host."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The task's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        dummy, options = self.validate_argument_spec(ARGUMENTS)
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
        try:
            make(folder)
            with private():
                paths = tiering.write(stats, folder, ASSETS, collection_version())
                if options["metrics_file"] and not check:
                    publish(paths[tiering.METRICS], absolute(options["metrics_file"]))
        except IngestError as error:
            raise AnsibleActionFail(str(error)) from error
        lines = tiering.summary(stats, paths)
        self._display.display("\n%s\n" % "\n".join(lines))
        complaint = tiering.complaint(stats, paths[tiering.NUMBERS])
        result.update(
            changed=False, summary=lines, files=sorted(paths.values()), totals=stats["totals"]
        )
        if complaint and options["fail"]:
            result.update(failed=True, msg=complaint)
        return result
