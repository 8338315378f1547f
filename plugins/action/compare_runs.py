# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page that compares runs, made on the controller."""

from __future__ import annotations

from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.report.html.runs import (
    write_runs_page,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.report.stats import STATS
from ansible_collections.scaleout.ingest.plugins.module_utils.report.stored import runs_at, stats_of
from ansible_collections.scaleout.ingest.plugins.plugin_utils.on_controller import (
    ASSETS,
    OnController,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import private
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute
from ansible_collections.scaleout.ingest.plugins.plugin_utils.version import collection_version

ARGUMENTS = {
    "runs": {"type": "list", "elements": "path", "required": True},
    "page": {"type": "path", "required": True},
}


class ActionModule(OnController):
    """Reads the runs' stats.json, writes one page. Touches no host."""

    ARGUMENTS = ARGUMENTS

    def act(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """See :class:`.OnController`."""
        page = absolute(options["page"])
        try:
            folders = [found for run in options["runs"] for found in runs_at(absolute(run))]
            runs = [stats_of(folder) for folder in folders]
        except IngestError as error:
            raise IngestError(f"runs: {error}") from error
        if not runs:
            raise IngestError(f"runs: there is no {STATS} in {', '.join(options['runs'])}")
        if not self._task.check_mode:
            with private():
                write_runs_page(runs, ASSETS, page, collection_version())
        return {"changed": False, "page": page, "runs": folders}
