# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of the module calibrate. Loads no engine, as the controller reads them too."""

from __future__ import annotations

from typing import Any

from ..core.vocabulary import PRESERVE

ARGUMENTS: dict[str, dict[str, Any]] = {
    "source": {"type": "str", "required": True},
    "destinations": {"type": "list", "elements": "str", "required": True},
    "preserve": {
        "type": "list",
        "elements": "str",
        "choices": list(PRESERVE),
        "default": list(PRESERVE),
    },
    "index": {"type": "path"},
    "sizes": {"type": "list", "elements": "int", "default": []},
    "seconds": {"type": "int", "default": 180},
    "most_bytes": {"type": "str", "default": "50G"},
    "most_workers": {"type": "int", "default": 128},
    "dest": {"type": "path", "default": "calibrated.yml"},
    "page": {"type": "path", "default": "calibrated.html"},
    "result": {"type": "path"},
    # From the action plugin, see calibrate.bench.Options.
    "_work": {"type": "str"},
    "_token": {"type": "str", "no_log": False},
    "_sample": {"type": "str"},
    "_look": {"type": "float", "default": 2.0},
    "_prefix": {"type": "str", "default": "a"},
}
