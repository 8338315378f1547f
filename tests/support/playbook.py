# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the real ansible-playbook from this checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any, Mapping, NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
INGEST = os.path.join(ROOT, "playbooks", "ingest.yml")
LOCAL = os.path.join(ROOT, "inventory", "local.yml")  # three clients
ALONE = "localhost,"  # one, at half the cost: where their number does not matter
LONGEST_RUN_SECONDS = 300  # a run that hangs fails its test

_RECAP = re.compile(r"^(\S+)\s+: (ok=\d+ .*)$", re.MULTILINE)


class Run(NamedTuple):
    """How a playbook ended: exit status, everything it printed, and its recap by host."""

    status: int
    output: str
    recap: dict[str, dict[str, int]]

    @property
    def changed(self) -> int:
        """The sum over all hosts."""
        return sum(counts["changed"] for counts in self.recap.values())


def words(run: Run) -> str:
    """What it printed, in one line. YAML of older versions doubles a quote."""
    return " ".join(run.output.split()).replace("''", "'")


def unsafe(value: Any) -> Any:
    """The value for a JSON file of extra variables, no text in it taken for a template."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value} if "{" in value else value
    if isinstance(value, (list, tuple)):
        return [unsafe(item) for item in value]
    return value


def ansible(
    program: str, *arguments: str, env: Mapping[str, str] | None = None, cwd: str = ROOT
) -> Run:
    """Run ansible's ``program`` ("playbook", "galaxy", "adhoc", …) of the Python that runs the
    tests."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "SCALEOUT_"))
    }
    environment.update(
        {
            "ANSIBLE_CONFIG": os.path.join(ROOT, "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
    )
    environment.update(env or {})
    done = subprocess.run(
        [sys.executable, "-m", "ansible", program, *arguments],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST_RUN_SECONDS,
        check=False,
    )
    output = done.stdout.decode("utf-8", "backslashreplace")
    recap = {
        host: {name: int(count) for name, count in (pair.split("=") for pair in counts.split())}
        for host, counts in _RECAP.findall(output)
    }
    return Run(done.returncode, output, recap)


def ingest(
    folder: str,
    *arguments: str,
    inventory: str = LOCAL,
    env: Mapping[str, str] | None = None,
    playbook: str = INGEST,
    **variables: Any,
) -> Run:
    """Run playbooks/ingest.yml with ``ingest_…`` variables (named here without the prefix).

    ``folder``: where the file of variables goes, and the run folder unless ``run_dir`` is given.
    """
    variables.setdefault("run_dir", os.path.join(folder, "run"))
    path = os.path.join(folder, "variables.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"ingest_" + name: unsafe(value) for name, value in variables.items()}, file)
    return ansible("playbook", "-i", inventory, "-e", "@" + path, *arguments, playbook, env=env)


def stats(folder: str) -> dict[str, Any]:
    """The run folder's stats.json."""
    with open(os.path.join(folder, "stats.json"), encoding="utf-8") as file:
        return json.load(file)
