# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan shard, done by a process of the host: listed, planned, packed for the controller."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import time
from typing import Any, Mapping, NamedTuple

from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..core.processes import Line
from ..plan.growing import PieceOptions, plan_piece
from ..scan.compare import worth_comparing
from ..scan.messages import task_of
from ..scan.options import Comparing, ScanOptions, number, processes
from ..scan.piece import first_groups, from_line, scan_piece, to_lines

ENTRIES = 100_000  # of one piece, about
INDEX, PLAN = "index.db", "plan.db"  # in a pack


class ScanWork(NamedTuple):
    """How this host scans; so many ``processes`` at once, ``folder`` is for what they find."""

    options: ScanOptions
    piece: PieceOptions
    processes: int
    folder: str

    @classmethod
    def of(cls, meta: Mapping[str, Any], source: str, destination: str, folder: str) -> ScanWork:
        """What a plan that grows says, for a host that has the source and the first of its mounts
        of the destination under these paths. Raises IngestError."""
        scan = meta["scan"]
        compare = None
        if scan["compare"]:
            kept = tuple(meta["kept"])
            compare = Comparing(to_bytes(destination), kept, scan["granularity"] or 1)
        options = ScanOptions(
            to_bytes(source),
            folder,
            workers=number(scan["workers"] or "auto", "workers"),
            threads=number(scan["threads"] or "auto", "threads"),
            include=tuple(map(to_bytes, scan["include"] or ())),
            exclude=tuple(map(to_bytes, scan["exclude"] or ())),
            globs=tuple(map(to_bytes, scan["globs"] or ())),
            one_file_system=bool(scan["one_file_system"]),
            compare=compare,
        )
        return cls(options, PieceOptions.of(dict(meta)), processes(options.workers), folder)


class Task(NamedTuple):
    """A scan shard on its way to a process; ``data`` as :meth:`.growing.Scans.claim` made it."""

    shard: int
    data: bytes


class Packed(NamedTuple):
    """A scan shard that is done: what was found is in the file ``name`` of ``size`` bytes."""

    shard: int
    name: str
    size: int
    entries: int

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"scanned": self._asdict()}


def serve(line: Line, work: ScanWork) -> None:
    """What a process does until the line ends."""
    while True:
        task: Task = line.receive()
        line.tell(do(task, work))


def do(task: Task, work: ScanWork) -> Packed:
    """List, plan, pack. Raises IngestError: what was found can't be written."""
    told, payload = task.data.split(b"\n", 1)
    said = json.loads(told)
    folder = os.path.join(work.folder, str(task.shard))
    compare = work.options.compare if said["compared"] else None
    if not payload:
        compare = worth_comparing(compare)
    found = task_of(work.options._replace(folder=folder), compare)
    groups = from_line(payload) if payload else first_groups(found)
    begun = time.monotonic()
    try:
        os.makedirs(folder, exist_ok=True)
        piece = scan_piece(found, task.shard, groups, said["seconds"], ENTRIES)
        plan = os.path.join(folder, PLAN)
        plan_piece(
            folder,
            plan,
            task.shard,
            work.piece._replace(leave_out=compare is not None),
            piece.passing,
            to_lines(piece.rest, said["pieces"]),
            {
                "compared": compare is not None,
                "matched": sorted(piece.matched),
                "threads": found.threads,
                "seconds": round(time.monotonic() - begun, 3),
            },
            piece.lost,
        )
        name = f"{task.shard}.tar.gz"
        path = os.path.join(work.folder, name)
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            archive.add(os.path.join(folder, "0.db"), INDEX)
            archive.add(plan, PLAN)
        shutil.rmtree(folder)
        entries = piece.totals.entries + piece.totals.directories
        return Packed(task.shard, name, os.path.getsize(path), entries)
    except OSError as error:
        raise IngestError(
            f"what was scanned can't be written to '{folder}': {error.strerror}"
        ) from error
