# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole pipeline in one process tree on one machine, without Ansible: scan, plan, copy."""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Sequence

from ansible_collections.scaleout.ingest.plugins.module_utils.client.options import RsyncOptions
from ansible_collections.scaleout.ingest.plugins.module_utils.client.rsync_lines import configure
from ansible_collections.scaleout.ingest.plugins.module_utils.client.runner import Runner
from ansible_collections.scaleout.ingest.plugins.module_utils.client.settings import Settings
from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.fs.worker_count import (
    chunk_for,
    most_for,
    workers_for,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan import queries
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Dispatcher
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits, plan
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.module_utils.provision.alone import serve
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.options import Comparing
from ansible_collections.scaleout.ingest.plugins.module_utils.scan.selection import Selection
from ansible_collections.scaleout.ingest.tests.support.indexes import scan


def ingest(
    source: bytes,
    destinations: Sequence[bytes],
    run_dir: str,
    workers: object = "auto",
    preserve: tuple[str, ...] = PRESERVE,
    verify: str = "metadata",
    split: str = "round_robin",
    limits: Limits = Limits(),
    method: str = "copy",
    rsync_options: Sequence[str] = (),
    repair: bool = False,
    verify_all: bool = False,
    extra: str = "report",
    scan_workers: int | str = "auto",
    after_scan: Callable[[], None] = lambda: None,
    compare: bool = True,
    **scan_options: Any,
) -> dict[str, int]:
    """Copy a tree; the run's plan.db and index/ are in ``run_dir``. With ``compare`` the scan
    looks at the destination, too.

    Returns the sums of plan.db's results: files, directories, bytes, skipped, changed, failed
    (scan errors are failures too); and ``right``, what was left out of the plan. Raises
    IngestError.
    """
    index = os.path.join(run_dir, "index")
    path = os.path.join(run_dir, "plan.db")
    begun = time.time()
    if method != "copy":
        limits = limits._replace(range_threshold=0)
    if compare:
        scan_options["compare"] = Comparing(destinations[0], preserve)
    totals = scan(source, index, workers=scan_workers, **scan_options)
    after_scan()
    planned = plan(
        index,
        path,
        ["localhost"],
        split,
        limits=limits,
        mounts=len(destinations),
        preserve=preserve,
        verify=verify,
        verify_all=verify_all,
        extra=extra,
        run_id=os.path.basename(run_dir),
        method=method,
        source=os.fsdecode(source),
        destinations=[os.fsdecode(d) for d in destinations],
        created=begun,
        started=time.time(),
        check=False,
    )
    processes, threads = workers_for((source, *destinations), workers, len(destinations))
    settings = Settings(
        source,
        tuple(destinations),
        preserve,
        processes,
        threads,
        None,
        False,
        verify == "checksum",
        *chunk_for(threads),
    )._replace(
        selection=Selection(
            *(scan_options.get(name, ()) for name in ("include", "exclude", "globs")),
            scan_options.get("one_file_system", False),
        ),
        second_pass=verify != "none",
        verify_all=verify_all,
        repair=repair,
        most=most_for((source, *destinations), workers, method != "copy"),
    )
    if method != "copy":
        wanted = RsyncOptions(method, tuple(rsync_options), verify=verify)
        settings = configure(wanted, settings, workers == "auto")
    with PlanStore.open(path) as store:
        settings = settings._replace(compared=store.meta()["compared"])
        serve(Dispatcher(store, "localhost", 60, settings.repair), Runner(settings))
        store.set_meta(finished=time.time())
        result = dict(queries.sums(store, "localhost")._asdict())
        del result["repaired"]
        result["failed"] += totals.errors
        result["right"] = planned.right["files"]
        return result
