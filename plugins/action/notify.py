# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells a service how a run ended, from the controller."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url
from ansible_collections.scaleout.ingest.plugins.module_utils.report.prometheus import succeeded
from ansible_collections.scaleout.ingest.plugins.module_utils.report.stored import stats_of
from ansible_collections.scaleout.ingest.plugins.module_utils.report.summary import headline
from ansible_collections.scaleout.ingest.plugins.plugin_utils.on_controller import OnController
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute

ARGUMENTS = {
    "run_dir": {"type": "path", "required": True},
    "url": {"type": "str", "required": True, "no_log": True},
    "timeout": {"type": "int", "default": 20},
}
NUMBERS = (
    "run_id", "method", "source", "destinations", "files", "directories", "bytes", "skipped",
    "failed", "seconds", "copy_seconds", "files_per_second", "bytes_per_second",
)  # fmt: skip


class ActionModule(OnController):
    """Reads stats.json, sends one request. Touches no host."""

    ARGUMENTS = ARGUMENTS

    def act(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """See :class:`.OnController`."""
        message = _message(absolute(options["run_dir"]))
        result: dict[str, Any] = {"changed": False, "told": False, "message": message}
        if self._task.check_mode:
            return result
        try:
            open_url(
                options["url"],
                method="POST",
                data=json.dumps(message),
                headers={"Content-Type": "application/json"},
                timeout=options["timeout"],
                http_agent="scaleout.ingest",
            ).close()
            result["told"] = True
        except (OSError, ValueError) as error:
            # The run is over, and as good as it was. The address may hold a secret; its host not.
            why = getattr(error, "reason", None) or type(error).__name__
            result["warnings"] = [
                f"{urlsplit(options['url']).hostname} was not told how the run ended: {why}"
            ]
        return result


def _message(folder: str) -> dict[str, Any]:
    """What is sent. Raises IngestError."""
    stats = stats_of(folder)
    numbers = {key: stats[key] for key in NUMBERS}
    return {"text": headline(stats), "success": succeeded(stats), **numbers}
