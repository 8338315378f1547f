# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a plan's growing: what was scanned becomes the index, and the rest is planned."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from typing import Any, Callable

from ..core.errors import IngestError
from ..core.paths import display, to_bytes
from ..index.assemble import assemble
from ..index.earlier import FULL
from ..index.reader import Index
from .growing import FOLDER, Scans
from .store import PlanStore

_REST = "rest.db"  # in FOLDER


def gather(
    store: PlanStore, scans: Scans, shard: int, run_dir: str, look: Callable[[str], None]
) -> None:
    """Do the shard ``shard`` that :meth:`.growing.Scans.claim_gathering` gave. ``look`` looks at
    the folder of the whole index, and may raise IngestError.

    Raises:
        IngestError: nothing matches the globs, or something can't be written.
    """
    begun = time.monotonic()
    folder = os.path.join(run_dir, FOLDER)
    index = os.path.join(run_dir, "index")
    meta = store.meta()
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one that was believed dead may still be at it
        _check_globs(meta)
        assemble(
            scans.pieces(run_dir),
            index,
            scans.vanished(),
            bool(meta["scan"]["globs"]),
            _noted(meta),
        )
        look(index)
        whole = Index(index)
        try:
            rest = os.path.join(folder, _REST)
            scans.plan_rest(whole, rest)
        finally:
            whole.close()
        if scans.record_gathering(shard, rest, time.monotonic() - begun):
            shutil.rmtree(folder)
    except OSError as error:
        raise IngestError(f"the index can't be written to '{index}': {error.strerror}") from error
    finally:
        os.close(lock)


def _noted(meta: dict[str, Any]) -> dict[str, Any]:
    """What the index notes of the scan, as one that was made at once has it."""
    scan = meta["scan"]
    matched = set(meta.get("matched", ()))
    compared = None
    if meta["compared"]:
        compared = {"destination": meta["destinations"][0], "preserve": sorted(meta["kept"])}
    return {
        "source": meta["source"],
        "include": scan["include"] or [],
        "exclude": scan["exclude"] or [],
        "globs": scan["globs"] or [],
        "unmatched_globs": [
            glob for number, glob in enumerate(scan["globs"] or ()) if number not in matched
        ],
        "one_file_system": bool(scan["one_file_system"]),
        "sums": False,
        "links": False,
        "xattrs": False,
        "compared": compared,
        "mode": FULL,
        "subtrees": [],
        "kept": 0,
        "scans": 0,
        "looked": meta["created"],
        "started": meta["created"],
        "finished": time.time(),
        "workers": len(meta["hosts"]),
        "threads": meta.get("threads", 1),
    }


def _check_globs(meta: dict[str, Any]) -> None:
    globs = meta["scan"]["globs"] or ()
    if globs and not meta.get("matched"):
        patterns = ", ".join(f"'{display(to_bytes(glob))}'" for glob in globs)
        source = display(to_bytes(meta["source"]))
        raise IngestError(f"globs: nothing in '{source}' matches {patterns}")
