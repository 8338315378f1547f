# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that can't even begin on a host: says which Python is missing, or too old, there."""

from __future__ import annotations

import re
import shlex
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

OLDEST = (3, 8)  # what this collection needs; ansible-core may need a newer one, and says so itself
_OWN_WORDS = "ansible-core requires a minimum of Python"
_VERSION = "import sys; sys.stdout.write('version %d.%d' % sys.version_info[:2])"


class OnHost(ActionBase):
    """Runs the module of the task on its host, and explains what keeps it from running there."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        later = self._task.async_val and not self._connection.has_native_async
        answer = self._execute_module(task_vars=task_vars, wrap_async=later)
        result.update(explained(self, answer, task_vars or {}))
        return result


def explained(
    action: ActionBase, answer: dict[str, Any], variables: dict[str, Any]
) -> dict[str, Any]:
    """A module's answer; if the module did not run for want of a Python, one that says so."""
    not_run = "module_stderr" in answer or _OWN_WORDS in str(answer.get("msg"))
    python = str(getattr(action, "_used_interpreter", None) or "").lstrip("#!").strip()
    if not (answer.get("failed") and not_run and python):
        return answer
    try:
        asked = action._low_level_execute_command(f"{python} -c {shlex.quote(_VERSION)}")
    except AnsibleError:
        return answer
    found = re.search(r"version (\d+)\.(\d+)", asked.get("stdout", ""))
    if found and (int(found.group(1)), int(found.group(2))) >= OLDEST:
        return answer
    there = f"{python} is Python {found.group(1)}.{found.group(2)}" if found else ""
    return {
        "failed": True,
        "msg": f"{variables.get('inventory_hostname', 'the host')}: "
        f"{there or f'there is no {python}'}, and an ingestor needs Python 3.8 or newer. If it has "
        "one elsewhere, name that in ansible_python_interpreter",
    }
