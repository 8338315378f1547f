# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the manifest module: follow the scan, fetch the index."""

from __future__ import annotations

import os
import secrets
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.scaleout.ingest.plugins.module_utils.core.background import LEASE
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index import transfer
from ansible_collections.scaleout.ingest.plugins.module_utils.index.result import (
    ResultOptions,
    finish,
)
from ansible_collections.scaleout.ingest.plugins.modules.manifest import ARGUMENTS
from ansible_collections.scaleout.ingest.plugins.plugin_utils import progress_sender, resume
from ansible_collections.scaleout.ingest.plugins.plugin_utils.controller import check_room
from ansible_collections.scaleout.ingest.plugins.plugin_utils.host_python import explained
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import (
    Lost,
    RemoteJob,
    TakesLosses,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import make, owned, private
from ansible_collections.scaleout.ingest.plugins.plugin_utils.scan_job import scanned
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute

MODULE = "scaleout.ingest.manifest"


class ActionModule(TakesLosses):
    """Runs the module where the task runs and brings its index into ``run_dir``."""

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
            {name: spec for name, spec in ARGUMENTS.items() if not name.startswith("_")},
            mutually_exclusive=[("run_dir", "output")],
            required_one_of=[("run_dir", "output")],
        )
        plain = options["plain_files"]
        if plain is not None and plain["clients"] is None:
            plain["clients"] = _clients(variables)
        go_on = {name: options.pop(name) for name in ("resume", "retry_failed")}
        run_dir = options.pop("run_dir")
        if not run_dir:
            answer = self._execute_module(MODULE, module_args=options, task_vars=variables)
            result.update(explained(self, answer, variables))
            return result
        self._host = str(self._task.delegate_to or variables.get("inventory_hostname", "localhost"))
        try:
            result.update(self._scan(options, go_on, absolute(run_dir), variables))
        except IngestError as error:
            raise AnsibleActionFail(str(error)) from error
        result["changed"] = False
        return result

    def _scan(
        self,
        options: dict[str, Any],
        go_on: dict[str, Any],
        run_dir: str,
        variables: dict[str, Any],
    ) -> dict[str, Any]:
        """Scan, with a work folder that is gone afterwards, unless that is done already. Raises
        IngestError."""
        if go_on["retry_failed"] and not os.path.isdir(run_dir):
            raise IngestError(f"retry_failed: there is no run in {run_dir}: set ingest_run_dir")
        make(run_dir)
        self._say_how_to_see_progress()
        with owned(run_dir, self._display.warning) as number, private():
            if self._is_scanned(options, go_on, run_dir, variables):
                return finish(ResultOptions.from_params(options), run_dir)
            resume.scan_anew(run_dir)
            job = RemoteJob(self, self._host, LEASE, f"manifest-{number}")
            # Others may enter it, but not list it: the user that fetches may be another.
            job.make_folder("0711", (), outside=options["source"], alone=True)
            try:
                return self._run_job(job, options, run_dir, variables)
            except Lost as error:
                raise IngestError(f"the scan was lost: {error}") from error
            finally:
                job.remove()

    def _is_scanned(
        self,
        options: dict[str, Any],
        go_on: dict[str, Any],
        run_dir: str,
        variables: dict[str, Any],
    ) -> bool:
        """Whether the folder has a scan that is still good. Raises IngestError."""
        if go_on["retry_failed"]:
            scan = resume.failed_run(run_dir, bool(self._task.check_mode)).scan or {}
            differs = resume.scan_differs(scan, options)
            if differs:
                raise IngestError(
                    f"retry_failed: {differs}, but what failed is tried again as it was scanned"
                )
            return True
        if self._task.check_mode or not resume.wanted("scan", go_on, variables):
            return False
        found = resume.found(run_dir)
        if found.scan is None or found.over or resume.is_refused(run_dir):
            return False
        differs = resume.scan_differs(found.scan, options)
        if differs:
            self._display.warning(
                f"{differs}: the run in {run_dir} is not gone on with, all is scanned anew"
            )
            return False
        self._display.display(
            f"{run_dir} has a complete scan, of {resume.when(found.scan['started'])}: it is not "
            "done again (ingest_resume=never does it)",
            stderr=True,
        )
        return True

    def _say_how_to_see_progress(self) -> None:
        """Ansible lets no collection switch on its callback by itself."""
        if not progress_sender.heard():
            self._display.display(
                "No live progress is shown: ANSIBLE_CALLBACKS_ENABLED=scaleout.ingest.progress in "
                "the environment, or callbacks_enabled in ansible.cfg, switches it on.",
                stderr=True,
            )

    def _run_job(
        self, job: RemoteJob, options: dict[str, Any], run_dir: str, variables: dict[str, Any]
    ) -> dict[str, Any]:
        here = self._connection.transport == "local" and self._connection.become is None
        packed = None if here else secrets.token_hex(16)
        inner = {"output": run_dir if here else None, "_work": job.folder, "_pack": packed}
        found = scanned(self, job, self._host, MODULE, {**options, **inner}, variables)
        if packed is None or found.get("failed"):
            return found
        check_room(run_dir, found["entries"] + found["directories"])
        file = os.path.join(run_dir, "index.packed")
        try:
            self._connection.fetch_file(os.path.join(job.folder, packed), file)
            transfer.unpack(file, os.path.join(run_dir, "index"))
        finally:
            if os.path.lexists(file):
                os.unlink(file)
        return finish(ResultOptions.from_params(options), run_dir)


def _clients(variables: dict[str, Any]) -> int:
    """For how many hosts plain files are made if the task does not say."""
    hosts = variables.get("groups", {}).get("ingestors") or variables.get("ansible_play_hosts_all")
    return max(1, len(hosts or ()))
