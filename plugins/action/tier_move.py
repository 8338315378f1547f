# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves files between pools on one host: piece by piece, whatever no other host has taken."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.background import LEASE
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import RemoteJob
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import make, private
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute

MODULE = "scaleout.ingest.tier_migrate"
ARGUMENTS = {
    "run_dir": {"type": "path", "required": True},
    "started": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "pieces": {"type": "list", "elements": "dict", "required": True},
    "shared": {"type": "bool", "default": False},
    "workers": {"type": "str"},
    "guarantee": {"type": "str"},
    "quiet": {"type": "float"},
}


class ActionModule(ActionBase):
    """Takes pieces from the run's folder on the controller, and has them moved."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """What became of this host's pieces."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        dummy, options = self.validate_argument_spec(ARGUMENTS)
        host = str(variables["inventory_hostname"])
        folder = absolute(options["run_dir"])
        job = RemoteJob(self, host, LEASE, "tier")
        done: list[dict[str, Any]] = []
        try:
            with private():
                for name in ("claims", "lists", "results"):
                    make(os.path.join(folder, name))
                for piece in options["pieces"]:
                    name = f"{os.path.basename(piece['file'])}.{options['started']}"
                    claim = os.path.join(folder, "claims", name.replace("/", "_"))
                    if not _claimed(claim, host):
                        continue
                    if not job.folder:
                        job.make_folder("0700", (), outside=options["path"], alone=False)
                    answer = self._moved(job, folder, piece, options, variables)
                    answer.pop("invocation", None)
                    done.append({**answer, "item": {**piece, "host": host}})
                    if "moved" not in answer:
                        # What is wrong here need not be wrong on other hosts.
                        os.unlink(claim)
                        break
        except IngestError as error:
            raise AnsibleActionFail(str(error)) from error
        finally:
            job.remove()
        result["changed"] = any(answer.get("changed") for answer in done)
        result["pieces"] = done
        return result

    def _moved(
        self,
        job: RemoteJob,
        folder: str,
        piece: dict[str, Any],
        options: dict[str, Any],
        variables: dict[str, Any],
    ) -> dict[str, Any]:
        """The answer of the module that moves a piece."""
        name = os.path.basename(piece["file"])
        files = piece["file"]
        if not options["shared"]:
            files = f"{job.folder}/{name}"
            local = os.path.join(folder, "lists", name)
            sent = self._by("copy", variables, src=local, dest=files, mode="0600")
            if sent.get("failed"):
                return sent
        results = files + ".results"
        wanted = ("workers", "guarantee", "quiet")
        answer: dict[str, Any] = self._execute_module(
            MODULE,
            module_args={
                **piece["arguments"],
                **{option: options[option] for option in wanted if options[option] is not None},
                "list": files,
                "results": results,
            },
            task_vars=variables,
        )
        if not self._task.check_mode:
            kept = os.path.join(folder, "results", name + ".results")
            more = {"flat": True, "fail_on_missing": False}
            brought = self._by("fetch", variables, src=results, dest=kept, **more)
            if brought.get("failed"):
                answer.setdefault("warnings", []).append(
                    f"the results of {name} could not be brought here: {brought.get('msg')}"
                )
        return answer

    def _by(self, action: str, variables: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """What one of Ansible's own actions does on this host, in check mode, too."""
        task = self._task.copy()
        task.args = arguments
        task.check_mode = False
        found = self._shared_loader_obj.action_loader.get(
            "ansible.legacy." + action,
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        answer: dict[str, Any] = found.run(task_vars=variables)
        return answer


def _claimed(path: str, host: str) -> bool:
    """Whether a piece is this host's from now on: each is the first one's who takes it. Raises
    IngestError."""
    try:
        with open(path, "x", encoding="utf-8") as stream:
            stream.write(host + "\n")
        return True
    except FileExistsError:
        return False
    except OSError as error:
        raise IngestError(f"{path} can't be written: {error.strerror}") from error
