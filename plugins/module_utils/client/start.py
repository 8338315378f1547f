# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the copy module does on a client: settings from options, one export, one job."""

from __future__ import annotations

import os
from typing import Any, Callable, Sequence

from ..core.allowance import Allowance
from ..core.background import Status, detach
from ..core.errors import IngestError
from ..core.paths import display, to_bytes
from ..fs.worker_count import chunk_for, most_for, workers, workers_for
from ..mounts.left_out import LeftOut
from ..mounts.probes import answering
from ..mounts.same_export import make
from ..scan.selection import Selection
from .destination_lock import NAME, Lock, Member, take
from .lock_keeper import Keeper
from .options import CopyOptions, RsyncOptions
from .runner import Runner
from .settings import Settings
from .work_folder import Job, Scanning, lost_hosts

Configure = Callable[[RsyncOptions, Settings, bool], Settings]
Scanners = Callable[[CopyOptions, Settings], Scanning]


def settings(options: CopyOptions, destinations: Sequence[str]) -> Settings:
    """What the options mean on this host, over these mounts. Raises IngestError."""
    source = to_bytes(options.source)
    mounts = tuple(to_bytes(path) for path in destinations)
    wanted, paths = workers(options.workers), (source, *mounts)
    processes, threads = workers_for(paths, wanted, len(mounts))
    # One rsync is a process of its own, and takes long.
    limited = bool(options.budget.bytes or options.budget.files or options.rsync)
    return Settings(
        source,
        mounts,
        options.preserve,
        processes,
        threads,
        Allowance(*options.budget),
        options.fsync,
        options.verify == "checksum",
        *chunk_for(threads),
        repair=options.repair,
        selection=Selection.from_meta(options.selection),
        second_pass=options.verify != "none",
        compared=options.compared,
        most=most_for(paths, wanted, limited),
        verify_all=options.verify_all,
        retries=options.retries,
    )


def check_mounts(wanted: Settings) -> None:
    """Make the destination if it is missing, and make sure that the mounts are still what the
    preflight proved them to be. Raises IngestError."""
    if not os.path.isdir(wanted.source):
        raise IngestError(f"'{display(wanted.source)}' is not a directory on this host")
    make(wanted.destinations)


def start(
    options: CopyOptions, configure: Configure | None = None, scanners: Scanners | None = None
) -> dict[str, Any]:
    """Start the job in the work folder, and return its first status. A mount that does not answer
    is left out. ``configure`` adds what another method than the engine's needs, ``scanners`` what a
    plan needs that grows. Raises IngestError."""
    # Over before the controller gives this host up, so that no item is written twice at once.
    status = Status(options.work, options.lease * 0.7)
    destinations, silent = answering(options.source, options.destinations)
    wanted = settings(options, destinations)
    check_mounts(wanted)
    if configure and options.rsync:
        wanted = configure(options.rsync, wanted, options.workers == "auto")
    os.umask(0o077)
    found = detach(lambda: run(options, wanted, status, silent, scanners), status, 0.0)
    if found["state"] == "failed":
        raise IngestError(found["msg"])
    return found


def run(
    options: CopyOptions,
    wanted: Settings,
    status: Status,
    silent: Sequence[LeftOut] = (),
    scanners: Scanners | None = None,
) -> dict[str, Any]:
    """Serve the work folder until the controller says that it is enough. ``silent`` are mounts that
    are left out from the start. Raises IngestError."""
    notes: list[str] = []
    # Before the workers, which keep it alive as long as one of them lives.
    keeper = _lock(options, wanted, status, notes)
    try:
        runner = Runner(wanted, options.stall_timeout)
        runner.left_out.update((to_bytes(mount.mount), mount) for mount in silent)

        def check() -> None:
            status.check_lease()
            if keeper:
                keeper.check(runner.left_out)

        scanner = scanners(options, wanted) if scanners else None
        return dict(Job(status, runner, check, scanner).run(), notes=notes)
    finally:
        if keeper:
            keeper.leave(lost_hosts(status.folder))


def _lock(
    options: CopyOptions, wanted: Settings, status: Status, notes: list[str]
) -> Keeper | None:
    """Lock the destination, if that is wanted and can be. Raises IngestError."""
    if not options.destination_lock:
        return None
    if os.path.lexists(os.path.join(wanted.source, NAME)):
        notes.append(
            f"the source has an entry '{display(NAME)}' of its own, "
            "so the destination is not locked"
        )
        return None
    member = Member(options.run, options.entry, options.host, options.run_dir, options.lease)

    told = False

    def wait(reason: str) -> None:
        nonlocal told
        status.check_lease()
        status.write("running", waits=reason)
        if not told:
            status.ring()
        told = True

    take(Lock(wanted.destinations[0], member), wait)
    return Keeper(wanted.destinations, member)
