# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the index_report module: the page."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.report.html.tree import (
    write_tree_page,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils.on_controller import ASSETS
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute
from ansible_collections.scaleout.ingest.plugins.plugin_utils.version import collection_version

MODULE = "scaleout.ingest.index_report"
ARGUMENTS = {
    "index_dir": {"type": "str", "required": True},
    "dest": {"type": "path"},
    "workers": {"type": "int", "default": 0},
}


class ActionModule(ActionBase):
    """Has the host read its index, and writes the page here."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The module's result, and the page's path."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(ARGUMENTS)
        dest = options["dest"]
        options = {name: value for name, value in options.items() if name != "dest"}
        answer = self._execute_module(MODULE, module_args=options, task_vars=task_vars or {})
        result.update(answer)
        if answer.get("failed") or not dest:
            return result
        path = absolute(dest)
        result["dest"] = path
        if self._task.check_mode:
            return result
        try:
            before = _read(path)
            write_tree_page(answer["profile"], ASSETS, path, collection_version())
        except IngestError as error:
            raise AnsibleActionFail(f"dest: {error}") from error
        result["changed"] = _read(path) != before
        return result


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None
