# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole playbook: with three local clients, as `make ingest` runs it, and over SSH."""

from __future__ import annotations

import json
import os
import shutil
import sys

from ..support.compare import compare_trees
from ..support.hosts import Hosts, why_not
from .measure import ROOT, Result, Run, engine, environment, run

OVER_ENGINE, SECOND = 12.0, 3.0
OVER_SSH = {4: 10.0, 16: 20.0}  # s at most, by hosts


def playbook(source: str, folder: str) -> list[Result]:
    """Seconds over the engine's own time for the same tree, and a second run that changes
    nothing."""
    print("the playbook with three local clients", flush=True)
    state, to = os.path.join(folder, "state"), os.path.join(folder, "copy")
    os.makedirs(to)
    own = run(engine(source, os.path.join(state, "engine"), to), env=environment()).seconds
    shutil.rmtree(to)
    local = os.path.join(ROOT, "inventory", "local.yml")
    start = _ansible(local, _empty(folder)).seconds
    walls, stats = [], []
    for name in ("first", "second"):
        folder_of_run = os.path.join(state, name)
        variables = {"SRC": source, "DEST": to, "CLIENTS": "3", "RUN": folder_of_run}
        command = [sys.executable, os.path.join(ROOT, "tests", "tools", "ingest.py")]
        walls.append(run(command, env={**os.environ, **variables}, cwd=ROOT).seconds)
        with open(os.path.join(folder_of_run, "stats.json"), encoding="utf-8") as file:
            stats.append(json.load(file))
        print(f"  {name} run: {walls[-1]:.1f} s, the engine alone {own:.1f} s", flush=True)
    found = compare_trees(os.fsencode(source), os.fsencode(to))
    if found:
        raise RuntimeError(f"the playbook's copy differs: {found[:5]}")
    shutil.rmtree(to)
    shutil.rmtree(state)
    said = [
        {key: one.get(key) for key in ("files", "bytes", "skipped", "failed", "seconds")}
        for one in stats
    ]
    return [
        Result("playbook, three clients: whole run", walls[0], None, details=said[0]),
        Result("playbook, three clients: over the engine's own time", walls[0] - own, OVER_ENGINE),
        Result(
            "playbook, three clients: second run, nothing to do, over Ansible's start",
            walls[1] - start,
            SECOND,
            details={**(said[1] or {}), "seconds": walls[1], "start": start},
        ),
    ]


def over_ssh(source: str, folder: str) -> list[Result]:
    """Seconds of a whole run, and of one with nothing to do, with real SSH hosts on this machine;
    and how many times Ansible's own start, which is a play without tasks for the same hosts."""
    reason = why_not()
    if reason:
        print(f"no hosts over SSH: {reason}", flush=True)
        return []
    results: list[Result] = []
    for count, limit in OVER_SSH.items():
        with Hosts(count, [source + ":/mnt/source"]) as hosts:
            start = _ansible(hosts.inventory, _empty(folder)).seconds
            for name in ("first", "second"):
                variables = {
                    "ingest_source": "/mnt/source",
                    "ingest_destinations": [hosts.shared + "/copy"],
                    "ingest_run_dir": os.path.join(folder, f"{count}-{name}"),
                }
                playbook = os.path.join(ROOT, "playbooks", "ingest.yml")
                done = _ansible(hosts.inventory, playbook, "-e", json.dumps(variables))
                times = done.seconds / start
                print(
                    f"  {count} hosts, {name} run: {done.seconds:.1f} s, processor of the "
                    f"controller {done.processor:.1f} s, {times:.1f} times Ansible's start",
                    flush=True,
                )
                title = f"playbook, {count} hosts over SSH: {name} run"
                most = limit if name == "first" else None
                results.append(Result(title, done.seconds, most, details={"times": times}))
            found = compare_trees(os.fsencode(source), os.fsencode(hosts.shared + "/copy"))
            if found:
                raise RuntimeError(f"the playbook's copy differs: {found[:5]}")
    return results


def _empty(folder: str) -> str:
    """A playbook that does nothing."""
    path = os.path.join(folder, "empty.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump([{"hosts": "ingestors", "gather_facts": False, "tasks": []}], file)
    return path


def _ansible(inventory: str, playbook: str, *arguments: str) -> Run:
    command = [sys.executable, "-m", "ansible", "playbook", "-i", inventory, *arguments, playbook]
    configuration = os.path.join(ROOT, "ansible.cfg")
    return run(command, env={**os.environ, "ANSIBLE_CONFIG": configuration}, cwd=ROOT)
