# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path of the controller from its root."""

from __future__ import annotations

from typing import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.plugin_utils import started_from


def absolute(path: str) -> str:
    """The path, relative to where the command was started."""
    try:
        return started_from.absolute(path)
    except IngestError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[[str], str]]:
        """The filters of this file by name."""
        return {"absolute": absolute}
