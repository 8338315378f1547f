# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the methods rsync and msrsync."""

from __future__ import annotations

from typing import Any

from ansible_collections.scaleout.ingest.plugins.action import parallel_copy
from ansible_collections.scaleout.ingest.plugins.module_utils.client.arguments import (
    RSYNC_ARGUMENTS,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync.options import (
    accepted_options,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.units import bucket_files
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore

LEAST_FILES = 100  # below that, starting rsync costs more than what it copies


class ActionModule(parallel_copy.ActionModule):
    """As for the copy, with another module on the host."""

    MODULE = "scaleout.ingest.parallel_rsync"
    ARGUMENTS = RSYNC_ARGUMENTS

    @staticmethod
    def _method(options: dict[str, Any]) -> str:
        return str(options["method"])

    def _share(
        self, store: PlanStore, host: str, options: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        accepted_options(options["rsync_options"])
        for name in ("bucket_files", "bucket_bytes"):
            if options[name] < 0:
                raise IngestError("%s: %d is less than 0" % (name, options[name]))
        meta = store.meta()
        if options["method"] == "msrsync" and not options["bucket_files"]:
            options["bucket_files"] = max(
                LEAST_FILES, bucket_files(-(-meta["files"] // len(meta["hosts"])))
            )
        return super()._share(store, host, options, variables)
