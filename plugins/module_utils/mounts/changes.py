# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be mounted on this host, and what came of it."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Sequence

from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..fs.mount_table import fstab, host_of, mounted
from . import addresses
from .addresses import Mount
from .left_out import LeftOut, listing
from .probes import THOROUGH, Look, Question, mount_silence
from .rpc import server, silence
from .wanted import Fstab, WantedMounts

_NFS = "mount.nfs: "
# The last line where rpc.statd is missing, up to RHEL 9.
_VAGUE = "an incorrect mount option was specified"
Todo = List[Dict[str, str]]
Outcome = Sequence[Mapping[str, Any]]


class State:
    """What the module answers."""

    def __init__(self) -> None:
        self.mounts: list[Mount] = []  # all that are wanted
        self.todo: Todo = []
        self.usable: list[str] = []  # the cluster's mounts that are there and answer, or will be
        self.left_out: list[LeftOut] = []
        self.busy: list[dict[str, Any]] = []
        self.stale: list[Mount] = []  # to be detached, as their servers are dead
        self.warnings: list[str] = []


def needed(wanted: WantedMounts, host: str = "this host") -> State:
    """What has to be mounted.

    Raises:
        IngestError: an address means nothing, something else is mounted or configured on a path,
            the source does not answer, or no address of the cluster does.
    """
    state = State()
    wanted, state.warnings = wanted.for_kernel(os.uname().release)
    now, configured = mounted(), fstab()
    state.mounts = wanted.mounts(now, configured)
    silent = _silent(wanted, state.mounts, now)
    for mount in state.mounts:
        if mount.path not in silent:
            state.todo += _change(mount, wanted.persistent, now, configured)
    _leave_out(wanted, state, silent, host)
    return state


def settled(
    wanted: WantedMounts,
    outcome: Outcome,
    left_out: Sequence[LeftOut] = (),
    host: str = "this host",
) -> State:
    """What is mounted now that M(ansible.posix.mount) has tried.

    Args:
        outcome: its answers.
        left_out: what :func:`needed` left out.

    Raises:
        IngestError: the source is not mounted, or no address of the cluster.
    """
    state = State()
    now = mounted()
    wanted, dummy = wanted.for_kernel(os.uname().release)  # warned of by needed()
    state.mounts = wanted.mounts(now, fstab())
    state.left_out = list(left_out)
    before = {mount.mount for mount in left_out}
    why = reasons(outcome)
    missing = [
        mount.path for mount in state.mounts if mount.path not in now and mount.path not in before
    ]
    _leave_out(wanted, state, {path: why.get(path) or "is not mounted" for path in missing}, host)
    return state


def reasons(outcome: Outcome) -> dict[str, str]:
    """Why M(ansible.posix.mount) failed, by mount point."""
    return {
        entry["item"]["path"]: _reason(str(entry.get("msg") or ""), entry["item"]["path"])
        for entry in outcome
    }


def _reason(said: str, path: str) -> str:
    """What mount.nfs says, as "mount.nfs: access denied by server …", in one line and without what
    mount and systemd say around it."""
    lines = [line.strip() for line in said.replace(f"Error mounting {path}: ", "").splitlines()]
    theirs = [line[len(_NFS) :] for line in lines if line.startswith(_NFS)]
    if len(theirs) > 1 and theirs[-1] == _VAGUE:
        del theirs[-1]
    if theirs:
        return _NFS + " ".join(theirs)
    lines = [line for line in lines if line and not line.startswith("dmesg(1)")]
    return lines[-1] if lines else ""


def _leave_out(wanted: WantedMounts, state: State, bad: dict[str, str], host: str) -> None:
    """Tell the usable mounts from the others, ``bad`` with why they are."""
    before = {mount.mount for mount in state.left_out}
    for mount in state.mounts:
        why = bad.get(mount.path)
        if wanted.source_address and mount is state.mounts[0]:
            if why is not None:
                raise IngestError(
                    f"{host}: the source {mount.src} can't be used at {mount.path}: {why}"
                )
        elif why is not None:
            gone = LeftOut(mount.path, mount.src, host_of(mount.src), why)
            state.left_out.append(gone)
            state.warnings.append(f"{host}: {gone!s} is left out")
        elif mount.path not in before:
            state.usable.append(mount.path)
    if state.left_out and not state.usable:
        raise IngestError(
            f"{host}: no address of the cluster can be used: {listing(state.left_out)}"
        )


def _silent(wanted: WantedMounts, mounts: list[Mount], now: dict[str, str]) -> dict[str, str]:
    """Why servers or mounts do not answer, by mount point; all are asked at the same time."""
    questions: dict[bytes, Question] = {}
    for mount in mounts:
        question = _question(mount, mount.path in now, float(wanted.timeout))
        if question:
            questions[to_bytes(mount.path)] = question
    answers = Look(questions, THOROUGH + wanted.timeout).wait()
    return {
        mount.path: answers[to_bytes(mount.path)]
        for mount in mounts
        if answers.get(to_bytes(mount.path))
    }


def _question(mount: Mount, there: bool, seconds: float) -> Question | None:
    if there:
        return lambda: mount_silence(to_bytes(mount.path), True)
    where = server(host_of(mount.src), addresses.parsed(mount.opts))
    return (lambda: silence(where, seconds)) if where and seconds else None


def _change(mount: Mount, persistent: bool, now: dict[str, str], configured: Fstab) -> Todo:
    known = configured.get(mount.path)
    right = known is not None and known[0] == mount.src and known[2] == mount.opts
    if right or not persistent:
        if mount.path in now:
            return []
        # Of a server that answers a call nothing is to be waited for: else it is two minutes.
        once = mount.opts if "retry" in addresses.parsed(mount.opts) else mount.opts + ",retry=0"
        return [dict(mount._asdict(), opts=once, state="ephemeral")]
    # Another state would unmount what is there to give it new options.
    return [dict(mount._asdict(), state="present" if mount.path in now else "mounted")]
