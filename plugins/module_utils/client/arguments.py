# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of the modules that copy a host's part of a plan. Loads no engine, as the
controller reads them too."""

from __future__ import annotations

from typing import Any

from ..core.vocabulary import PRESERVE

# The file in a job's folder that says what its host may do in a second: bytes, entries, whether it
# pauses.
BUDGET = "budget"
# The arguments of every module that copies a host's part of a plan; documented in the fragment
# "client". The last ones come from the action plugin.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "run_dir": {"type": "path", "required": True},
    "source": {"type": "str"},
    "destinations": {"type": "list", "elements": "str"},
    "workers": {"type": "str", "default": "auto"},
    "preserve": {
        "type": "list",
        "elements": "str",
        "choices": list(PRESERVE),
        "default": list(PRESERVE),
    },
    "bandwidth_limit": {"type": "str", "default": "0"},
    "file_rate_limit": {"type": "str", "default": "0"},
    "windows": {"type": "list", "elements": "dict", "default": []},
    "fsync": {"type": "bool", "default": False},
    "repair": {"type": "bool", "default": False},
    "retries": {"type": "int", "default": 3},
    "lease": {"type": "int", "default": 60},
    "stall_timeout": {"type": "int", "default": 60},
    "tolerate_failures": {"type": "bool", "default": False},
    "left_out": {"type": "list", "elements": "dict", "default": []},
    "lost_host": {"type": "str", "choices": ["warn", "fail"], "default": "warn"},
    "destination_lock": {"type": "bool", "default": True},
    "_work": {"type": "str"},
    "_paused": {"type": "bool"},
    "_verify": {"type": "str"},
    "_verify_all": {"type": "bool"},
    "_selection": {"type": "dict"},
    "_compared": {"type": "bool"},
    # Of a plan that grows: how the source is scanned and planned, as plan.db's meta has it.
    "_grows": {"type": "dict"},
    # The host's name in the inventory, and in the destination's lock; there, the plan's name too.
    "_host": {"type": "str"},
    "_entry": {"type": "str"},
    "_run": {"type": "str"},
}
# What the module parallel_rsync takes besides.
RSYNC_ARGUMENTS: dict[str, dict[str, Any]] = dict(
    ARGUMENTS,
    method={"type": "str", "choices": ["rsync", "msrsync"], "default": "rsync"},
    rsync_options={"type": "list", "elements": "str", "default": []},
    bucket_files={"type": "int", "default": 0},
    bucket_bytes={"type": "int", "default": 0},
    verify={"type": "str", "choices": ["plan", "none", "metadata", "checksum"], "default": "plan"},
)
