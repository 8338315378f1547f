# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the copy: each host's worker process gives its host its shards."""

from __future__ import annotations

import os
import sqlite3
from operator import sub
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.scaleout.ingest.plugins.module_utils.client.arguments import ARGUMENTS
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import Counts
from ansible_collections.scaleout.ingest.plugins.module_utils.core.units import rate
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import HostState
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.worker_count import workers
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.left_out import LeftOut
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import queries
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.preview import preview
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.plugin_utils import progress
from ansible_collections.scaleout.ingest.plugins.plugin_utils.follow import Follower, Lost


class ActionModule(ActionBase):
    """Claims this host's shards from plan.db, hands them over, and records what came of them."""

    TRANSFERS_FILES = True
    _supports_check_mode = True
    _supports_async = False

    MODULE = "scaleout.ingest.parallel_copy"
    ARGUMENTS = ARGUMENTS

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The task's result for one host."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        dummy, options = self.validate_argument_spec(
            {name: spec for name, spec in self.ARGUMENTS.items() if not name.startswith("_")}
        )
        host = str(variables["inventory_hostname"])
        try:
            workers(options["workers"])
            options["bandwidth_limit"] = rate(options["bandwidth_limit"])
            path = os.path.join(os.path.abspath(options.pop("run_dir")), "plan.db")
            with PlanStore.open(path) as store:
                result.update(self._share(store, host, options, variables))
        except (IngestError, sqlite3.Error) as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    def _share(
        self, store: PlanStore, host: str, options: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        """Do this host's share of a plan. Raises IngestError."""
        meta = store.meta()
        if host not in meta["hosts"]:
            raise IngestError(f"{host} is not in the plan, which has: {', '.join(meta['hosts'])}")
        options["source"] = options["source"] or meta["source"]
        options["destinations"] = options["destinations"] or meta["destinations"]
        if self._task.check_mode:
            return preview(store, host, options["destinations"], bool(self._task.diff))
        if queries.is_done(store):
            return {"changed": False, "msg": "nothing is left to do"}
        tolerate = options.pop("tolerate_failures")
        left_out = options.pop("left_out")
        lease = float(options["lease"])
        dispatcher = Dispatcher(store, host, lease * 1.5)
        forks = int(context.CLIARGS.get("forks") or 5)
        enough = forks >= len(meta["hosts"])
        if not enough and host == meta["hosts"][0]:
            self._display.warning(
                "forks is %d and the plan has %d hosts: they can't all copy at once. Use --forks %d"
                % (forks, len(meta["hosts"]), len(meta["hosts"]))
            )
        follower = Follower(self, dispatcher, host, lease, enough)
        # In a second round every host that still has not begun is one that won't.
        follower.absent = queries.has_begun(store, host)
        before = queries.sums(store, host)
        dispatcher.start()
        dispatcher.record_left_out(left_out)
        answer: dict[str, Any] = {}
        arguments = dict(
            options,
            run_dir=meta["run_dir"],
            _verify=meta["verify"],
            bandwidth_limit=str(options["bandwidth_limit"] // len(meta["hosts"])),
        )
        try:
            closing = follower.run(self.MODULE, arguments, variables)
            dispatcher.end(HostState.DONE)
            dispatcher.record_left_out(closing["left_out"])
            answer["warnings"] = [
                f"{host}: {LeftOut(**mount)!s} was left out, and its work done over the other mounts"
                for mount in closing["left_out"]
            ]
        except (Lost, AnsibleConnectionFailure) as error:
            # Its lease has run out, so its part is free for the others, which will finish it.
            dispatcher.end(HostState.DEAD, str(error))
            answer["warnings"] = [f"{host} was lost, its work goes to the others: {error}"]
            answer["lost"] = True
            progress.send(stage="copy", host=host, state="dead")
        except BaseException as error:
            dispatcher.end(HostState.FAILED, str(error))
            raise
        sums = Counts(*map(sub, queries.sums(store, host), before))
        answer.update(sums._asdict())
        # Ansible takes "skipped" itself for a task that was not run.
        answer.update(
            failed_items=answer.pop("failed"),
            skipped_items=answer.pop("skipped"),
            changed=sums.changed > 0,
        )
        if sums.failed and not tolerate:
            answer.update(
                failed=True,
                msg="%d items failed on %s: see the table failures in %s"
                % (sums.failed, host, os.path.join(meta["run_dir"], "plan.db")),
            )
        return answer
