# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make lint` runs: every checker, all of them even if one fails.

Usage: run_lint.py [NAME ...]; with names, only these.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Callable

from setup import ROOT, link_collection, python_of

BIN = os.path.dirname(sys.executable)
SANITY = os.path.join(ROOT, ".cache", "sanity")
PYTHON = "%d.%d" % sys.version_info[:2]

# ansible-test downloads get-pip.py for its environments. This one takes pip from Python itself, so
# that the tests need no address but the package index that pip is set up for.
GET_PIP = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", *wanted]).returncode)
"""


# galaxy-importer's settings; ansible-test runs below, under this checkout's Python.
IMPORTER = """\
[galaxy-importer]
ANSIBLE_LOCAL_TMP = '%s/tmp'
CHECK_REQUIRED_TAGS = True
RUN_ANSIBLE_TEST = False
"""
# It looks at the collection alone, not at those that it depends on.
_IS_BAD = re.compile(r"(WARNING|ERROR|CRITICAL)\b(?!.*'ansible\.posix\.)").match


def run(*command: str, cwd: str = ROOT) -> int:
    """Run a checker of the virtual environment; its exit status."""
    environment = dict(os.environ, PATH=BIN + ":" + os.environ.get("PATH", ""))
    environment["ANSIBLE_COLLECTIONS_PATH"] = os.path.join(ROOT, ".collections")
    environment.setdefault("LC_ALL", "C.UTF-8")
    return subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, check=False
    ).returncode


def ruff() -> int:
    """Style and likely bugs."""
    return run("ruff", "check", "--quiet", ".") or run("ruff", "format", "--check", "--quiet", ".")


def mypy() -> int:
    """The types of the engine and of the controller's helpers."""
    command = ["mypy", "--config-file", os.path.join(ROOT, "pyproject.toml")]
    for name in ("module_utils", "plugin_utils"):
        command += ["-p", "ansible_collections.scaleout.ingest.plugins." + name]
    return run(*command, cwd=os.path.join(ROOT, ".collections"))


def yamllint() -> int:
    """All YAML."""
    return run("yamllint", "--strict", ".")


def ansible_lint() -> int:
    """Playbooks and roles, production profile."""
    return run("ansible-lint", "--offline", "-q")


def docs() -> int:
    """The documentation of plugins and roles, as it will be published."""
    return run(
        "antsibull-docs",
        "lint-collection-docs",
        "--plugin-docs",
        "--skip-rstcheck",
        ".",
        cwd=copy_tree(),
    )


def changelog() -> int:
    """The changelog's fragments."""
    return run("antsibull-changelog", "lint")


def doc() -> int:
    """ansible-doc reads every plugin."""
    status = 0
    for kind in ("module", "callback", "lookup", "strategy", "test", "filter"):
        folder = os.path.join(ROOT, "plugins", {"module": "modules"}.get(kind, kind))
        for path in sorted(glob.glob(folder + "/[a-z]*.py")):
            name = "scaleout.ingest." + os.path.basename(path)[:-3]
            done = subprocess.run(
                [BIN + "/ansible-doc", "-t", kind, name],
                cwd=ROOT,
                env=dict(
                    os.environ, ANSIBLE_COLLECTIONS_PATH=ROOT + "/.collections", LC_ALL="C.UTF-8"
                ),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if done.returncode or b"> " not in done.stdout:
                print(f"ansible-doc -t {kind} {name}: {done.stdout.decode(errors='replace')}")
                status = 1
    return status


def sanity() -> int:
    """ansible-test's own checks."""
    cache = os.path.expanduser("~/.ansible/test/cache")
    os.makedirs(cache, exist_ok=True)
    for version in ("23_1_2", "24_2", "25_0_1", "25_2"):
        path = os.path.join(cache, f"get_pip_{version}.py")
        if not os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.write(GET_PIP)
    return run(
        "ansible-test", "sanity", "--local", "--color", "no", "--python", PYTHON, cwd=copy_tree()
    )


def licences() -> int:
    """Every file says whose it is and what may be done with it."""
    return run("reuse", "--root", copy_tree(), "lint")


def importer() -> int:
    """The collection as it is built, as Galaxy would take it."""
    tree = copy_tree()
    with tempfile.TemporaryDirectory() as folder:
        if run("ansible-galaxy", "collection", "build", "--output-path", folder, tree):
            return 1
        (built,) = glob.glob(folder + "/*.tar.gz")
        settings = os.path.join(folder, "settings")
        with open(settings, "w", encoding="ascii") as file:
            file.write(IMPORTER % folder)
        done = subprocess.run(
            [python_of(os.path.join(ROOT, ".venv-importer")), "-m", "galaxy_importer.main", built],
            cwd=folder,
            env=dict(
                os.environ,
                GALAXY_IMPORTER_CONFIG=settings,
                ANSIBLE_COLLECTIONS_PATH=os.path.join(ROOT, ".collections"),
                PATH=os.path.join(ROOT, ".venv-importer", "bin") + ":" + os.environ.get("PATH", ""),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = [line for line in done.stdout.decode(errors="replace").splitlines() if _IS_BAD(line)]
    if done.returncode or said:
        print("\n".join(said) or done.stdout.decode(errors="replace"))
        return 1
    return 0


def copy_tree() -> str:
    """A copy of the files that git knows or would add, at the path where ansible-test wants
    them."""
    tree = os.path.join(SANITY, "ansible_collections", "scaleout", "ingest")
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    for name in (os.fsdecode(name) for name in listed.stdout.split(b"\0") if name):
        if os.path.lexists(os.path.join(ROOT, name)):
            os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), os.path.join(tree, name), follow_symlinks=False)
    subprocess.run(
        ["git", "init", "-q"], cwd=tree, check=True
    )  # else the checkout's .gitignore hides it
    return tree


CHECKERS: dict[str, Callable[[], int]] = {
    "ruff": ruff,
    "mypy": mypy,
    "yamllint": yamllint,
    "antsibull-changelog": changelog,
    "ansible-doc": doc,
    "antsibull-docs": docs,
    "ansible-lint": ansible_lint,
    "reuse": licences,
    "galaxy-importer": importer,
    "ansible-test sanity": sanity,
}


def main() -> None:
    """Exit status 0 only if every checker is content."""
    link_collection()
    failed: list[str] = []
    for name, checker in CHECKERS.items():
        if sys.argv[1:] and name.split()[-1] not in sys.argv[1:]:
            continue
        start = time.monotonic()
        status = checker()
        print(
            f"lint: {name}: {'FAILED' if status else 'ok'} ({time.monotonic() - start:.0f} s)",
            flush=True,
        )
        if status:
            failed.append(name)
    sys.exit("lint: failed: " + ", ".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
