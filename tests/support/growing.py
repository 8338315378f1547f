# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that grows, on one machine without Ansible: hosts that take turns at scanning."""

from __future__ import annotations

import os
import tarfile
import time
from typing import Any, Sequence

from ansible_collections.scaleout.ingest.plugins.module_utils.core.vocabulary import PRESERVE
from ansible_collections.scaleout.ingest.plugins.module_utils.overlap.piece_work import (
    ScanWork,
    Task,
    do,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.gather import gather
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.growing import (
    FOLDER,
    Scans,
    begin,
    name_of_piece,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.planner import Limits
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore


def start(
    run_dir: str,
    source: bytes,
    destination: bytes,
    hosts: Sequence[str] = ("a", "b"),
    compare: bool = False,
    split: str = "dynamic",
    limits: Limits = Limits(),
    preserve: Sequence[str] = PRESERVE,
    verify: str = "metadata",
    verify_all: bool = False,
    min_depth: int | None = None,
    max_depth: int | None = None,
    **scan: Any,
) -> str:
    """A plan that begins with the scan; its path."""
    os.makedirs(os.path.join(run_dir, FOLDER), exist_ok=True)
    path = os.path.join(run_dir, "plan.db")
    options = dict.fromkeys(
        ("include", "exclude", "globs", "one_file_system", "granularity", "workers", "threads")
    )
    options.update({name: _text(value) for name, value in scan.items()}, compare=compare)
    begin(
        path,
        hosts,
        split,
        limits,
        1,
        verify,
        verify_all,
        "report",
        min_depth,
        max_depth,
        options,
        kept=sorted(preserve),
        source=os.fsdecode(source),
        destinations=[os.fsdecode(destination)],
        created=time.time(),
        started=time.time(),
        run_id=os.path.basename(run_dir),
        run_dir=run_dir,
        method="copy",
        check=False,
    )
    return path


def _text(value: Any) -> Any:
    return [os.fsdecode(each) for each in value] if isinstance(value, (list, tuple)) else value


def scanned(store: PlanStore, host: str, run_dir: str, most: int = 1) -> int:
    """One host does some scan shards; returns how many it had."""
    meta = store.meta()
    folder = os.path.join(run_dir, "of-" + host)
    os.makedirs(folder, exist_ok=True)
    work = ScanWork.of(meta, meta["source"], meta["destinations"][0], folder)
    scans = Scans(store, host)
    claimed = scans.claim(most)
    for header, data in claimed:
        packed = do(Task(header.id, data), work)
        bring(scans, header.id, os.path.join(folder, packed.name), run_dir)
    return len(claimed)


def bring(scans: Scans, shard: int, pack: str, run_dir: str) -> bool:
    """Record what a host packed."""
    folder = os.path.join(run_dir, FOLDER)
    name = name_of_piece(shard)
    with tarfile.open(pack) as archive:
        archive.extract("index.db", folder)
        archive.extract("plan.db", folder)
    os.replace(os.path.join(folder, "index.db"), os.path.join(folder, name))
    return scans.record(shard, os.path.join(folder, "plan.db"), name)


def gathered(store: PlanStore, host: str, run_dir: str) -> None:
    """One host ends the scan."""
    scans = Scans(store, host)
    shard = scans.claim_gathering()
    assert shard is not None
    gather(store, scans, shard, run_dir, lambda index: None)


def scan_all(run_dir: str, path: str, hosts: Sequence[str] = ("a", "b")) -> None:
    """All is scanned and planned, by hosts in turn."""
    with PlanStore.open(path) as store:
        while sum(scanned(store, host, run_dir) for host in hosts):
            pass
        gathered(store, hosts[0], run_dir)
