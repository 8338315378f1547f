# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules, run as Ansible runs them: a process of their own, arguments and answer in JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

_MODULES = "ansible_collections.scaleout.ingest.plugins.modules."


def run(
    module: str, check: bool = False, environment: dict[str, str] | None = None, **arguments: Any
) -> dict[str, Any]:
    """The answer of ``module``, in check mode or not, with ``environment`` beside ours."""
    given = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check}}
    done = subprocess.run(
        [sys.executable, "-m", _MODULES + module],
        input=json.dumps(given).encode(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})},
        capture_output=True,
        check=False,
        timeout=120,
    )
    lines = done.stdout.decode().strip().splitlines()
    assert lines, done.stderr.decode()
    answer: dict[str, Any] = json.loads(lines[-1])
    assert done.returncode == (1 if answer.get("failed") else 0)
    return answer
