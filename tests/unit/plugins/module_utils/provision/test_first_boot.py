# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine without Ansible is told at its first boot."""

from __future__ import annotations

import pytest
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.provision import first_boot


def test_settings_of_any_ansible_core() -> None:
    """Up to 2.18 all values come as text."""
    wanted = {"slots": 128, "readahead": 15360, "persistent": True, "commands": ["prime"]}
    text = {"slots": "128", "readahead": "15360", "persistent": "True", "commands": ["prime"]}
    assert first_boot.given({**wanted, "max_slots": None}) == wanted
    assert first_boot.given({**text, "max_slots": ""}) == wanted
    assert first_boot.given({"persistent": "False"}) == {"persistent": False}
    with pytest.raises(IngestError, match="readahead: 'much' is not a number"):
        first_boot.given({"readahead": "much"})
