# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module tier_fold: sends the movers' results."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.modules.tier_fold import ARGUMENTS
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute

MODULE = "scaleout.ingest.tier_fold"


class ActionModule(ActionBase):
    """Results that are on the controller go to the host, then its module reads them."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        dummy, options = self.validate_argument_spec(ARGUMENTS)
        source = options.pop("sent_from")
        sent: list[str] = []
        if source and not self._task.check_mode:
            folder = absolute(source)
            options["results"] = [
                {**one, "file": path}
                for one in options["results"]
                for path in [self._send(folder, os.path.basename(one["file"]), sent)]
                if path
            ]
        result.update(self._execute_module(MODULE, module_args=options, task_vars=task_vars or {}))
        return result

    def _send(self, folder: str, name: str, sent: list[str]) -> str:
        """Where a file is on the host now; "" if there is none."""
        local = os.path.join(folder, name)
        if not os.path.isfile(local):
            return ""
        shell = self._connection._shell
        remote = shell.join_path(shell.tmpdir or self._make_tmp_path(), f"results-{len(sent)}")
        self._transfer_file(local, remote)
        self._fixup_perms2([shell.tmpdir, remote])
        sent.append(remote)
        return remote
