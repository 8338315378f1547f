# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run owns its folder on the controller, from before the scan to after the report.

Each task of a playbook is a process of its own, so the owner is the playbook's process: its number
and start time are in ``owner.json``, read and written under flock(2). The owner's death is known at
once on the same machine; of another machine's (or container's) owner, by its silence.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import multiprocessing
import os
import secrets
import socket
import threading
import time
from typing import Callable, Iterator, NamedTuple

from ansible_collections.scaleout.ingest.plugins.module_utils.core.clock import boot
from ansible_collections.scaleout.ingest.plugins.module_utils.core.errors import IngestError
from ansible_collections.scaleout.ingest.plugins.plugin_utils.stopped import Stopped, in_order

FILE = "owner.json"
PACKAGE = ".package-"  # what is on its way to a host begins so
SILENCE = 90.0  # s without a sign of an owner whose process can't be seen from here
_SIGN = 10.0  # s between an owner's signs


class Owner(NamedTuple):
    """A process, such that no other one is ever taken for it."""

    host: str
    boot: str  # the machine's boot and its namespace of process numbers, where those are known
    pid: int
    started: str


def this_playbook() -> Owner:
    """The process of the playbook that runs this task."""
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent else os.getpid()
    return Owner(socket.gethostname(), _boot(), pid or 0, started(pid or 0) or "")


def _boot() -> str:
    try:
        return f"{boot()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return boot()


def started(pid: int) -> str | None:
    """When a process of this machine began, in a form that only compares; None: there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")
    except (OSError, IndexError):
        pass
    if os.path.isdir("/proc/self"):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ""


def alive(owner: Owner) -> bool | None:
    """Whether the owner's process is there; None if that can't be seen from here."""
    if (owner.host, owner.boot) != (socket.gethostname(), _boot()):
        return None
    return started(owner.pid) == owner.started


def make(folder: str) -> None:
    """Make a run folder, which only this user may enter, if there is none. Raises IngestError."""
    try:
        with private():
            os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise IngestError(f"run_dir '{folder}' can't be made: {error.strerror}") from error


@contextlib.contextmanager
def owned(
    folder: str, say: Callable[[str], None], last: bool = False, silence: float = SILENCE
) -> Iterator[str]:
    """The run folder belongs to this playbook; with ``last`` it is given back at the end of the
    block, otherwise when the playbook ends, or is told to stop. ``say`` hears why it takes long.
    A folder that is missing is nobody's.

    Yields a number (hexadecimal) that no other run folder has, and that this one keeps.
    Raises IngestError: another run owns it, or it can't be written.
    """
    if not os.path.isdir(folder):
        yield ""
        return
    me = this_playbook()  # asked before it may be dead
    number = _take(folder, me, say, silence)
    ended = threading.Event()
    signs = threading.Thread(target=_give_signs, args=(folder, ended), daemon=True)
    signs.start()
    with in_order():
        try:
            yield number
        except Stopped:
            last = True  # the next run need not ask whether this one lives
            raise
        finally:
            ended.set()
            signs.join()
            if last:
                _give_back(folder, me)


@contextlib.contextmanager
def private() -> Iterator[None]:
    """Files that are made in the block are for this user only: names are in them."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _take(folder: str, me: Owner, say: Callable[[str], None], silence: float) -> str:
    seen, since, told = None, time.monotonic(), False
    while True:
        with _record(folder) as record:
            number, owner = _read(record)
            if owner == me:
                return number
            found = alive(owner) if owner else None
            sign = os.fstat(record).st_mtime_ns
            seen = sign if seen is None else seen
            quiet = sign == seen and time.monotonic() - since > silence
            if not owner or found is False or (found is None and quiet):
                if owner:
                    _sweep(folder)
                _write(record, number, me)
                return number
        if found or sign != seen:
            raise IngestError(
                f"another run is at work in {folder} (process {owner.pid} on {owner.host}): "
                "wait for it, or use another ingest_run_dir"
            )
        if not told:
            say(
                f"{folder} belonged to process {owner.pid} on {owner.host}, which can't be seen "
                f"from here: waiting {silence:.0f} s for a sign of it"
            )
            told = True
        time.sleep(min(1.0, silence / 10))


@contextlib.contextmanager
def _record(folder: str) -> Iterator[int]:
    path = os.path.join(folder, FILE)
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise IngestError(
            f"ingest_run_dir '{folder}' can't be written: {error.strerror}"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    except OSError as error:
        raise IngestError(f"{path} can't be locked or written: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _read(record: int) -> tuple[str, Owner | None]:
    """The folder's number, and its owner if it has one."""
    try:
        found = json.loads(os.pread(record, 4096, 0))
        return str(found["folder"]), Owner(**found["owner"]) if found["owner"] else None
    except (ValueError, TypeError, KeyError):
        return secrets.token_hex(8), None  # new, or left by a write that failed


def _write(record: int, number: str, owner: Owner | None) -> None:
    text = json.dumps({"folder": number, "owner": owner._asdict() if owner else None})
    os.ftruncate(record, 0)
    os.pwrite(record, text.encode("ascii"), 0)


def _give_back(folder: str, me: Owner) -> None:
    with contextlib.suppress(IngestError), _record(folder) as record:
        number, owner = _read(record)
        if owner == me:
            _write(record, number, None)


def _give_signs(folder: str, ended: threading.Event) -> None:
    while not ended.wait(_SIGN):
        with contextlib.suppress(OSError):
            os.utime(os.path.join(folder, FILE))


def _sweep(folder: str) -> None:
    """What the last owner had on its way when it died."""
    for name in os.listdir(folder):
        if name.startswith(PACKAGE):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))
