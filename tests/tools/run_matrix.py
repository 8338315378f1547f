# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make matrix` runs: the engine's unit tests under the oldest and the newest Python of this
machine, and the local integration tests and ansible-test's sanity tests under every supported
ansible-core, each with the newest Python that it runs on.

Usage: run_matrix.py [VERSION ...], for example 2.17; with versions, only these of ansible-core
"""

from __future__ import annotations

import os
import sys

from run_tests import OLDEST, Results, pythons, run, unit_tests_under
from setup import ROOT, python_of

# ansible-core -> the oldest and the newest Python that its controller supports
SUPPORTED: dict[str, tuple[int, int]] = {
    "2.17": (10, 12),
    "2.18": (11, 13),
    "2.19": (11, 13),
    "2.20": (12, 14),
    "2.21": (12, 14),
}
TESTS = ["tests/integration", "-k", "not Molecule"]


def environment(core: str, python: str) -> str:
    """A virtual environment with that ansible-core; "" if it can't be made."""
    folder = ".venv-core" + core
    wanted = os.path.join(ROOT, ".cache", f"requirements-core{core}.txt")
    os.makedirs(os.path.dirname(wanted), exist_ok=True)
    with open(wanted, "w", encoding="ascii") as file:
        file.write(
            f"ansible-core=={core}.*\nhypothesis\njsonschema\nparamiko\npyte\npytest\npytest-xdist\n"
        )
    if os.path.exists(os.path.join(ROOT, folder, "ready")):
        return folder
    setup = os.path.join(ROOT, "tests", "tools", "setup.py")
    if run("set-up of ansible-core " + core, [python, setup, folder, wanted])[0]:
        return ""
    with open(os.path.join(ROOT, folder, "ready"), "w", encoding="ascii"):
        pass
    return folder


def main() -> None:
    """Exit status 0 only if all that could run passed."""
    results = Results()
    lines: list[str] = []
    found = pythons()
    if not sys.argv[1:]:
        if OLDEST in found:
            unit_tests_under(OLDEST, found[OLDEST], results)
        newest = max(found)
        if newest > sys.version_info[:2]:
            unit_tests_under(newest, found[newest], results)
        else:
            lines.append(
                "left out: the engine's unit tests under a Python newer than %d.%d"
                % sys.version_info[:2]
            )
    for core, (oldest, newest) in SUPPORTED.items():
        if sys.argv[1:] and core not in sys.argv[1:]:
            continue
        fitting = [version for version in found if oldest <= version[1] <= newest]
        if not fitting:
            lines.append(
                "left out: ansible-core %s: it needs Python 3.%d to 3.%d" % (core, oldest, newest)
            )
            continue
        version = max(fitting)
        title = "ansible-core %s under Python %d.%d" % ((core, *version))
        folder = environment(core, found[version])
        if not folder:
            results.broken.append(title)
            continue
        command = [python_of(folder), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *TESTS]
        status, output = run(title, command)
        results.add(title, status, output)
        lines.append(f"{title}: {'FAILED' if status else output.strip().splitlines()[-1]}")
        lint = os.path.join(ROOT, "tests", "tools", "run_lint.py")
        if run(title + ": sanity", [python_of(folder), lint, "sanity"])[0]:
            results.broken.append(title + ": sanity")
    print("\n" + "\n".join(lines + sorted(set(results.left_out))))
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % results.counts, flush=True)
    sys.exit(1 if results.broken else 0)


if __name__ == "__main__":
    main()
