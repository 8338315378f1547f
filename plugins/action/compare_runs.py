# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page that compares runs, made on the controller."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.report.html.runs import (
    write_runs_page,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.report.make import STATS
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
        folders = [found for run in options["runs"] for found in _runs(absolute(run))]
        runs = [_stats(folder) for folder in folders]
        if not runs:
            raise IngestError(f"runs: there is no {STATS} in {', '.join(options['runs'])}")
        if not self._task.check_mode:
            with private():
                write_runs_page(runs, ASSETS, page, collection_version())
        return {"changed": False, "page": page, "runs": folders}


def _runs(folder: str) -> list[str]:
    """The folder if it is a run's, else the runs in it. Raises IngestError."""
    if os.path.isfile(os.path.join(folder, STATS)):
        return [folder]
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise IngestError(f"runs: {folder} can't be read: {error.strerror}") from error
    found = [os.path.join(folder, name) for name in names]
    return [path for path in found if os.path.isfile(os.path.join(path, STATS))]


def _stats(folder: str) -> dict[str, Any]:
    path = os.path.join(folder, STATS)
    try:
        with open(path, encoding="utf-8") as stream:
            stats: dict[str, Any] = json.load(stream)
        if not isinstance(stats["hosts"], dict) or not isinstance(stats["parameters"], dict):
            raise ValueError("it is not a run's")
        return stats
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IngestError(f"runs: {path} can't be used: {error}") from error
