# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run folder holds a run that was not brought to its end, and what of it is still good.

A scan that is complete is not done again, nor is a plan made again that is not done, as long as
nothing was said that makes it another one. A run that was reported when all was done is over: its
folder begins anew.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import Any, Iterable, Mapping, NamedTuple

from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.core.paths import (
    display,
    to_bytes,
    to_text,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.index.parts import complete
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.queries import is_done
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.plugin_utils.started_from import absolute

RESUME = ("auto", "never")
_PLANNED = (
    "method", "split", "min_depth", "max_depth", "verify", "verify_all", "extra", "shard_items",
    "shard_bytes", "range_threshold", "range_size", "items", "query", "destinations",
)  # fmt: skip
_SCANNED = ("include", "exclude", "globs", "one_file_system")
_REFUSED = "scan.refused"


class Found(NamedTuple):
    """What a run folder has: what the scan and the plan noted (None: there is no complete one), and
    whether the plan is done."""

    scan: dict[str, Any] | None
    plan: dict[str, Any] | None
    done: bool = False

    @property
    def planned(self) -> bool:
        """Whether the plan is of this scan, and of a run that copies."""
        return (
            self.scan is not None
            and self.plan is not None
            and self.plan.get("created") == self.scan.get("started")
            and not self.plan.get("check")
        )

    @property
    def over(self) -> bool:
        """Whether nothing is left of the run, not even its report."""
        if self.plan is None or self.scan is None:
            return False
        if self.plan.get("created") != self.scan.get("started"):
            return False  # the scan is a newer one
        return bool(self.plan.get("check") or (self.done and self.plan.get("reported")))


def found(folder: str) -> Found:
    """What is in a run folder. What can't be read is not there: it is made again."""
    scan = plan = None
    done = False
    with contextlib.suppress(IngestError):
        scan = complete(os.path.join(folder, "index")).meta
    try:
        with PlanStore.open(os.path.join(folder, "plan.db")) as store:
            plan, done = store.meta(), is_done(store)
    except (IngestError, sqlite3.Error):
        plan = None
    return Found(scan, plan, done)


def refuse(folder: str) -> None:
    """What was scanned can't be planned: whoever mends the source wants it scanned again."""
    with contextlib.suppress(OSError), open(os.path.join(folder, _REFUSED), "w", encoding="ascii"):
        pass


def is_refused(folder: str) -> bool:
    """Whether :func:`refuse` said so, since the last :func:`scan_anew`."""
    return os.path.lexists(os.path.join(folder, _REFUSED))


def scan_anew(folder: str) -> None:
    """The next scan has not been refused."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(folder, _REFUSED))


def failed_run(folder: str, check_mode: bool) -> Found:
    """What is in the folder of a run of which only what failed is to be tried again. Raises
    IngestError: there is none, or it is not done."""
    state = found(folder)
    if check_mode:
        raise IngestError(
            "retry_failed: in check mode the failures would be forgotten: leave it out"
        )
    if state.plan is None or not state.planned:
        raise IngestError(f"retry_failed: there is no run in {folder}, or no scan of it any more")
    if not state.done:
        raise IngestError(
            f"retry_failed: the run in {folder} is not done: without ingest_retry_failed it goes on"
        )
    return state


def scan_differs(meta: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """The variable that makes a scan with these options of the module ``manifest`` another one than
    the one that noted ``meta``, what it was and what it is; "" if there is none."""
    pairs = [
        ("source", _path(meta.get("source")), _path(to_text(to_bytes(options["source"])))),
        *((name, meta.get(name), _texts(options[name])) for name in _SCANNED),
    ]
    # A destination that was empty was not compared either, whatever was said.
    if meta.get("compared") is not None and not options["compare_to"]:
        pairs.append(("compare", "auto", "never"))
    return _first(pairs)


def plan_differs(meta: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """The same of a plan; ``asked`` is what :func:`asked` has of the options now."""
    before = meta.get("asked") or {}
    pairs = [
        (name, before.get(name), value) for name, value in asked.items() if name != "destinations"
    ]
    was, now = before.get("destinations") or [], asked["destinations"]
    # A mount may be left out today, or may have been.
    if not set(was) & set(now):
        pairs.append(("destinations", was, now))
    return _first(pairs)


def asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """What of the options of the module ``plan`` makes a plan what it is."""
    known = {name: options[name] for name in _PLANNED}
    known["preserve"] = sorted(options["preserve"])
    known["diff"] = options["diff"] and absolute(options["diff"])
    if options["method"] != "copy":
        known["rsync_options"] = options["rsync_options"]
    return known


def wanted(stage: str, options: Mapping[str, Any], variables: Mapping[str, Any]) -> bool:
    """Whether to go on, as far as that is not up to the folder: a stage that was asked for by its
    tag is done."""
    tags = set(variables.get("ansible_run_tags") or ())
    return options["resume"] != "never" and not tags & {"scan", stage}


def when(moment: float) -> str:
    """A time (epoch s) as people read it here."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def _first(pairs: Iterable[tuple[str, Any, Any]]) -> str:
    for name, was, now in pairs:
        if was != now:
            return f"ingest_{name} was {_shown(was)} and is {_shown(now)}"
    return ""


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_shown(each) for each in value) + "]"
    return f"'{display(to_bytes(value))}'" if isinstance(value, str) else str(value)


def _path(text: Any) -> str:
    return str(text or "").rstrip("/") or "/"


def _texts(value: Any) -> Any:
    return [to_text(to_bytes(each)) for each in value] if isinstance(value, list) else value
