# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the manifest module: follow the scan, fetch the index."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import time
from itertools import chain, repeat
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index import transfer
from ansible_collections.scaleout.ingest.plugins.module_utils.index.result import finish
from ansible_collections.scaleout.ingest.plugins.modules.manifest import ARGUMENTS
from ansible_collections.scaleout.ingest.plugins.plugin_utils import progress

MODULE = "scaleout.ingest.manifest"
WORK_FOLDERS = ("/var/tmp", "/tmp", "/dev/shm")
_PAUSES = (0.1, 0.2, 0.5, 1.0)  # s between polls, then
_PAUSE = 2.0


class ActionModule(ActionBase):
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
        run_dir = options.pop("run_dir")
        if not run_dir:
            result.update(self._execute_module(MODULE, module_args=options, task_vars=variables))
            return result
        self._host = str(self._task.delegate_to or variables.get("inventory_hostname", "localhost"))
        try:
            result.update(self._scan(options, os.path.abspath(str(run_dir)), variables))
        except IngestError as error:
            raise AnsibleActionFail(str(error)) from error
        result["changed"] = False
        return result

    def _scan(
        self, options: dict[str, Any], run_dir: str, variables: dict[str, Any]
    ) -> dict[str, Any]:
        """Scan, with a work directory that is gone afterwards. Raises IngestError."""
        here = self._connection.transport == "local" and self._connection.become is None
        try:
            os.makedirs(run_dir, exist_ok=True)
        except OSError as error:
            raise IngestError(f"run_dir '{run_dir}' can't be made: {error.strerror}") from error
        work = self._make_work(options["source"])
        packed = None if here else secrets.token_hex(16)
        private = {"output": run_dir if here else None, "_work": work, "_pack": packed}
        try:
            answer = self._execute_module(
                MODULE, module_args={**options, **private}, task_vars=variables
            )
            if answer.get("failed") or "status" not in answer:
                answer.pop("invocation", None)
                return {"failed": True, **answer}
            found = self._follow(answer["status"], work)
            if packed is None:
                return found
            file = os.path.join(run_dir, "index.packed")
            try:
                self._connection.fetch_file(os.path.join(work, packed), file)
                transfer.unpack(file, os.path.join(run_dir, "index"))
            finally:
                if os.path.lexists(file):
                    os.unlink(file)
            return finish(options, run_dir)
        finally:
            self._low_level_execute_command(f"rm -rf -- {shlex.quote(work)}")

    def _make_work(self, source: str) -> str:
        """Make the work directory on the machine, as the user that scans. Raises IngestError.

        Others may enter it, but not list it: the user that fetches may be another.
        """
        name = ".scaleout-ingest-manifest-" + secrets.token_hex(8)
        base = os.path.normpath(source)
        folders = [
            folder
            for folder in WORK_FOLDERS
            if os.path.commonpath([base, folder]) != base or not base.startswith("/")
        ]
        tries = " || ".join(f"mkdir -m 0711 {f}/{name} && echo {f}/{name}" for f in folders)
        answer = self._low_level_execute_command(tries or "false")
        for line in answer["stdout"].splitlines():
            if line.strip().endswith("/" + name):
                return line.strip()
        raise IngestError(
            f"source '{source}': no work directory outside it can be made on {self._host}: {(answer['stderr'] or answer['stdout'] or '').strip()}"
        )

    def _follow(self, status: dict[str, Any], work: str) -> dict[str, Any]:
        """Wait for the end of the scan; its result. Raises IngestError."""
        pid = int(status["pid"])
        command = (
            "touch {0}/lease; kill -0 {1} 2>/dev/null || echo gone; cat {0}/status.json".format(
                shlex.quote(work), pid
            )
        )
        lost = 0
        for pause in chain(_PAUSES, repeat(_PAUSE)):
            self._tell(status)
            if status["state"] == "done":
                return status["result"]
            if status["state"] == "failed":
                raise IngestError(status["msg"])
            if lost > 5:
                raise IngestError(f"the scan on {self._host} was lost: its process has died")
            time.sleep(pause)
            answer = self._low_level_execute_command(command)
            gone = "gone" in answer["stdout"].splitlines()
            start = answer["stdout"].find('{"state"')
            try:
                status = json.JSONDecoder().raw_decode(answer["stdout"], max(start, 0))[0]
                lost = lost + 1 if gone and status["state"] == "running" else 0
            except ValueError:
                lost += 1
        raise AssertionError

    def _tell(self, status: dict[str, Any]) -> None:
        totals = status.get("totals") or status.get("result") or {}
        progress.send(
            stage="scan",
            host=self._host,
            state="done" if status["state"] == "done" else "running",
            files=totals.get("entries", 0),
            bytes=totals.get("bytes", 0),
            failed=totals.get("errors", 0),
        )


def _clients(variables: dict[str, Any]) -> int:
    """For how many hosts plain files are made if the task does not say."""
    hosts = variables.get("groups", {}).get("ingestors") or variables.get("ansible_play_hosts_all")
    return max(1, len(hosts or ()))
