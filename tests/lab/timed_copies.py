# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a client of the lab: copies over fresh mounts, timed, its NFS calls counted.

    timed_copies.py '{"source": "…", "destinations": ["…"], "options": "…", "command": […]}'

mounts the source on /mnt/race/source and the destinations on /mnt/race/1…, runs the command there
with {0} for the source, {1} for the first destination and {all} for all, and prints JSON. With
"before": true it runs it once before, and waits 10 s, so that what the mounts remember is old; with
"keep": true the destinations have what was there before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

BASE = "/mnt/race"


def mount(what: str, where: str, options: str) -> None:
    """A fresh mount, with nothing in its caches."""
    os.makedirs(where, exist_ok=True)
    subprocess.run(["umount", where], stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["mount", "-t", "nfs", "-o", options, what, where], check=True)


def calls(where: str) -> dict[str, int]:
    """NFS calls over a mount so far, by their names."""
    found: dict[str, int] = {}
    here = False
    with open("/proc/self/mountstats", encoding="ascii") as stats:
        for line in stats:
            words = line.split()
            if words[:1] == ["device"]:
                here = words[4] == where
            elif here and len(words) > 8 and words[0].endswith(":") and words[0][:-1].isupper():
                found[words[0][:-1]] = int(words[1])
    return found


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env=environment,
    )


def main() -> int:
    wanted: dict[str, Any] = json.loads(sys.argv[1])
    source, below = BASE + "/source", wanted.get("below", "")
    mounts = ["%s/%d" % (BASE, number + 1) for number in range(len(wanted["destinations"]))]
    for address, where in zip(wanted["destinations"], mounts):
        mount(address, where, wanted["options"])
    if not wanted.get("keep"):
        subprocess.run(["rm", "-rf", mounts[0] + "/race"], check=True)
        os.mkdir(mounts[0] + "/race")
    for address, where in zip(wanted["destinations"], mounts):
        mount(address, where, wanted["options"])
    mount(wanted["source"], source, wanted["source_options"])
    targets = [where + "/race" for where in mounts]
    for target in targets:
        os.stat(target)
    command: list[str] = []
    for word in wanted["command"]:
        command += (
            targets
            if word == "{all}"
            else [word.replace("{0}", source + below).replace("{1}", targets[0])]
        )
    environment = dict(os.environ, **wanted.get("environment", {}))
    if wanted.get("before"):
        _run(command, environment)
        time.sleep(10)
    before = {where: calls(where) for where in (source, mounts[0])}
    begun = time.monotonic()
    done = _run(command, environment)
    seconds = time.monotonic() - begun
    counted = [
        {name: count - before[where].get(name, 0) for name, count in calls(where).items()}
        for where in (source, mounts[0])
    ]
    output = done.stdout.decode(errors="replace")[-2000:]
    print(
        json.dumps(
            {"seconds": seconds, "calls": counted, "status": done.returncode, "output": output}
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
