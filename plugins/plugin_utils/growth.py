# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scan shards of a plan that grows: one host's, from the controller."""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import shutil
import tarfile
import threading
import zlib
from typing import Any

from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.module_utils.index.result import (
    ResultOptions,
    finish,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.index.schema import has_index
from ansible_collections.scaleout.ingest.plugins.module_utils.index.writer import clear
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.dispatch import Claimed
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.gather import gather
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.growing import (
    FOLDER,
    Scans,
    name_of_piece,
)
from ansible_collections.scaleout.ingest.plugins.module_utils.plan.store import PlanStore
from ansible_collections.scaleout.ingest.plugins.plugin_utils.fitting import misfits
from ansible_collections.scaleout.ingest.plugins.plugin_utils.remote_job import RemoteJob
from ansible_collections.scaleout.ingest.plugins.plugin_utils.run_folder import private

_AT_ONCE = 4  # MiB of what a host found that travel in one command
_AHEAD = 2  # scan shards that a host has for each process that scans
_BEGIN, _END = "scaleout-ingest-begins", "scaleout-ingest-ends"
_MEMBERS = {"index.db", "plan.db"}


class Growth:
    """Claims scan shards for a host, records what it found, and gathers it at the end."""

    def __init__(self, store: PlanStore, host: str, job: RemoteJob, run_dir: str) -> None:
        """See :class:`.share.Share`."""
        self._scans = Scans(store, host)
        self._path = store.path
        self._host = host
        self._job = job
        self._run_dir = run_dir
        self.warnings: list[str] = []
        self._with_host = 0
        self._gathering: threading.Thread | None = None
        self._failed: BaseException | None = None

    def claim(self, status: dict[str, Any]) -> list[Claimed]:
        """What this host is to scan next; ``status`` is its last word."""
        self._gather()
        most = _AHEAD * int(status.get("scanners", 1)) - self._with_host
        claimed = [Claimed(header, data) for header, data in self._scans.claim(most)]
        self._with_host += len(claimed)
        return claimed

    def left(self) -> bool:
        """Whether more may come."""
        return self._scans.left() > 0

    def take(self, said: dict[str, Any]) -> None:
        """Bring and record what the host found, of which it ``said`` where it is. Raises
        IngestError and Lost."""
        self._with_host -= 1
        shard, name, size = int(said["shard"]), str(said["name"]), int(said["size"])
        folder = os.path.join(self._run_dir, FOLDER)
        index = name_of_piece(shard)
        plan, pack = (os.path.join(folder, index + end) for end in (".plan", ".pack"))
        try:
            self._fetch(name, size, pack)
            _unpack(pack, {"index.db": os.path.join(folder, index), "plan.db": plan})
            if not self._scans.record(shard, plan, index):
                os.unlink(os.path.join(folder, index))
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise IngestError(f"what {self._host} found can't be kept: {error}") from error
        finally:
            for file in (pack, plan):
                with contextlib.suppress(OSError):
                    os.unlink(file)

    def _fetch(self, name: str, size: int, file: str) -> None:
        path = f"{self._job.folder}/found/{name}"
        with open(file, "wb") as stream:
            for at in range(0, max(size, 1), _AT_ONCE << 20):
                skip = at >> 20
                last = at + (_AT_ONCE << 20) >= size
                answer = self._job.command(
                    f"echo {_BEGIN}; dd if={path} bs=1048576 skip={skip} count={_AT_ONCE} "
                    f"2>/dev/null | base64; echo {_END}" + (f"; rm -f {path}" if last else "")
                )
                text = answer["stdout"].partition(_BEGIN)[2].partition(_END)[0]
                stream.write(base64.b64decode(text))
            if stream.tell() != size:
                raise IngestError(
                    f"what {self._host} found can't be fetched: {stream.tell()} of {size} bytes"
                )

    def _gather(self) -> None:
        """When all is scanned, one host's process makes the index and the rest of the plan, and
        goes on serving its host meanwhile. Raises IngestError."""
        if self._failed is not None:
            raise self._failed
        if self._gathering is not None and self._gathering.is_alive():
            return
        shard = self._scans.claim_gathering()
        if shard is not None:
            self._gathering = threading.Thread(target=self._do_gather, args=(shard,), daemon=True)
            self._gathering.start()

    def _do_gather(self, shard: int) -> None:
        try:
            with private(), PlanStore.open(self._path) as store:
                gather(store, Scans(store, self._host), shard, self._run_dir, self._look)
        except BaseException as error:  # pylint: disable=broad-except
            self._failed = error

    def _look(self, index: str) -> None:
        """What the plan of a tree that was scanned before is asked. Raises IngestError."""
        with PlanStore.open(self._path, readonly=True) as store:
            meta = store.meta()
        options = ResultOptions(meta["min_depth"], meta["max_depth"])
        self.warnings += finish(options, self._run_dir).get("warnings", [])
        self.warnings += misfits(
            index, meta["holds"], meta["kept"], meta["check_space"], meta["nodes"]
        )


def check_names(holds: dict[str, Any]) -> None:
    """Raises IngestError: all names must be known before the first one is made."""
    lacks = holds.get("lacks") or {}
    why = lacks.get("case") or lacks.get("forms")
    if why:
        raise IngestError(
            f"ingest_overlap: at the destination {why}, so all names must be known before anything "
            "is copied: set it to false"
        )


def prepare(run_dir: str) -> None:
    """Make the folder for what hosts find, empty; an earlier index goes. Raises IngestError."""
    folder = os.path.join(run_dir, FOLDER)
    index = os.path.join(run_dir, "index")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    except OSError as error:
        raise IngestError(f"{folder} can't be made: {error.strerror}") from error
    if has_index(index):
        clear(index)


def _unpack(pack: str, files: dict[str, str]) -> None:
    """Raises OSError, EOFError, tarfile.TarError, zlib.error and IngestError."""
    found = set()
    with gzip.open(pack, "rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            source = archive.extractfile(member) if member.isreg() else None
            if source is None or member.name not in _MEMBERS:
                raise IngestError("what a host found is no piece of a scan")
            with open(files[member.name], "wb") as target:
                shutil.copyfileobj(source, target)
            found.add(member.name)
    if found != _MEMBERS:
        raise IngestError("what a host found is not complete")
