# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` runs: all that can run on this machine, and a line for each part that can't.

All run under the project's own Python, but for the long ones, which are `make long`. Under the
oldest Python that a target may have run the tests of the engine's ground; `make matrix` runs all of
the engine's, and what README promises, under the oldest and the newest.

Usage: run_tests.py [--long | PYTEST ARGUMENTS]; with these, only pytest, under the project's own
Python.
"""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
import time

from setup import ROOT, python_of

for folder in ("support", "lab"):
    sys.path.insert(0, os.path.join(ROOT, "tests", folder))
import cluster  # noqa: E402
import hosts  # noqa: E402

OLDEST = (3, 8)
_COUNTS = re.compile(r"(\d+) (passed|failed|error|errors|skipped)")
_LEFT_OUT = re.compile(r"^left out: .*$", re.MULTILINE)


def _no_lab() -> str | None:
    """Why the scenario on the lab can't run here, or None."""
    reason = cluster.why_not()
    script = os.path.join(ROOT, "tests", "tools", "posix.py")
    if (
        not reason
        and subprocess.run(
            [sys.executable, script, os.path.join(ROOT, ".collections")], check=False
        ).returncode
    ):
        reason = "ansible.posix, which mounts the cluster, can't be fetched"
    return reason


MOLECULE_SCENARIOS = {"ssh": hosts.why_not, "nfs": _no_lab}


class Results:
    """What all parts together gave."""

    def __init__(self) -> None:
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.left_out: list[str] = []
        self.broken: list[str] = []

    def leave_out(self, text: str) -> None:
        """Note a part that can't run here."""
        self.left_out.append("left out: " + text)

    def add(self, title: str, status: int, output: str) -> None:
        """Count what a pytest run printed."""
        lines = output.strip().splitlines()
        for number, word in _COUNTS.findall(lines[-1] if lines else ""):
            self.counts["failed" if word.startswith("error") else word] += int(number)
        self.left_out += _LEFT_OUT.findall(output)
        if status:
            self.broken.append(title)


def run(title: str, command: list[str], env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a part; its output is shown as it comes, and returned."""
    print("\n== " + title, flush=True)
    start = time.monotonic()
    environment = dict(os.environ, PYTHONUNBUFFERED="1", **(env or {}))
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = b""
    assert process.stdout
    for line in iter(process.stdout.readline, b""):
        output += line
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
    status = process.wait()
    print(
        f"== {title}: {'ok' if not status else 'FAILED'} in {time.monotonic() - start:.0f} s",
        flush=True,
    )
    return status, output.decode(errors="replace")


def pythons() -> dict[tuple[int, int], str]:
    """Every real CPython 3 of this machine, by version (not pyenv's shims)."""
    found: dict[tuple[int, int], str] = {}
    pattern = "python3.[0-9]*"
    folders = os.environ.get("PATH", "").split(":") + glob.glob(
        os.path.expanduser("~/.pyenv/versions/*/bin")
    )
    for path in (
        path for folder in folders for path in sorted(glob.glob(os.path.join(folder, pattern)))
    ):
        match = re.fullmatch(r"python3\.(\d+)", os.path.basename(path))
        if match and "/shims/" not in path and os.access(path, os.X_OK):
            found.setdefault((3, int(match.group(1))), path)
    return found


ENGINE, PROMISES = "tests/unit/plugins/module_utils", "tests/unit/promises"
# What `make test` runs under the oldest Python: the rooms on which the others stand.
GROUND = tuple(f"{ENGINE}/{room}" for room in ("core", "fs", "index", "mounts", "search"))
# Those that take minutes: runs that meet, that are killed and gone on with, that copy while they
# scan, that are paused; measurements on real hosts; timers, and packages of another family.
# `make long` runs them.
_LONG = (
    "calibrate",
    "control",
    "overlap",
    "provision_rhel",
    "resume",
    "runs_that_meet",
    "schedule",
)
LONG = tuple(f"tests/integration/test_{name}.py" for name in _LONG)


def unit_tests_under(
    version: tuple[int, int],
    python: str,
    results: Results,
    tests: tuple[str, ...] = (ENGINE, PROMISES),
) -> None:
    """The engine's unit tests in an environment of their own, without Ansible."""
    title = "the engine's unit tests under Python %d.%d" % version
    folder = ".venv-py%d.%d" % version
    setup = os.path.join(ROOT, "tests", "tools", "setup.py")
    stamp = os.path.join(ROOT, folder, "ready")
    wanted = os.path.join(ROOT, "requirements-unit.txt")
    if not os.path.exists(stamp) or os.path.getmtime(stamp) < os.path.getmtime(wanted):
        if run(
            "set-up of Python %d.%d" % version, [python, setup, folder, "requirements-unit.txt"]
        )[0]:
            results.broken.append(title)
            return
        with open(stamp, "w", encoding="ascii"):
            pass
    results.add(title, *run(title, [python_of(folder), "-m", "pytest", "-q", "-n", "2", *tests]))


def molecule(results: Results, scenario: str) -> None:
    """A molecule scenario, from create to destroy."""
    title = "molecule scenario " + scenario
    reason = MOLECULE_SCENARIOS[scenario]()
    if reason:
        results.leave_out(f"the {title}: {reason}")
        return
    command = [os.path.join(os.path.dirname(sys.executable), "molecule"), "test", "-s", scenario]
    env = {"PATH": os.path.dirname(sys.executable) + ":" + os.environ.get("PATH", "")}
    status, _output = run(title, command, env)
    results.counts["failed" if status else "passed"] += 1
    if status:
        results.broken.append(title)


def main() -> None:
    """Exit status 0 only if nothing failed."""
    own = [sys.executable, "-m", "pytest", "-q"]
    if sys.argv[1:] == ["--long"]:
        sys.exit(run("the long tests", [*own, *LONG])[0])
    if len(sys.argv) > 1:
        sys.exit(run("pytest", own + sys.argv[1:])[0])
    results = Results()
    start = time.monotonic()
    found = pythons()
    if OLDEST in found:
        unit_tests_under(OLDEST, found[OLDEST], results, GROUND)
    else:
        results.leave_out(
            "the engine's unit tests under Python %d.%d: not on this machine" % OLDEST
        )
    for scenario in MOLECULE_SCENARIOS:
        molecule(results, scenario)
    # Playbooks wait as well as work, so one more worker than most machines of CI have processors;
    # the
    # long tests first, so that all workers end together.
    spread = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
    places = ["tests/integration", "tests/browser", "tests/unit"]
    places += [f"--ignore={file}" for file in LONG]
    results.leave_out("what takes minutes, runs that meet or go on among it: make long")
    results.add(
        "all tests",
        *run("all tests under Python %d.%d" % sys.version_info[:2], [*own, *spread, *places]),
    )
    print(f"\n== in all, {time.monotonic() - start:.0f} s")
    for line in sorted(set(results.left_out)):
        print(line)
    for title in results.broken:
        print("FAILED: " + title)
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % results.counts, flush=True)
    sys.exit(1 if results.broken else 0)


if __name__ == "__main__":
    main()
