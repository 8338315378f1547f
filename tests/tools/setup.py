# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a virtual environment, with whatever this machine offers for it, and the collection path.

Usage: setup.py VENV REQUIREMENTS... (run with the Python that the environment is for)
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Callable, Sequence

OLDEST_CONTROLLER = (3, 10)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


class SetupError(Exception):
    """One sentence for the user."""


def _quiet(*command: str, **options: object) -> bool:
    """Whether ``command`` ended well; what it says goes to .cache/setup.log."""
    log = os.path.join(ROOT, ".cache", "setup.log")
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "ab") as output:
        output.write(("$ " + " ".join(command) + "\n").encode())
        output.flush()
        try:
            return (
                subprocess.run(
                    command, stdout=output, stderr=output, check=False, **options
                ).returncode
                == 0
            )  # type: ignore[call-overload, no-any-return]
        except OSError:
            return False


def _with_venv(folder: str) -> bool:
    return _quiet(sys.executable, "-m", "venv", folder)


def _with_virtualenv(folder: str) -> bool:
    return _quiet(sys.executable, "-m", "virtualenv", folder) or _quiet(
        "virtualenv", "-p", sys.executable, folder
    )


def _with_pip(folder: str) -> bool:
    """Debian's python3-pip without python3-venv: an environment without pip, filled from
    outside."""
    if not _quiet(sys.executable, "-m", "pip", "--version"):
        return False
    if not _quiet(sys.executable, "-m", "venv", "--without-pip", folder):
        return False
    return _quiet(sys.executable, "-m", "pip", "--python", python_of(folder), "install", "pip")


def _with_debian_wheel(folder: str) -> bool:
    """A Debian with nothing but python3: the pip in its package python3-pip-whl. Needs no root."""
    if not shutil.which("apt-get") or not _quiet(
        sys.executable, "-m", "venv", "--without-pip", folder
    ):
        return False
    with tempfile.TemporaryDirectory() as work:
        for name in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(work, name))
        apt = [
            "apt-get",
            "-q",
            "-o",
            "Dir::State::lists=" + work + "/lists",
            "-o",
            "Dir::Cache=" + work + "/cache",
        ]
        apt += ["-o", "APT::Sandbox::User="]
        if not _quiet(*apt, "update") or not _quiet(*apt, "download", "python3-pip-whl", cwd=work):
            return False
        for package in glob.glob(work + "/*.deb"):
            _quiet("dpkg-deb", "-x", package, work + "/root")
        wheels = glob.glob(work + "/root/usr/share/python-wheels/pip-*.whl")
        if not wheels:
            return False
        return _quiet(python_of(folder), wheels[0] + "/pip", "install", "--upgrade", "pip")


WAYS: list[Callable[[str], bool]] = [_with_venv, _with_virtualenv, _with_pip, _with_debian_wheel]


def python_of(folder: str) -> str:
    """The environment's interpreter."""
    return os.path.join(folder, "bin", "python")


def make_environment(folder: str, requirements: Sequence[str]) -> None:
    """Create ``folder`` and install ``requirements`` (files). Raises SetupError."""
    if not os.path.exists(python_of(folder)) or not _quiet(
        python_of(folder), "-m", "pip", "--version"
    ):
        for way in WAYS:
            shutil.rmtree(folder, ignore_errors=True)
            if way(folder):
                break
        else:
            shutil.rmtree(folder, ignore_errors=True)
            package = "python%d.%d-venv" % sys.version_info[:2]
            raise SetupError(
                f"can't make a virtual environment with {sys.executable}: install Debian's "
                f"{package} (as root: apt-get install {package}) and try again; the attempts are "
                "in .cache/setup.log"
            )
    command = [python_of(folder), "-m", "pip", "install", "--disable-pip-version-check"]
    for name in requirements:
        command += ["-r", name]
    if not _quiet(*command):
        raise SetupError(
            f"pip could not install what {' and '.join(requirements)} asks for; its words are in "
            ".cache/setup.log"
        )


def link_collection() -> None:
    """Make .collections/ansible_collections/scaleout/ingest, a link to this checkout."""
    folder = os.path.join(ROOT, ".collections", "ansible_collections", "scaleout")
    link = os.path.join(folder, "ingest")
    os.makedirs(folder, exist_ok=True)
    if not os.path.islink(link):
        os.symlink("../../..", link)


def main() -> None:
    """Run from the Makefile, in the checkout."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if "requirements.txt" in sys.argv and sys.version_info < OLDEST_CONTROLLER:
        words = (
            sys.executable,
            ".".join(map(str, sys.version_info[:2])),
            ".".join(map(str, OLDEST_CONTROLLER)),
        )
        sys.exit(
            "set-up: %s is Python %s, Ansible needs %s or newer here; name one with PYTHON=" % words
        )
    try:
        link_collection()
        make_environment(sys.argv[1], sys.argv[2:])
        if "requirements-lint.txt" in sys.argv:  # the checkers look at what the roles call
            posix = os.path.join(ROOT, "tests", "tools", "posix.py")
            if not _quiet(python_of(sys.argv[1]), posix, os.path.join(ROOT, ".collections")):
                raise SetupError("ansible.posix can't be fetched from PyPI; see .cache/setup.log")
    except (SetupError, OSError) as error:
        sys.exit(f"set-up: {error}")


if __name__ == "__main__":
    main()
