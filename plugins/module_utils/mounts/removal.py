# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: what of ours is to be unmounted on this host, and what came of it."""

from __future__ import annotations

from ..core.errors import IngestError
from ..core.paths import to_bytes
from ..fs.mount_table import fstab, host_of, mounted
from .addresses import Mount
from .changes import Outcome, State, reasons
from .probes import look
from .users import holders, nested
from .wanted import WantedMounts

_UNSEEN = "what can't be seen, such as a killed process that waits for a dead server"


def needed(wanted: WantedMounts, host: str = "this host") -> State:
    """What has to be unmounted. What is in use stays."""
    state = State()
    ours = _ours(wanted, mounted())
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
                f"{host}: {host_of(mount.src)} does not answer, so {mount.path} was detached, "
                "as it can't be unmounted"
            )
        if kept or mount not in state.stale:
            state.todo.append(dict(mount._asdict(), state="absent" if kept else "unmounted"))
    return state


def settled(wanted: WantedMounts, outcome: Outcome, host: str = "this host") -> State:
    """What is still mounted after all, with the answers of M(ansible.posix.mount).

    Raises:
        IngestError: something is still configured.
    """
    state = State()
    said = reasons(outcome)
    ours = [(mount, here) for mount, here, dummy in _ours(wanted, mounted()) if mount.path in said]
    used = _used([mount.path for mount, here in ours if here], dying=True)
    for mount, here in ours:
        if not here:
            raise IngestError(f"{host}: {mount.path} is still in /etc/fstab: {said[mount.path]}")
        _keep(state, mount, used.get(mount.path, _UNSEEN), host)
    return state


def _ours(wanted: WantedMounts, now: dict[str, str]) -> list[tuple[Mount, bool, bool]]:
    """(mount, whether it is mounted, whether it is configured): what we would mount, where we
    would mount it. A line of fstab with fewer than six fields is not one of ours."""
    lines = fstab(least=6)
    mounts = wanted.mounts()
    sources = {
        mount.path: {mount.src} for mount in mounts if wanted.source_address and mount is mounts[0]
    }
    cluster = {mount.src for mount in mounts if mount.path not in sources}
    found = []
    for mount in mounts:
        if wanted.only is not None and mount.path not in wanted.only:
            continue
        ours = sources.get(mount.path, cluster)
        here, kept = now.get(mount.path), lines.get(mount.path, ("",))[0]
        if here in ours or (kept in ours and here is None):
            found.append((mount._replace(src=here or kept), here is not None, kept in ours))
    return found


def _used(points: list[str], dying: bool = False) -> dict[str, str]:
    """What uses mounts, in words, by mount point. Who has been killed and only waits for a dead
    server uses nothing any more, but may still hold a mount (``dying``)."""
    used = {}
    for point, found in holders(points).items():
        words = [str(holder) for holder in found if dying or not holder.killed]
        words += [f"the mount {below} in it" for below in nested(point)]
        if words:
            used[point] = ", ".join(words[:3]) + (
                f" and {len(words) - 3} more" if words[3:] else ""
            )
    return used


def _keep(state: State, mount: Mount, by: str, host: str) -> None:
    state.busy.append({"path": mount.path, "src": mount.src, "by": by})
    state.warnings.append(
        f"{host}: {mount.path} ({mount.src}) stays mounted, as it is used by {by}"
    )
