# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bootstrap script of an ingestor: fetched from the cluster over NFS, and run once.

Its environment, its path and its log are those of the data ingestor's template in the manual of the
Avere vFXT, so that scripts written for that run unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import signal
import subprocess
import tempfile
import time
from typing import Any, NamedTuple, Sequence

from ..core.atomic import written
from ..core.errors import IngestError
from ..mounts import addresses as cluster
from ..mounts.rpc import server, silence
from .mount_command import mount, unmount

SCRIPT = "/opt/bootstrap.sh"
LOG = "/var/log/bootstrap.log"
STATE = "/var/lib/scaleout-ingest/bootstrap.json"
BASE_DIR = "/nfs"
SECONDS = 3600  # until a script is stopped
_ANSWER = 5.0  # seconds until an address counts as dead
_LOCAL = ("/usr/local/sbin", "/usr/local/bin")
# These may differ from run to run without a reason to run the script again.
_CIRCUMSTANCES = ("BOOTSTRAP_NFS_IP", "NODE_COUNT")


class Wanted(NamedTuple):
    """What to fetch and how to run it. ``path`` is relative to the export, ``seconds`` the longest
    run."""

    path: str
    addresses: Sequence[str]
    export: str
    options: str = cluster.OPTIONS
    base_dir: str = BASE_DIR
    node_prefix: str = ""
    node_count: int = 1
    user: str = ""
    environment: dict[str, str] | None = None
    script: str = SCRIPT
    log: str = LOG
    state: str = STATE
    seconds: int = SECONDS
    force: bool = False


class Done(NamedTuple):
    """What came of it: whether it ran, and the address that the script came from."""

    ran: bool
    address: str


def bootstrap(wanted: Wanted, dry: bool = False) -> Done:
    """Fetch the script and run it, unless this script has run before in the same environment.

    Args:
        dry: only say whether it would run.

    Raises:
        IngestError: it can't be fetched, or fails.
    """
    known = cluster.expand(wanted.addresses)
    if not known:
        raise IngestError(
            "bootstrap_script_path: there are no ingest_cluster_addresses "
            f"to fetch {wanted.path} from"
        )
    address, script = fetch(wanted, known)
    return Done(run_once(wanted, script, environment(wanted, known, address), dry), address)


def run_once(wanted: Wanted, script: bytes, variables: dict[str, str], dry: bool = False) -> bool:
    """Run a script unless it has run before in this environment. Whether it ran, or would if it is
    a ``dry`` run. Raises IngestError when it fails."""
    lasting = {name: value for name, value in variables.items() if name not in _CIRCUMSTANCES}
    state = {
        "script": digest(script),
        "environment": digest(json.dumps(lasting, sort_keys=True).encode()),
    }
    if not wanted.force and _before(wanted.state) == state:
        return False
    if not dry:
        _run(wanted, script, variables)
        _remember(wanted.state, state)
    return True


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def environment(wanted: Wanted, known: Sequence[str], address: str) -> dict[str, str]:
    """The documented variables, and the user's own."""
    variables = {
        "BASE_DIR": wanted.base_dir,
        "NODE_PREFIX": wanted.node_prefix,
        "NODE_COUNT": str(wanted.node_count),
        "NFS_IP_CSV": ",".join(known),
        "NFS_PATH": wanted.export,
        "BOOTSTRAP_NFS_IP": address,
        "BOOTSTRAP_SCRIPT_PATH": wanted.path,
        "LINUX_USER": wanted.user or _user(),
    }
    variables.update(wanted.environment or {})
    return variables


def texts(variables: dict[str, Any]) -> dict[str, str]:
    """Values of any kind as an environment has them. Raises IngestError for what it can't hold."""
    found = {}
    for name, value in variables.items():
        text = "" if value is None else str(value)
        if not name or "=" in name or "\0" in name + text or isinstance(value, (dict, list)):
            raise IngestError(
                f"ingest_bootstrap_environment: {name!r} can't be a variable of the environment"
            )
        found[name] = text
    return found


