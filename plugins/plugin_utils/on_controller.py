# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks have in common that are done on the controller and touch no host."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError

# The folder of the pages' template, style, script and library.
ASSETS = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
    "roles",
    "report",
    "files",
)


class OnController(ActionBase):
    """A task that says which ``ARGUMENTS`` it takes, and ``act``s."""

    ARGUMENTS: ClassVar[dict[str, Any]]

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False
    TRANSFERS_FILES = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The task's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        dummy, options = self.validate_argument_spec(self.ARGUMENTS)
        try:
            result.update(self.act(options, task_vars or {}))
        except IngestError as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def act(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Do it; what the result holds. Raises IngestError, which fails the task with its
        sentence."""
        raise NotImplementedError
