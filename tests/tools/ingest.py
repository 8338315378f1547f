# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make ingest` runs: playbooks/ingest.yml on local clients.

SRC, DEST, CLIENTS, METHOD, RUN and ARGS come in the environment, so that no name is ever quoted.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import sys
import sysconfig
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
SAMPLE_FILES = 100_000  # a sample tree is no larger than this,
SAMPLE_BYTES = 1 << 30  # nor than this


def caller_directory(environ: dict[str, str]) -> str:
    """Where the user stands: make -C (which sets w in MAKEFLAGS) leaves it in PWD."""
    flags = environ.get("MAKEFLAGS", "").split(" ")[0]
    shell = environ.get("PWD", "")
    if "w" in flags and not flags.startswith("-") and os.path.isdir(shell):
        return shell
    return os.getcwd()


def measure(tree: str) -> tuple[int, int] | None:
    """(files, bytes) of a tree that makes a good sample, else None: too large, or not all
    readable."""
    files = size = 0
    unreadable: list[OSError] = []
    for folder, _folders, names in os.walk(tree, onerror=unreadable.append):
        for name in names:
            path = os.path.join(folder, name)
            try:
                size += os.lstat(path).st_size
            except OSError:
                return None
            if not os.path.islink(path) and not os.access(path, os.R_OK):
                return None
        files += len(names)
        if unreadable or files > SAMPLE_FILES or size > SAMPLE_BYTES:
            return None
    return (files, size) if files else None


def sample_tree() -> str:
    """The largest good sample on this machine; always there: Python's own library."""
    found = []
    for tree in ("/usr/share", "/usr/share/doc", "/usr/include", sysconfig.get_paths()["stdlib"]):
        size = measure(tree)
        if size:
            found.append((size[0], size[1], tree))
    if not found:
        sys.exit("make ingest: no sample tree found on this machine; name one with SRC=")
    files, size_bytes, tree = max(found)
    print(
        "make ingest: no SRC given, so the sample is %s: %d files, %.0f MB"
        % (tree, files, size_bytes / 1e6),
        flush=True,
    )
    return tree


def inventory(clients: str, run: str) -> str:
    """The inventory file with that many local clients."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}", clients):
        sys.exit(f"make ingest: CLIENTS is {clients!r}; it must be a number from 1 to 9999")
    local = os.path.join(ROOT, "inventory", "local.yml")
    with open(local, encoding="utf-8") as file:
        text = file.read()
    changed = text.replace("client[1:3]", f"client[1:{clients}]")
    if changed == text:
        return local
    # Two runs may be started with one folder, and only one of them will go on: what the file holds
    # is in its name, and it appears whole.
    path = os.path.join(run, f"inventory-{clients}.yml")
    part = f"{path}.{os.getpid()}"
    with open(part, "w", encoding="utf-8") as file:
        file.write(changed)
    os.replace(part, path)
    return path


def variable(text: str) -> object:
    """A value for a JSON file of extra variables that Ansible doesn't take for a template."""
    return {"__ansible_unsafe": text} if "{" in text else text


def main() -> None:
    """Replace this process by ansible-playbook."""
    environ = dict(os.environ)
    here = caller_directory(environ)

    def given(name: str, default: str) -> str:
        return environ.get(name) or default

    # No two runs that are started in the same second may share a folder.
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
    run = os.path.join(here, given("RUN", os.path.join(ROOT, "runs", name)))
    source = os.path.join(here, environ["SRC"]) if environ.get("SRC") else sample_tree()
    destination = os.path.join(here, given("DEST", os.path.join(run, "destination")))
    before = os.umask(0o077)  # the names in a tree are not for everybody
    try:
        os.makedirs(run, exist_ok=True)
    except OSError as error:
        sys.exit(f"make ingest: RUN: {run} can't be made: {error.strerror}")
    hosts = inventory(given("CLIENTS", "3"), run)
    variables = {
        "ingest_source": variable(source),
        "ingest_destinations": [variable(destination)],
        "ingest_method": variable(given("METHOD", "copy")),
        "ingest_run_dir": variable(run),
    }
    os.umask(before)
    environ["ANSIBLE_CONFIG"] = os.path.join(ROOT, "ansible.cfg")
    playbook = os.path.join(ROOT, "playbooks", "ingest.yml")
    command = [
        sys.executable,
        "-m",
        "ansible",
        "playbook",
        "-i",
        hosts,
        "-e",
        json.dumps(variables),
    ]
    command += [*shlex.split(environ.get("ARGS", "")), playbook]
    os.execve(sys.executable, command, environ)


if __name__ == "__main__":
    main()
