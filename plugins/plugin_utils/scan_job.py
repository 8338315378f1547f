# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan on a host: started, and followed to its end with its progress."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.plugin_utils import progress_sender
from ansible_collections.scaleout.ingest.plugins.plugin_utils.host_python import explained
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import RemoteJob


def scanned(
    action: ActionBase,
    job: RemoteJob,
    host: str,
    module: str,
    arguments: dict[str, Any],
    variables: dict[str, Any],
) -> dict[str, Any]:
    """A scan's result, or, if the module could not begin, its answer, which has ``failed``. Raises
    IngestError and Lost."""
    answer = job.start(module, arguments, variables)
    if not answer.get("failed") and "status" in answer:
        return _follow(job, host, answer["status"])
    answer.pop("invocation", None)
    return explained(action, {**answer, "failed": True}, variables)


def _follow(job: RemoteJob, host: str, status: dict[str, Any]) -> dict[str, Any]:
    job.talks = False
    while True:
        _tell(host, status)
        if status["state"] == "done":
            return dict(status["result"])
        if status["state"] == "failed":
            raise IngestError(status["msg"])
        status = job.look(job.patience())[0]


def _tell(host: str, status: dict[str, Any]) -> None:
    totals = status.get("totals") or status.get("result") or {}
    progress_sender.send(
        stage="scan",
        host=host,
        state="done" if status["state"] == "done" else "running",
        files=totals.get("entries", 0),
        bytes=totals.get("bytes", 0),
        failed=totals.get("errors", 0),
    )
