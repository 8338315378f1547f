# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the copy: each host's worker process gives its host its shards."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from operator import sub
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.scaleout.ingest.plugins.module_utils.client.arguments import ARGUMENTS
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.outcome import Counts
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import HostState
from ansible_collections.scaleout.ingest.plugins.module_utils.core.windows import Budget
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.worker_count import workers
from ansible_collections.scaleout.ingest.plugins.module_utils.mounts.left_out import LeftOut
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import queries
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.growing import GROWS
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.preview import preview
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.plugin_utils import budget, progress_sender
from ansible_collections.scaleout.ingest.plugins.plugin_utils.growth import Growth
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import (
    Lost,
    RemoteJob,
    TakesLosses,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import owned, this_playbook
from ansible_collections.scaleout.ingest.plugins.plugin_utils.share import Share
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute


class ActionModule(TakesLosses):
    """Claims this host's shards from plan.db, hands them over, and records what came of them."""

    TRANSFERS_FILES = False  # a temporary folder is made when it is needed, not on a dead host
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
            self._limits = budget.Limits.of(options)
            folder = absolute(options.pop("run_dir"))
            with owned(folder, self._display.warning) as self._number, PlanStore.open(
                os.path.join(folder, "plan.db")
            ) as store:
                result.update(self._share(store, host, options, variables))
        except (IngestError, sqlite3.Error) as error:
            raise AnsibleActionFail(str(error)) from error
        return result

    @staticmethod
    def _method(options: dict[str, Any]) -> str:
        """What moves the data, as the plan names it."""
        return "copy"

    def _share(
        self, store: PlanStore, host: str, options: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        """Do this host's share of a plan. Raises IngestError."""
        meta = store.meta()
        if host not in meta["hosts"]:
            raise IngestError(f"{host} is not in the plan, which has: {', '.join(meta['hosts'])}")
        _same_as_planned(meta, self._method(options), options)
        options["source"] = options["source"] or meta["source"]
        options["destinations"] = options["destinations"] or meta["destinations"]
        if self._task.check_mode:
            return preview(store, host, options["destinations"], bool(self._task.diff))
        if queries.is_done(store):
            return {"changed": False, "msg": "nothing is left to do"}
        tolerate = options.pop("tolerate_failures")
        left_out = options.pop("left_out")
        lost_host = options.pop("lost_host")
        lease = float(options["lease"])
        dispatcher = Dispatcher(store, host, lease * 1.5, options["repair"])
        dispatcher.elsewhere = options["retries"] > 0
        forks = int(context.CLIARGS.get("forks") or 5)
        enough = forks >= len(meta["hosts"])
        name = _short(f"{self._number} {host}")
        job = RemoteJob(self, host, lease, name, len(meta["hosts"]))
        growth = None
        if meta.get("grows"):
            growth = Growth(store, host, job, meta["run_dir"])
        share = Share(self, dispatcher, host, job, meta["run_dir"], enough, growth)

        def part() -> Budget:
            """This host's, of what all that are at work now may do."""
            whole = self._limits.now(meta["run_dir"])
            if not (whole.bytes or whole.files):
                return whole
            return whole.of(len(queries.hosts_at_work(store) | {host}))

        # As if all were at work; what is more is told when that is known.
        first = self._limits.now(meta["run_dir"]).of(len(meta["hosts"]))
        share.limit(part, first)
        # In a second round every host that still has not begun is one that won't.
        share.absent = queries.has_begun(store, host)
        before = queries.sums(store, host)
        dispatcher.start()
        dispatcher.record_left_out(left_out)
        answer: dict[str, Any] = {}
        arguments = dict(
            options,
            run_dir=meta["run_dir"],
            _host=host,
            _entry=_short(host),
            # One that goes on with the plan of a dead one is another run to the destination's lock.
            _run=_short(f"{meta['token']} {this_playbook()}"),
            _verify=meta["verify"],
            _verify_all=meta["verify_all"],
            _selection=meta["selection"],
            _compared=meta["compared"],
            _grows={name: meta[name] for name in GROWS} if growth else None,
            bandwidth_limit=str(first.bytes),
            file_rate_limit=str(first.files),
            _paused=first.paused,
        )
        try:
            closing = share.run(
                self.MODULE,
                arguments,
                variables,
                lambda: [_short(name) for name in queries.lost_hosts(store)],
            )
            dispatcher.end(HostState.DONE)
            dispatcher.record_left_out(closing["left_out"])
            answer["warnings"] = [
                f"{host}: {LeftOut(**mount)!s} was left out, its work done over the other mounts"
                for mount in closing["left_out"]
            ] + closing["notes"]
            answer["warnings"] += growth.warnings if growth else []
        except (Lost, AnsibleConnectionFailure) as error:
            # Its lease has run out, so its part is free for the others, which will finish it.
            dispatcher.end(HostState.DEAD, str(error))
            answer["warnings"] = [f"{host} was lost, its work goes to the others: {error}"]
            answer["lost"] = True
            progress_sender.send(stage="copy", host=host, state="dead")
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
        if answer.get("lost") and lost_host == "fail":
            answer.update(failed=True, msg=answer["warnings"][0])
        elif sums.failed and not tolerate:
            answer.update(
                failed=True,
                msg="%d items failed on %s: see the table failures in %s"
                % (sums.failed, host, os.path.join(meta["run_dir"], "plan.db")),
            )
        return answer


def _short(text: str) -> str:
    """A plain name for something with a name."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _same_as_planned(meta: dict[str, Any], method: str, options: dict[str, Any]) -> None:
    """Raises IngestError if the plan was made for something else than this task is to do.

    A host may lack some of the plan's mounts, or have some that the planning host lacked.
    """
    mounts = {*(options["destinations"] or ()), *(mount["mount"] for mount in options["left_out"])}
    for name, planned, wanted, same in (
        ("method", meta["method"], method, meta["method"] == method),
        ("source", meta["source"], options["source"], meta["source"] == options["source"]),
        (
            "destinations",
            ", ".join(meta["destinations"]),
            ", ".join(options["destinations"] or ()),
            mounts & set(meta["destinations"]),
        ),
        (
            "preserve",
            ", ".join(meta["kept"]),
            ", ".join(options["preserve"]),
            meta["kept"] == sorted(options["preserve"]),
        ),
    ):
        if wanted and not same:
            raise IngestError(
                f"{name}: the plan in {meta['run_dir']} was made for '{planned}', "
                f"not for '{wanted}': plan again, or use another run_dir"
            )
