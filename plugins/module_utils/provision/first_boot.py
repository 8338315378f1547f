# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ingestor: make this host an ingestor, as a file says. For hosts that Ansible does not reach.

The same steps, by the same code, as the role ingestor; cloud-init runs it at the first boot, when
it has installed the packages. Called as parallelcp or prime it is those.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from typing import Any

from ..core.errors import IngestError
from ..fs.mount_table import fstab
from ..mounts import changes
from ..mounts.wanted import WantedMounts
from . import bootstrap, parallelcp, prime
from .kernel import Tuning
from .mount_command import mount

USAGE = "usage: ingestor FILE\n"
NAMES = ("parallelcp", "prime")
_NUMBERS = ("slots", "max_slots", "readahead", "nconnect", "node_count", "seconds")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    name = os.path.basename(sys.argv[0])
    if name in NAMES:
        return int({"parallelcp": parallelcp.main, "prime": prime.main}[name](arguments))
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) != 1 or words[0].startswith("-"):
        sys.stderr.write(USAGE)
        return 2
    try:
        provision(_settings(words[0]), os.path.realpath(sys.argv[0]))
    except IngestError as error:
        sys.stderr.write(f"ingestor: {error}\n")
        return 1
    return 0


def _settings(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError) as error:
        raise IngestError(f"{path} can't be read: {error}") from error
    if not isinstance(found, dict):
        raise IngestError(f"{path} holds no settings")
    return found


def provision(settings: dict[str, Any], program: str) -> None:
    """All steps.

    Args:
        settings: ``commands`` (names), ``slots``, ``max_slots``, ``readahead`` as for the module
            nfs_tuning, ``mounts`` as for cluster_mounts, ``bootstrap`` as for bootstrap; each
            optional.
        program: this file, which is the commands too.

    Raises:
        IngestError: a step fails.
    """
    settings = given(settings)
    host = socket.gethostname().partition(".")[0]
    folder = settings.get("commands_folder", os.path.dirname(program))
    for name in settings.get("commands", NAMES):
        _link(program, os.path.join(folder, name))
    tuning = Tuning()
    if settings.get("slots") is not None or settings.get("max_slots") is not None:
        tuning.slots(settings.get("slots"), settings.get("max_slots"))
    points = _mount(given(settings["mounts"]), host) if settings.get("mounts") else []
    if settings.get("readahead") is not None:
        tuning.readahead(settings["readahead"], points)
    if settings.get("bootstrap"):
        wanted = {"export": "", **given(settings["bootstrap"])}
        wanted["environment"] = bootstrap.texts(wanted.get("environment") or {})
        wanted.setdefault("node_prefix", re.sub("[-0-9]+$", "", host))
        bootstrap.bootstrap(bootstrap.Wanted(**wanted))


def given(settings: dict[str, Any]) -> dict[str, Any]:
    """What is set; the rest keeps its default. ansible-core up to 2.18 makes text of every value in
    a template, and an empty one of nothing. Raises IngestError: a number is none."""
    found = {}
    for name, value in settings.items():
        if value in (None, ""):
            continue
        if name in _NUMBERS:
            try:
                value = int(value)
            except ValueError as error:
                raise IngestError(f"{name}: '{value}' is not a number") from error
        elif name == "persistent":
            value = str(value) == "True"
        found[name] = value
    return found


def _link(program: str, path: str) -> None:
    try:
        if os.path.realpath(path) != program:
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(program, path)
    except OSError as error:
        raise IngestError(f"{path} can't be installed: {error.strerror}") from error


def _mount(options: dict[str, Any], host: str) -> list[str]:
    """Mount what is wanted; the mount points."""
    number = re.search("[0-9]+$", host)
    client = int(number.group()) if number else 0
    wanted = WantedMounts.from_params({"persistent": True, "client": client, **options})
    state = changes.needed(wanted, host)
    outcome = []
    for entry in state.todo:
        os.makedirs(entry["path"], exist_ok=True)
        if entry["state"] in ("mounted", "present"):
            _configure(entry)
        said = ""
        if entry["state"] != "present":
            said = mount(entry["src"], entry["path"], entry["opts"])
        outcome.append({"item": entry, "msg": said})
    done = changes.settled(wanted, outcome, state.left_out, host)
    for warning in state.warnings + done.warnings:
        sys.stderr.write(f"ingestor: {warning}\n")
    return [one.path for one in done.mounts]


def _configure(entry: dict[str, str]) -> None:
    """Into fstab, once. There is no Ansible here that would do it."""
    if entry["path"] in fstab():
        raise IngestError(f"/etc/fstab has something else at {entry['path']}")
    fields = (entry["src"], entry["path"], "nfs", entry["opts"], "0", "0")
    line = " ".join(
        re.sub(r"[\s\\]", lambda match: f"\\{ord(match.group()):03o}", field) for field in fields
    )
    with open("/etc/fstab", "a+", encoding="utf-8") as file:
        file.seek(0)
        text = file.read()
        file.write(("" if text.endswith("\n") or not text else "\n") + line + "\n")
