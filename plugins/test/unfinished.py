# Copyright: (c) 2026, scaleout.ingest contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is something of a run left to do?"""

from __future__ import annotations

import os
import sqlite3
from typing import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.queries import is_done
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute


def is_unfinished(folder: str) -> bool:
    """Whether the plan in a run folder has shards that are not done."""
    try:
        with PlanStore.open(os.path.join(absolute(folder), "plan.db"), readonly=True) as store:
            return not is_done(store)
    except (IngestError, sqlite3.Error) as error:
        raise AnsibleFilterError(str(error)) from error


class TestModule:
    """What Ansible looks for."""

    def tests(self) -> dict[str, Callable[[str], bool]]:
        """The tests of this file by name."""
        return {"unfinished": is_unfinished}
