# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be mounted or unmounted on this host, and what came of it."""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import Any, Dict, List, Tuple

from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..fs.mount_table import fstab, mounted
from . import addresses
from .addresses import Mount
from .liveness import (
    THOROUGH,
    Look,
    Question,
    Silent,
    listing,
    look,
    mount_silence,
    server,
    silence,
)
from .users import holders, nested

_UNSEEN = "what can't be seen, such as a killed process that waits for a dead server"
_NFS = "mount.nfs: "
_VAGUE = "an incorrect mount option was specified"  # the last line where rpc.statd is missing, up to RHEL 9
Fstab = Dict[str, Tuple[str, str, str]]
Todo = List[Dict[str, str]]
# Their kernel 4.18 has both since 8.3.
_RED_HAT_8 = re.compile(r"4\.18\.0-(\d+)\..*el8")


class State:
    """What the module answers."""

    def __init__(self) -> None:
        self.mounts: list[Mount] = []  # all that are wanted
        self.todo: Todo = []
        self.usable: list[str] = []  # the cluster's mounts that are there and answer, or will be
        self.left_out: list[Silent] = []
        self.busy: list[dict[str, Any]] = []
        self.stale: list[Mount] = []  # to be detached, as their servers are dead
        self.warnings: list[str] = []


def needed(wanted: dict[str, Any], host: str = "this host") -> State:
    """What has to change, for the module's options.

    Raises:
        IngestError: an address means nothing, something else is mounted or configured on a path,
            the source does not answer, or no address of the cluster does.
    """
    now, configured = mounted(), fstab()
    if wanted["unmount"]:
        return _unmount(wanted, now, host)
    state = State()
    _adapt(wanted, state)
    state.mounts = _all(wanted, now, configured)
    silent = _silent(wanted, state.mounts, now)
    for mount in state.mounts:
        if mount.path not in silent:
            state.todo += _change(mount, wanted["persistent"], now, configured)
    _leave_out(wanted, state, silent, host)
    return state


def settled(wanted: dict[str, Any], host: str = "this host") -> State:
    """What is mounted now that M(ansible.posix.mount) has tried: the options hold its answers in
    ``outcome``, and in ``left_out`` what was left out before.

    Raises:
        IngestError: the source is not mounted, or no address of the cluster.
    """
    if wanted["unmount"]:
        return _left_mounted(wanted, host)
    state = State()
    now = mounted()
    _adapt(wanted, State())
    state.mounts = _all(wanted, now, fstab())
    state.left_out = [
        Silent(**{name: entry[name] for name in Silent._fields}) for entry in wanted["left_out"]
    ]
    before = {silent.mount for silent in state.left_out}
    said = _said(wanted["outcome"])
    missing = [
        mount.path for mount in state.mounts if mount.path not in now and mount.path not in before
    ]
    _leave_out(wanted, state, {path: said.get(path) or "is not mounted" for path in missing}, host)
    return state


def _said(outcome: list[dict[str, Any]]) -> dict[str, str]:
    """Why M(ansible.posix.mount) failed, by mount point."""
    return {
        entry["item"]["path"]: _reason(str(entry.get("msg") or ""), entry["item"]["path"])
        for entry in outcome
    }


def _reason(said: str, path: str) -> str:
    """What mount.nfs says, as "mount.nfs: access denied by server …", in one line and without what mount and
    systemd say around it."""
    lines = [line.strip() for line in said.replace(f"Error mounting {path}: ", "").splitlines()]
    theirs = [line[len(_NFS) :] for line in lines if line.startswith(_NFS)]
    if len(theirs) > 1 and theirs[-1] == _VAGUE:
        del theirs[-1]
    if theirs:
        return _NFS + " ".join(theirs)
    lines = [line for line in lines if line and not line.startswith("dmesg(1)")]
    return lines[-1] if lines else ""


