# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems that fail: the fault injector, and small, full or coarse ones. All are unmounted
again."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import tempfile
import time
from typing import Iterator

import pytest

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faultfs.c")
ROOT = os.geteuid() == 0
_built: list[str] = []


def _build() -> str:
    """The compiled fault injector, made once for a test session."""
    if _built:
        return _built[0]
    for tool in ("gcc", "pkg-config", "fusermount3"):
        if not shutil.which(tool):
            pytest.skip(f"needs gcc, pkg-config, fuse3 and libfuse3-dev: {tool} is missing")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs access to /dev/fuse")
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True, check=False
    )
    if flags.returncode:
        pytest.skip("needs gcc, pkg-config, fuse3 and libfuse3-dev: libfuse3-dev is missing")
    program = os.path.join(tempfile.mkdtemp(prefix="faultfs-"), "faultfs")
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-Werror", "-o", program, SOURCE, *flags.stdout.split()], check=True
    )
    _built.append(program)
    return program


class FaultFS:
    """A mounted fault injector over the directory ``backing``."""

    def __init__(self, backing: bytes, mountpoint: bytes) -> None:
        self.backing, self.path = backing, mountpoint

    def rule(self, **fields: object) -> None:
        """Inject one fault, see faultfs.c; ``errno`` is a number."""
        self.tell(" ".join("%s=%s" % field for field in fields.items()))

    def tell(self, text: str) -> None:
        """One line for the control file. Raises OSError if it is not understood."""
        with open(self.path + b"/.faults", "wb", buffering=0) as control:
            control.write(text.encode() + b"\n")

    def clear(self) -> None:
        """Forget all rules and counts."""
        self.tell("clear")

    def calls(self) -> dict[str, int]:
        """How many calls of each kind came since the last clear."""
        with open(self.path + b"/.faults", "rb") as control:
            return {name: int(count) for name, count in (line.decode().split() for line in control)}


@contextlib.contextmanager
def faultfs(
    backing: bytes, mountpoint: bytes, threads: int = 10, remember: float = 0
) -> Iterator[FaultFS]:
    """Mount it, to do so many calls at once; skips the test where that can't be.

    The kernel remembers names and attributes for ``remember`` seconds; at 0 what is seen is what
    the backing tree has.
    """
    program = _build()
    os.makedirs(mountpoint, exist_ok=True)
    options = "default_permissions" + (",allow_other" if ROOT else "")
    options += ",attr_timeout={0},entry_timeout={0}".format(remember)
    options += ",max_threads=%d,max_idle_threads=%d" % (threads, threads)
    process = subprocess.Popen(
        [program, backing, mountpoint, "-f", "-o", options], stderr=subprocess.PIPE
    )
    try:
        for _try in range(200):
            if os.path.ismount(mountpoint):
                break
            if process.poll() is not None:
                pytest.skip(
                    "can't mount with FUSE: "
                    f"{process.stderr.read().decode(errors='replace').strip()}"
                )
            time.sleep(0.02)
        yield FaultFS(backing, mountpoint)
    finally:
        died = process.poll()
        subprocess.run(["fusermount3", "-u", "-z", mountpoint], check=False)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        said = process.stderr.read().decode(errors="replace").strip()
        process.stderr.close()
        if died is not None:
            raise RuntimeError("the fault injector ended by itself with %d: %s" % (died, said))


@contextlib.contextmanager
def mounted(mountpoint: bytes, *arguments: str) -> Iterator[bytes]:
    """``mount ARGUMENTS MOUNTPOINT`` and unmount it again; skips the test where that can't be."""
    if not ROOT:
        pytest.skip("needs root to mount")
    os.makedirs(mountpoint, exist_ok=True)
    done = subprocess.run(["mount", *arguments, mountpoint], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(
            f"can't mount {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}"
        )
    try:
        yield mountpoint
    finally:
        subprocess.run(["umount", "-l", mountpoint], check=False)


@contextlib.contextmanager
def tiny(mountpoint: bytes, size: str = "1m", inodes: int = 0) -> Iterator[bytes]:
    """A tmpfs with little space or few inodes."""
    with mounted(
        mountpoint, "-t", "tmpfs", "-o", "size=%s,nr_inodes=%d" % (size, inodes), "none"
    ) as path:
        yield path


@contextlib.contextmanager
def coarse_ext4(folder: str) -> Iterator[bytes]:
    """An ext4 with inodes of 128 bytes: times in whole seconds, until 2038 only."""
    image = os.path.join(folder, "ext4.img")
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    if not shutil.which("mkfs.ext4"):
        pytest.skip("needs mkfs.ext4")
    subprocess.run(
        ["mkfs.ext4", "-q", "-I", "128", "-F", image], check=True, stderr=subprocess.DEVNULL
    )
    with mounted(os.fsencode(os.path.join(folder, "ext4")), "-o", "loop", image) as path:
        shutil.rmtree(path + b"/lost+found")
        yield path


def number(name: str) -> int:
    """The errno of that name."""
    return getattr(errno, name)
