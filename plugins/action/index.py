# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the index module: follow the scan."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.scaleout.ingest.plugins.module_utils.core.background import LEASE
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.modules.index import ARGUMENTS
from ansible_collections.scaleout.ingest.plugins.plugin_utils.host_python import explained
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import (
    Lost,
    RemoteJob,
    TakesLosses,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils.scan_job import scanned

MODULE = "scaleout.ingest.index"


class ActionModule(TakesLosses):
    """Runs the module where the task runs; a scan that takes longer goes on in the background, and
    ends when the controller is gone."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The module's result."""
        result = super().run(tmp, task_vars)
        del tmp
        variables = task_vars or {}
        _result, options = self.validate_argument_spec(
            {name: spec for name, spec in ARGUMENTS.items() if not name.startswith("_")}
        )
        if self._task.check_mode:
            answer = self._execute_module(MODULE, module_args=options, task_vars=variables)
            result.update(explained(self, answer, variables))
            return result
        self._host = str(self._task.delegate_to or variables.get("inventory_hostname", "localhost"))
        try:
            result.update(self._scan(options, variables))
        except (IngestError, Lost) as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def _scan(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        job = RemoteJob(self, self._host, LEASE, "index")
        job.make_folder("0700", (), outside=options["source"], alone=False)
        try:
            inner = {**options, "_work": job.folder}
            found = scanned(self, job, self._host, MODULE, inner, variables)
        finally:
            job.remove()
        return found if found.get("failed") else {**found, "changed": True}