def _leave_out(wanted: dict[str, Any], state: State, bad: dict[str, str], host: str) -> None:
    """Tell the usable mounts from the others, ``bad`` with why they are."""
    for mount in state.mounts:
        why = bad.get(mount.path)
        if wanted["source_address"] and mount is state.mounts[0]:
            if why is not None:
                raise IngestError(
                    f"{host}: the source {mount.src} can't be used at {mount.path}: {why}"
                )
        elif why is not None:
            gone = Silent(mount.path, mount.src, addresses.host_of(mount.src), why)
            state.left_out.append(gone)
            state.warnings.append(f"{host}: {gone!s} is left out")
        elif mount.path not in {silent.mount for silent in state.left_out}:
            state.usable.append(mount.path)
    if state.left_out and not state.usable:
        raise IngestError(
            f"{host}: no address of the cluster can be used: {listing(state.left_out)}"
        )


def _silent(wanted: dict[str, Any], mounts: list[Mount], now: dict[str, str]) -> dict[str, str]:
    """Why servers or mounts do not answer, by mount point; all are asked at the same time."""
    questions: dict[bytes, Question] = {}
    for mount in mounts:
        question = _question(mount, mount.path in now, float(wanted["timeout"]))
        if question:
            questions[to_bytes(mount.path)] = question
    answers = Look(questions, THOROUGH + wanted["timeout"]).wait()
    return {
        mount.path: answers[to_bytes(mount.path)]
        for mount in mounts
        if answers.get(to_bytes(mount.path))
    }


def _question(mount: Mount, there: bool, seconds: float) -> Question | None:
    if there:
        return lambda: mount_silence(to_bytes(mount.path), True)
    where = server(addresses.host_of(mount.src), addresses.parsed(mount.opts))
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


def _all(wanted: dict[str, Any], now: dict[str, str] | None, configured: Fstab) -> list[Mount]:
    """The source, if there is one, and then the cluster; without ``now`` only by the options."""
    found: list[Mount] = []
    if wanted["source_address"]:
        address, path = wanted["source_address"].strip().strip("[]"), wanted["source"].rstrip("/")
        mount = Mount(
            path,
            addresses.server(address, wanted["source_export"]),
            addresses.options(wanted["source_mount_options"], address),
        )
        if now is not None:
            _no_other("ingest_source", mount, now.get(path, mount.src), "mounted")
            _no_other(
                "ingest_source", mount, configured.get(path, (mount.src,))[0], "in /etc/fstab"
            )
        found.append(mount)
    if wanted["addresses"]:
        meant = addresses.expand(wanted["addresses"])
        there = None if now is None else _placed(meant, wanted, now, configured)
        found += addresses.cluster_mounts(
            meant,
            wanted["export"],
            wanted["base"],
            wanted["mount_options"],
            wanted["client"],
            wanted["nconnect"],
            there,
        )
    return found


def _no_other(option: str, mount: Mount, there: str, how: str) -> None:
    if there != mount.src:
        raise IngestError(f"{option}: {mount.path} has {there} {how}, not {mount.src}")


def _placed(
    meant: list[str], wanted: dict[str, Any], now: dict[str, str], configured: Fstab
) -> dict[str, str]:
    """What is at the mount points: mounted, or configured to be."""
    there = dict(now)
    points = addresses.paths(wanted["base"], len(meant))
    left = Counter(addresses.server(address, wanted["export"]) for address in meant)
    left.subtract(now[point] for point in points if point in now)
    for point in points:
        if point in now or point not in configured:
            continue
        source = configured[point][0]
        if source not in left:
            raise IngestError(
                f"ingest_mount_base: /etc/fstab has {source} for {point}, which is not among what is to be mounted: remove it or choose another ingest_mount_base"
            )
        if left[source] > 0:
            left[source] -= 1
            there[point] = source
    return there


