# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan, made on the controller."""

from __future__ import annotations

import os
import secrets
import time
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.copy.rsync.options import (
    keeps_the_meaning,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import to_bytes
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import (
    EXTRA,
    PRESERVE,
    SPLITS,
    VERIFY,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.worker_count import waits
from ansible_collections.scaleout.ingest.plugins.module_utils.index.reader import Index
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.again import go_on
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.choose import (
    FAILED_ALONE,
    ITEMS,
    Wanted,
    choose,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.copy_commands import (
    write_commands,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.growing import begin
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, Plan, plan
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.results import shards_done
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.module_utils.report.earlier import (
    earlier,
    estimate,
)
from ansible_collections.scaleout.ingest.plugins.plugin_utils import growth, resume
from ansible_collections.scaleout.ingest.plugins.plugin_utils.budget import forget
from ansible_collections.scaleout.ingest.plugins.plugin_utils.fitting import misfits
from ansible_collections.scaleout.ingest.plugins.plugin_utils.on_controller import OnController
from ansible_collections.scaleout.ingest.plugins.plugin_utils.resume import RESUME
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import make, owned, private
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute
from ansible_collections.scaleout.ingest.plugins.plugin_utils.variables import at_least, mebibytes
from ansible_collections.scaleout.ingest.plugins.plugin_utils.version import collection_version

_LIMITS = Limits()
ARGUMENTS = {
    "run_dir": {"type": "path", "required": True},
    "source": {"type": "str", "required": True},
    "destinations": {"type": "list", "elements": "str", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "method": {"type": "str", "default": "copy"},
    "split": {"type": "str", "choices": list(SPLITS), "default": SPLITS[0]},
    "min_depth": {"type": "int"},
    "max_depth": {"type": "int"},
    "preserve": {
        "type": "list",
        "elements": "str",
        "choices": list(PRESERVE),
        "default": list(PRESERVE),
    },
    "verify": {"type": "str", "choices": list(VERIFY), "default": "metadata"},
    "verify_all": {"type": "bool", "default": False},
    "extra": {"type": "str", "choices": list(EXTRA), "default": EXTRA[0]},
    "shard_items": {"type": "int", "default": _LIMITS.items},
    "shard_bytes": {"type": "int", "default": _LIMITS.bytes},
    "range_threshold": {"type": "int", "default": _LIMITS.range_threshold},
    "range_size": {"type": "int", "default": _LIMITS.range_size},
    "copy_commands": {"type": "bool", "default": False},
    "items": {"type": "str", "choices": list(ITEMS)},
    "query": {"type": "str"},
    "diff": {"type": "path"},
    "holds": {"type": "dict"},
    "check_space": {"type": "bool", "default": True},
    "nodes": {"type": "int", "default": 0},
    "rsync_options": {"type": "list", "elements": "str", "default": []},
    "resume": {"type": "str", "choices": list(RESUME), "default": "never"},
    "retry_failed": {"type": "bool", "default": False},
    "overlap": {"type": "bool", "default": False},
    "scan": {"type": "dict"},
}
# As of the variables that they come from.
_MEANINGS = {
    "shard_items": at_least(1),
    "shard_bytes": at_least(1),
    "range_threshold": at_least(0),
    "range_size": mebibytes,
}


class ActionModule(OnController):
    """Reads index/, writes plan.db. Touches no host."""

    ARGUMENTS = ARGUMENTS

    def act(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """See :class:`.OnController`."""
        folder = absolute(options["run_dir"])
        _check(options)
        if options["overlap"]:
            make(folder)
        with owned(folder, self._display.warning), private():
            if options["overlap"]:
                return self._grow(folder, options, variables)
            try:
                return self._go_on(folder, options, variables) or self._plan(folder, options)
            except IngestError:
                resume.refuse(folder)
                raise

    def _go_on(
        self, folder: str, options: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        """What is in the plan that the folder has, if that is still good. Raises IngestError."""
        if options["retry_failed"]:
            resume.failed_run(folder, bool(self._task.check_mode))
            return {}
        if self._task.check_mode or not resume.wanted("plan", options, variables):
            return {}
        found = resume.found(folder)
        if not found.planned or found.over or found.plan is None:
            return {}
        differs = resume.plan_differs(found.plan, resume.asked(options))
        if differs:
            self._display.warning(
                f"{differs}: the plan in {folder} is not gone on with, a new one is made"
            )
            return {}
        return self._resume(folder, found.plan, options)

    def _resume(
        self, folder: str, planned: dict[str, Any], options: dict[str, Any]
    ) -> dict[str, Any]:
        """Go on with the plan of the folder. Raises IngestError."""
        with PlanStore.open(os.path.join(folder, "plan.db")) as store:
            store.keep_safe(waits(os.fsencode(folder)))
            done, total = shards_done(store)
            made = go_on(store, options["hosts"])
        self._display.display(
            f"{folder} has a plan, of {resume.when(planned['started'])}, of which {done} of "
            f"{total} shards are done: it goes on (ingest_resume=never scans and plans anew)",
            stderr=True,
        )
        chosen = planned.get("chosen")
        return {**({"chosen": chosen} if chosen else {}), **_planned(made), "resumed": True}

    def _grow(
        self, folder: str, options: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        """A plan that begins with the scan, or goes on with what of that is done. Raises
        IngestError."""
        scan = options["scan"] or {}
        scan["granularity"] = (options["holds"] or {}).get("granularity", 1)
        found = resume.found(folder)
        if found.plan is not None and not (found.done and found.plan.get("reported")):
            same = found.plan.get("scan") == scan and not resume.plan_differs(
                found.plan, resume.asked(options)
            )
            if same and resume.wanted("plan", options, variables):
                return self._resume(folder, found.plan, options)
        if options["holds"]:
            growth.check_names(options["holds"])
        forget(folder)
        growth.prepare(folder)
        begun = time.time()
        begin(
            os.path.join(folder, "plan.db"),
            options["hosts"],
            options["split"],
            _limits(options),
            len(options["destinations"]),
            options["verify"],
            options["verify_all"],
            options["extra"],
            options["min_depth"],
            options["max_depth"],
            scan,
            waits(os.fsencode(folder)),
            created=begun,
            started=begun,
            **{name: options[name] for name in ("holds", "check_space", "nodes")},
            **self._noted(folder, options),
        )
        return {"item_count": 0, "changed": False}

    def _noted(self, folder: str, options: dict[str, Any]) -> dict[str, Any]:
        """What every plan.db notes."""
        return {
            "run_id": os.path.basename(folder),
            "token": secrets.token_hex(16),
            "run_dir": folder,
            "method": options["method"],
            "kept": sorted(options["preserve"]),
            "source": options["source"],
            "destinations": options["destinations"],
            "check": bool(self._task.check_mode),
            "version": collection_version(),
            "asked": resume.asked(options),
        }

    def _plan(self, folder: str, options: dict[str, Any]) -> dict[str, Any]:
        """Write plan.db; what is in it. Raises IngestError."""
        result: dict[str, Any] = {}
        forget(folder)
        wanted = FAILED_ALONE if options["retry_failed"] else _wanted(options)
        choice = choose(wanted, folder)
        warnings = choice.warnings + _fits(choice.folder, options)
        if warnings:
            result["warnings"] = warnings
        if choice.noted:
            result["chosen"] = choice.noted
        done = plan(
            choice.folder,
            os.path.join(folder, "plan.db"),
            options["hosts"],
            options["split"],
            options["min_depth"],
            options["max_depth"],
            _limits(options),
            len(options["destinations"]),
            options["preserve"],
            options["verify"],
            options["verify_all"],
            options["extra"],
            _leaves_out(options) and not options["retry_failed"],
            waits(os.fsencode(folder)),
            created=_scan_started(folder),
            started=time.time(),
            **self._noted(folder, options),
            **({"chosen": choice.noted} if choice.noted else {}),
        )
        runs = earlier(folder, options["destinations"], time.time())
        expected = estimate(done.files, done.bytes, len(options["hosts"]), options["method"], runs)
        if expected:
            result["estimate"] = expected.to_json()
        if options["copy_commands"]:
            result["copy_commands"] = _write_commands(choice.folder, folder, options)
        return {**result, **_planned(done)}


def _limits(options: dict[str, Any]) -> Limits:
    return Limits(
        options["shard_items"],
        options["shard_bytes"],
        # Ranges are the engine's; rsync takes whole files.
        options["range_threshold"] if options["method"] == "copy" else 0,
        options["range_size"],
    )


def _planned(made: Plan) -> dict[str, Any]:
    """What is said of a plan."""
    counts = made._asdict()
    return {"item_count": counts.pop("items"), **counts, "changed": False}


def _old(compared: dict[str, Any] | None, finished: float) -> str | None:
    """A warning of a comparison that has been overtaken, perhaps; ``finished`` in epoch s."""
    hours = (time.time() - finished) / 3600
    if not compared or hours < 1:
        return None
    return (
        f"the source was compared with the destination {hours:.1f} hours ago, and what was right "
        "then is not looked at again: scan again, or set ingest_verify to checksum"
    )


def _leaves_out(options: dict[str, Any]) -> bool:
    """Whether what a scan found to be right needs nothing of the method either."""
    if options["method"] == "copy":
        return True
    return options["verify"] != "checksum" and keeps_the_meaning(options["rsync_options"])


def _check(options: dict[str, Any]) -> None:
    _wanted(options)
    for name, check in _MEANINGS.items():
        try:
            check(options[name])
        except IngestError as error:
            raise IngestError(f"{name}: {error}") from error


def _wanted(options: dict[str, Any]) -> Wanted:
    """Which items are to be planned."""
    diff = options["diff"] and absolute(options["diff"])
    return Wanted.of(options["items"], options["query"], diff)


def _fits(folder: str, options: dict[str, Any]) -> list[str]:
    """Warnings of what the destination can't keep or hold; an IngestError where that is plain.
    ``folder`` has the index of what is planned."""
    index = Index(folder)
    try:
        meta = index.meta()
    finally:
        index.close()
    old = _old(meta.get("compared"), float(meta["finished"]))
    found = misfits(
        folder, options["holds"], options["preserve"], options["check_space"], options["nodes"]
    )
    return ([old] if old else []) + found


def _write_commands(chosen: str, folder: str, options: dict[str, Any]) -> list[str]:
    """The copy commands for people, for the index in ``chosen``. Returns the scripts' paths."""
    index = Index(chosen)
    try:
        return write_commands(
            index,
            folder,
            len(options["hosts"]),
            to_bytes(options["source"]),
            [to_bytes(path) for path in options["destinations"]],
            options["min_depth"],
            options["max_depth"],
        )
    finally:
        index.close()


def _scan_started(folder: str) -> float:
    """When the run began: with the scan."""
    return float(Index(os.path.join(folder, "index")).meta().get("started", time.time()))