def _user() -> str:
    """Who logged in: before sudo, if that is how we are root."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


# -- fetch -------------------------------------------------------------------------------------


def fetch(wanted: Wanted, known: Sequence[str]) -> tuple[str, bytes]:
    """The first address that can be mounted, and the script's contents from there.

    Raises:
        IngestError: no address can be mounted, or the script isn't there.
    """
    reasons: list[str] = []
    for address in known:
        where = server(address, cluster.parsed(wanted.options))
        why = silence(where, _ANSWER) if where else ""
        if why:
            reasons.append(f"{address}: {why}")
            continue
        with tempfile.TemporaryDirectory(prefix="ingestor-bootstrap-") as point:
            options = cluster.options(wanted.options, address, ["retry=0", "ro"])
            problem = mount(cluster.server(address, wanted.export), point, options)
            if problem:
                reasons.append(f"{address}: {' '.join(problem.split())}")
                continue
            try:
                return address, _read(wanted, address, point)
            finally:
                unmount(point)
    raise IngestError(
        f"bootstrap_script_path: {wanted.path} can't be fetched: {'; '.join(reasons)}"
    )


def _read(wanted: Wanted, address: str, point: str) -> bytes:
    where = f"{wanted.path} on {cluster.server(address, wanted.export)}"
    path = os.path.realpath(os.path.join(point, wanted.path.lstrip("/")))
    if not path.startswith(os.path.realpath(point) + os.sep):
        raise IngestError(f"bootstrap_script_path: {where} leads out of the export")
    try:
        with open(path, "rb") as stream:
            script = stream.read()
    except OSError as error:
        raise IngestError(
            f"bootstrap_script_path: {where} can't be read: {error.strerror}"
        ) from error
    if not script.strip():
        raise IngestError(f"bootstrap_script_path: {where} is empty")
    return script


# -- run ---------------------------------------------------------------------------------------


def _run(wanted: Wanted, script: bytes, variables: dict[str, str]) -> None:
    """Raises IngestError."""
    try:
        os.makedirs(os.path.dirname(wanted.script), exist_ok=True)
        # Never readable by others, as a script may hold secrets.
        with written(wanted.script, binary=True, mode=0o700) as stream:
            stream.write(script)
        os.makedirs(os.path.dirname(wanted.log), exist_ok=True)
        # What a script prints may be secret.
        handle = os.open(wanted.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise IngestError(f"bootstrap_script_path: {error.filename}: {error.strerror}") from error
    with os.fdopen(handle, "ab") as log:
        head = f"=== {_now()} {wanted.path} from {variables['BOOTSTRAP_NFS_IP']}"
        log.write(head.encode("utf-8", "surrogateescape") + b"\n")
        log.flush()
        how = _wait(wanted, variables, log.fileno())
        log.write(f"=== {_now()} {how or 'done'}\n".encode())
    if how:
        raise IngestError(
            f"bootstrap_script_path: {wanted.path} {how}; what it printed is in {wanted.log}"
        )


def _now() -> str:
    return time.strftime("%FT%T%z")


def _wait(wanted: Wanted, variables: dict[str, str], log: int) -> str:
    """How it failed, or nothing."""
    try:
        process = subprocess.Popen(
            ["/bin/bash", wanted.script],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "PATH": _path(), **variables},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"can't be run: {error}"
    try:
        status = process.wait(wanted.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"did not end in {wanted.seconds} s and was stopped"
    if status < 0:
        return f"was ended by signal {-status}"
    return f"ended with status {status}" if status else ""


def _path() -> str:
    """Where the script finds commands: ours, too, which sudo on the RHEL family would leave out."""
    known = [folder for folder in os.environ.get("PATH", os.defpath).split(":") if folder]
    return ":".join(known + [folder for folder in _LOCAL if folder not in known])


def _before(path: str) -> dict[str, str]:
    """What ran last, from the state file."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(path: str, state: dict[str, str]) -> None:
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with written(path, mode=0o600) as stream:
            json.dump(state, stream)
    except OSError as error:
        raise IngestError(f"{path} can't be written: {error.strerror}") from error