def _adapt(wanted: dict[str, Any], state: State) -> None:
    """Leave out what this kernel's NFS client does not know."""
    release = os.uname().release
    if wanted["nconnect"] and not knows(release, (5, 3)):
        state.warnings.append(
            f"Linux {release} has no nconnect: the mounts have one connection each"
        )
        wanted["nconnect"] = 0
    words = wanted["mount_options"].split(",")
    if "softerr" in words and not knows(release, (5, 2)):
        state.warnings.append(f"Linux {release} has no softerr: soft is used instead")
        wanted["mount_options"] = ",".join("soft" if word == "softerr" else word for word in words)


def knows(release: str, since: tuple[int, int]) -> bool:
    """Whether the NFS client of a kernel has what came with version ``since``."""
    number = re.match(r"(\d+)\.(\d+)", release)
    backported = _RED_HAT_8.match(release)
    if backported and int(backported.group(1)) >= 240:
        return True
    return number is None or (int(number.group(1)), int(number.group(2))) >= since


# -- the way back ------------------------------------------------------------------------------


def _ours(wanted: dict[str, Any], now: dict[str, str]) -> list[tuple[Mount, bool, bool]]:
    """(mount, whether it is mounted, whether it is configured): what we would mount, where we
    would mount it. A line of fstab with fewer than six fields is not one of ours."""
    lines = fstab(least=6)
    mounts = _all(wanted, None, {})
    sources = {
        mount.path: {mount.src}
        for mount in mounts
        if wanted["source_address"] and mount is mounts[0]
    }
    cluster = {mount.src for mount in mounts if mount.path not in sources}
    found = []
    for mount in mounts:
        ours = sources.get(mount.path, cluster)
        here, kept = now.get(mount.path), lines.get(mount.path, ("",))[0]
        if here in ours or (kept in ours and here is None):
            found.append((mount._replace(src=here or kept), here is not None, kept in ours))
    return found


def _unmount(wanted: dict[str, Any], now: dict[str, str], host: str) -> State:
    state = State()
    ours = _ours(wanted, now)
    points = [mount.path for mount, here, dummy in ours if here]
    used = _used(points)
    silent = look(map(to_bytes, points), True).wait()
    for mount, here, kept in ours:
        if here and mount.path in used:
            _keep(state, mount, used[mount.path], host)
            continue
        if here and silent[to_bytes(mount.path)]:
            state.stale.append(mount)
            state.warnings.append(
                f"{host}: {addresses.host_of(mount.src)} does not answer, so {mount.path} was detached, as it can't be unmounted"
            )
        if kept or mount not in state.stale:
            state.todo.append(dict(mount._asdict(), state="absent" if kept else "unmounted"))
    return state


def _used(points: list[str], dying: bool = False) -> dict[str, str]:
    """What uses mounts, in words, by mount point. Who has been killed and only waits for a dead
    server uses nothing any more, but may still hold a mount (``dying``)."""
    used = {}
    for point, found in holders(points).items():
        words = [str(holder) for holder in found if dying or not holder.killed]
        words += [f"the mount {below} in it" for below in nested(point)]
        if words:
            used[point] = ", ".join(words[:3]) + (
                " and %d more" % (len(words) - 3) if words[3:] else ""
            )
    return used


def _keep(state: State, mount: Mount, by: str, host: str) -> None:
    state.busy.append({"path": mount.path, "src": mount.src, "by": by})
    state.warnings.append(
        f"{host}: {mount.path} ({mount.src}) stays mounted, as it is used by {by}"
    )


def _left_mounted(wanted: dict[str, Any], host: str) -> State:
    """What is still mounted or configured after all."""
    state = State()
    said = _said(wanted["outcome"])
    ours = [(mount, here) for mount, here, dummy in _ours(wanted, mounted()) if mount.path in said]
    used = _used([mount.path for mount, here in ours if here], dying=True)
    for mount, here in ours:
        if not here:
            raise IngestError(f"{host}: {mount.path} is still in /etc/fstab: {said[mount.path]}")
        _keep(state, mount, used.get(mount.path, _UNSEEN), host)
    return state
