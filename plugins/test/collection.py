# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a collection there?"""

from __future__ import annotations

import importlib.util
from typing import Callable


def is_collection(name: str) -> bool:
    """Whether the controller has the collection, such as ``azure.azcollection``."""
    try:
        return importlib.util.find_spec("ansible_collections." + name) is not None
    except ModuleNotFoundError:  # not even its namespace
        return False


class TestModule:
    """What Ansible looks for."""

    def tests(self) -> dict[str, Callable[[str], bool]]:
        """The tests of this file by name."""
        return {"collection": is_collection}
